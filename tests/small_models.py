"""Small .osim documents for the tests: a chain of bodies under any joint."""

COORDINATE = '<Coordinate name="{name}"><range>-2 2</range></Coordinate>'
BODY = """<Body name="{name}"><mass>2</mass><mass_center>0.1 0.2 0.3</mass_center>
<inertia>1 1.2 1.3 0.01 0.02 0.03</inertia>
<WrapObjectSet name="wrapobjectset"><objects><WrapSphere name="ball_{name}"/></objects>
</WrapObjectSet></Body>"""
FRAME = """<PhysicalOffsetFrame name="{name}"><socket_parent>{parent}</socket_parent>
<translation>{place}</translation><orientation>{angles}</orientation></PhysicalOffsetFrame>"""
AXIS = """<TransformAxis name="{name}"><coordinates>{coordinates}</coordinates>
<axis>{axis}</axis>{function}</TransformAxis>"""
LINE = '<LinearFunction name="function"><coefficients>1 0</coefficients></LinearFunction>'
POINTS = "<x>-1.5 -0.4 0.3 1 1.7</x><y>0.1 0.3 -0.2 0.25 0.1</y>"


def document(bodies: str, joints: str, constraints: str = "", rest: str = "") -> str:
    """An .osim of these bodies, joints and constraints."""
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>\n'
        '<OpenSimDocument Version="40000"><Model name="small">'
        f'<BodySet name="bodyset"><objects>{bodies}</objects></BodySet>'
        f'<JointSet name="jointset"><objects>{joints}</objects></JointSet>'
        f'<ConstraintSet name="constraintset"><objects>{constraints}</objects></ConstraintSet>'
        f"{rest}</Model></OpenSimDocument>"
    )


def joint(kind: str, coordinates: int, inside: str = "") -> str:
    """A joint between two offset frames: of `base` (one placed in another), and of `tip`."""
    named = "".join(COORDINATE.format(name=f"q{i}") for i in range(coordinates))
    frames = (
        FRAME.format(name="far", parent="../near", place="0.1 0 -0.2", angles="0.5 0 0.1")
        + FRAME.format(name="near", parent="/bodyset/base", place="0.3 -0.1 0", angles="0 1 0.2")
        + FRAME.format(name="tip_offset", parent="/bodyset/tip", place="0 0.2 0.1", angles="1 0 2")
    )
    return (
        f'<{kind} name="moving"><socket_parent_frame>far</socket_parent_frame>'
        "<socket_child_frame>tip_offset</socket_child_frame>"
        f"<coordinates>{named}</coordinates><frames>{frames}</frames>{inside}</{kind}>"
    )


def two_bodies(moving: str, constraints: str = "", rest: str = "") -> str:
    """`base` turns about ground's Z by the coordinate `base_angle`, `tip` moves in `base`."""
    carried = (
        '<PinJoint name="carrying"><socket_parent_frame>/ground</socket_parent_frame>'
        "<socket_child_frame>/bodyset/base</socket_child_frame>"
        f"<coordinates>{COORDINATE.format(name='base_angle')}</coordinates></PinJoint>"
    )
    bodies = BODY.format(name="base") + BODY.format(name="tip")
    return document(bodies, carried + moving, constraints, rest)


def custom_joint(functions: dict[str, tuple[str, str]], coordinates: int = 2) -> str:
    """A CustomJoint whose axes, such as rotation1, have (coordinates, function); others are 0."""
    axes = {
        "rotation1": "0 0 1", "rotation2": "0.6 0 0.8", "rotation3": "0 2 0",
        "translation1": "-1 0 0", "translation2": "0 1 0", "translation3": "0 0 1",
    }  # fmt: skip
    inside = ""
    for name, axis in axes.items():
        named, function = functions.get(name, ("", ""))
        inside += AXIS.format(name=name, coordinates=named, axis=axis, function=function)
    return joint("CustomJoint", coordinates, f"<SpatialTransform>{inside}</SpatialTransform>")

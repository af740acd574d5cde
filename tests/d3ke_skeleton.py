"""D3KE's own skeleton, as far as its facts are known: a stand-in .osim for the tests.

Known, in the files beside this module: joints with their offset frames, axes, coordinates and
ranges, the lines that couple shoulders, the markers' bodies and weights, the shared scales.
Not known, and made up here: where in their bodies the markers sit, and masses.
The coupler of shoulder1_r2 (the left has none) is left out: the network predicts both.

The shared scales name the talus' template for the tibia, too. The published one of the tibia has a
factor of its mesh's own, (0.978, 1.369, 0.941) on both sides, which the shared average does not
know: with it, no shank could be longer than 0.88 of the skeleton's own.
Source: facts and figures of the skeleton that Bittner et al. 2023, Sensors 23(1), 341 used.
"""

import csv
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from d3ke.skeleton.osim import OsimModel
from tests.small_models import AXIS, FRAME, document

DATA = Path(__file__).with_name("d3ke_skeleton")
SCALES = DATA / "scales.json"  # as read_scale_groups has it
MARKER_WEIGHTS = DATA / "marker_weights.json"  # of the marker loss, by name
Row = dict[str, str]

BODY = '<Body name="{name}"><mass>1.2</mass><inertia>0.01 0.01 0.01 0 0 0</inertia></Body>'
MARKER = """<Marker name="{name}"><socket_parent_frame>/bodyset/{body}</socket_parent_frame>
<location>{place}</location></Marker>"""
COORDINATE = (
    '<Coordinate name="{name}"><range>{low} {high}</range><locked>{locked}</locked></Coordinate>'
)
LINE = '<LinearFunction name="function"><coefficients>{sign} 0</coefficients></LinearFunction>'
STILL = '<Constant name="function"><value>0</value></Constant>'
COUPLER = """<CoordinateCouplerConstraint name="{name}_con"><coupled_coordinates_function>
<SimmSpline><x>{xs}</x><y>{ys}</y></SimmSpline></coupled_coordinates_function>
<independent_coordinate_names>{independent}</independent_coordinate_names>
<dependent_coordinate_name>{name}</dependent_coordinate_name></CoordinateCouplerConstraint>"""
LOCKED = ("elbow_y", "elbow_y_l")
IN_METRES = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
XYZ = "xyz"


def table(name: str) -> list[Row]:
    """The rows of one of the skeleton's tables: joints, coordinates, markers or bodies."""
    with (DATA / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def three(row: Row, what: str) -> str:
    """The words of a vector in a row."""
    return " ".join(row[f"{what}_{axis}"] for axis in XYZ)


ORDERS: dict[str, list[str]] = json.loads((DATA / "orders.json").read_text(encoding="utf-8"))
PREDICTED = tuple(ORDERS["coordinates"])  # the 69 coordinates, in the network's order
JOINTS = tuple(ORDERS["joints"])  # the 50 joint centres, in the network's order
BODIES = tuple(row["body"] for row in table("bodies"))  # the 48 scaled ones, in its order
MARKERS = tuple(row["marker"] for row in table("markers"))  # 65


@cache
def d3ke_skeleton() -> OsimModel:
    """The stand-in: first the 48 bodies that are scaled, then the ten of no size of their own."""
    return OsimModel.from_xml(d3ke_osim())


def d3ke_osim() -> str:
    """The text of the stand-in .osim."""
    joints, coordinates = table("joints"), table("coordinates")
    carried = [row["child"] for row in joints]
    names = [*BODIES, *(name for name in carried if name not in BODIES)]
    markers = "".join(
        MARKER.format(name=row["marker"], body=row["body"], place=three(row, "made_up"))
        for row in table("markers")
    )
    return document(
        "".join(BODY.format(name=name) for name in names),
        "".join(
            _joint(row, [c for c in coordinates if c["joint"] == row["joint"]]) for row in joints
        ),
        "".join(_coupler(row) for row in coordinates if is_coupled(row)),
        f'<MarkerSet name="markerset"><objects>{markers}</objects></MarkerSet>',
    )


def is_coupled(row: Row) -> bool:
    """Whether a coordinate follows another one: not where the network predicts it."""
    return bool(row["independent"]) and row["predicted"] == "0"


def _joint(row: Row, coordinates: list[Row]) -> str:
    frames = ""
    for end, body in (("parent", row["parent"]), ("child", row["child"])):
        path = "/ground" if body == "ground" else f"/bodyset/{body}"
        place, angles = three(row, end), three(row, f"{end}_angle")
        frames += FRAME.format(name=f"{body}_offset", parent=path, place=place, angles=angles)
    listed = "".join(
        COORDINATE.format(
            name=c["coordinate"],
            low=c["low"],
            high=c["high"],
            locked=str(c["coordinate"] in LOCKED).lower(),
        )
        for c in coordinates
    )
    axes = "" if row["kind"] == "WeldJoint" else _spatial_transform(coordinates)
    return (
        f'<{row["kind"]} name="{row["joint"]}">'
        f"<socket_parent_frame>{row['parent']}_offset</socket_parent_frame>"
        f"<socket_child_frame>{row['child']}_offset</socket_child_frame>"
        f"<coordinates>{listed}</coordinates><frames>{frames}</frames>{axes}</{row['kind']}>"
    )


def _spatial_transform(coordinates: list[Row]) -> str:
    turns = [c for c in coordinates if c["coordinate"] not in IN_METRES]
    slides = [c for c in coordinates if c["coordinate"] in IN_METRES]
    turned = [_moving(c) for c in turns] + [("", axis, STILL) for axis in _other_axes(turns)]
    still = [("", axis, STILL) for axis in ("1 0 0", "0 1 0", "0 0 1")]
    slid = [_moving(c) for c in slides] or still
    inside = ""
    for kind, axes in (("rotation", turned), ("translation", slid)):
        for number, (name, axis, function) in enumerate(axes, start=1):
            inside += AXIS.format(
                name=f"{kind}{number}", coordinates=name, axis=axis, function=function
            )
    return f"<SpatialTransform>{inside}</SpatialTransform>"


def _moving(coordinate: Row) -> tuple[str, str, str]:
    line = LINE.format(sign=coordinate["sign"])
    return coordinate["coordinate"], three(coordinate, "axis"), line


def _other_axes(turns: Sequence[Row]) -> list[str]:
    """Axes for the rotations that nothing moves: OpenSim wants none along another."""
    axes = [np.array([float(word) for word in three(row, "axis").split()]) for row in turns]
    while len(axes) < 3:
        along = np.eye(3)[np.abs(axes[0]).argmin()] if len(axes) == 1 else axes[1]
        axes.append(np.cross(axes[0], along))
    return [" ".join(repr(float(x)) for x in axis) for axis in axes[len(turns) :]]


def _coupler(row: Row) -> str:
    return COUPLER.format(
        name=row["coordinate"],
        independent=row["independent"],
        xs=f"{row['x0']} {row['x1']}",
        ys=f"{row['y0']} {row['y1']}",
    )

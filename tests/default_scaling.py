"""How the default skeleton is scaled by its own markers alone."""

from collections.abc import Iterator

from d3ke.omc.scale_setup import AXES, DEFAULT_STATURE_M, Measurement, ScaleSetup

SIDES = ("R", "L")
# Markers of the default skeleton that lie on muscles, and what they weigh against bony landmarks.
SOFT, SOFT_WEIGHT = ("THI", "THA", "TIB", "SHN", "UPA", "BIC", "TRI", "FRM", "FRR"), 0.2


def default_scale_setup() -> ScaleSetup:
    """How the default skeleton is scaled by its own markers: one factor for a body."""
    pelvis = Measurement(
        "pelvis",
        (("RASI", "LASI"), ("RASI", "RPSI"), ("LASI", "LPSI")),
        (("pelvis", AXES), ("sacrum", AXES)),
        spare=(("RASI", "SACR"), ("LASI", "SACR"), ("RILC", "LILC")),
    )
    torso = Measurement(
        "torso",
        (("RSHO", "RASI"), ("LSHO", "LASI"), ("C7", "RPSI"), ("C7", "LPSI"), ("C7", "SACR")),
        (("torso", AXES),),
        spare=(("C7", "T10"), ("CLAV", "STRN"), ("RSHO", "LSHO")),
    )
    head = Measurement(
        "head",
        (("RFHD", "LFHD"), ("RBHD", "LBHD"), ("RFHD", "RBHD"), ("LFHD", "LBHD")),
        (("head", AXES),),
        spare=(("REAR", "LEAR"), ("NAS", "VTX")),
    )
    limbs = (one for side in SIDES for one in _limbs(side))
    return ScaleSetup(
        (pelvis, torso, head, *limbs),
        weights={f"{side}{name}": SOFT_WEIGHT for side in SIDES for name in SOFT},
        stature_m=DEFAULT_STATURE_M,
    )


def _limbs(side: str) -> Iterator[Measurement]:
    """Arm and leg of one side, R or L, of the default skeleton."""
    limbs: tuple[tuple[str, str, str, str], ...] = (
        # name; pairs; spare pairs; bodies
        ("thigh", "GTR-KNE GTR-KNM", "ASI-KNE", "femur"),
        ("shank", "KNE-ANK KNM-ANM", "FIB-ANK TTB-ANK", "tibia"),
        ("foot", "HEE-TOE HEE-MT1 HEE-MT5", "ANK-TOE ANK-MT5", "talus calcn toes"),
        ("upper arm", "SHO-ELB SHO-ELM", "", "humerus"),
        ("forearm", "ELB-WRA ELM-WRB", "ELB-WRB", "ulna radius"),
        ("hand", "WRA-FIN WRB-FIN WRA-HM2 WRB-HM5", "", "hand"),
    )
    for name, pairs, spare, bodies in limbs:
        yield Measurement(
            f"{name} {side}",
            tuple(_pairs(pairs, side)),
            tuple((f"{body}_{side.lower()}", AXES) for body in bodies.split()),
            tuple(_pairs(spare, side)),
        )


def _pairs(words: str, side: str) -> Iterator[tuple[str, str]]:
    for pair in words.split():
        first, second = pair.split("-")
        yield f"{side}{first}", f"{side}{second}"

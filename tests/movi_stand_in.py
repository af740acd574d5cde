"""A small BML-MoVi that the tests make: its folders, files and formats, with made-up people.

Calibration is the published one, in its own form: MATLAB's matrices for row vectors, mm, in MoVi's
world. Source: cameraParams and Extrinsics of PG1 and PG2, Ghorbani et al. 2021.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from tests.made_clips import write_clip

Array = NDArray[np.float64]

WORN = ("LFHD", "RFHD", "C7", "LWRA", "RWRA", "LASI", "RASI", "LKNE", "RKNE", "LANK", "RANK")
CENTRES = ("LHIP", "RHIP", "LHJC", "LANK")  # LHJC is never filled; LANK is a marker, too
FRAMES = 60  # of a video
MOVEMENTS = {"T-pose": (1, 12), "kicking": (15, 34), "jumping jacks/star": (36, 60)}  # as flags30
NO_T_POSE = (1, 12)  # subjects

K = {
    "PG1": (979.17889011, 978.10179305, 408.02731030, 291.16967878),
    "PG2": (980.04337094, 980.69881345, 392.27529092, 309.91125524),
}
RADIAL = {"PG1": (-0.18236467, 0.18388686), "PG2": (-0.22932292, 0.35464834)}
ROTATION = {
    "PG1": [
        [0.0305190990118828, 0.0631867211748541, -0.997534973252905],
        [0.999421825882832, 0.0130345234848274, 0.0314024703892722],
        [0.0149866121764903, -0.997916599453429, -0.0627523863353157],
    ],
    "PG2": [
        [0.998867199351677, -0.00492512595384636, -0.0473292847365708],
        [0.0456930239680428, -0.178391443589908, 0.982898082414736],
        [-0.0132840362839212, -0.983947272971600, -0.177964317748699],
    ],
}
TRANSLATION = {
    "PG1": (-177.231544221141, 1030.55751094524, 4999.31781497864),
    "PG2": (-243.680254855334, 672.573319492669, 4050.87266768758),
}


def movements_of(subject: int) -> dict[str, tuple[int, int]]:
    """The movements of a subject by name: first and last frame, counted from 1."""
    return {
        name: flags
        for name, flags in MOVEMENTS.items()
        if name != "T-pose" or subject not in NO_T_POSE
    }


def markers_of(subject: int) -> Array:
    """Places in MoVi's world, (4 FRAMES, M, 3) mm: a slow first half and a fast second one."""
    rng = np.random.default_rng(subject)
    rest = rng.uniform([-200, -300, 50], [200, 300, 1700], (len(WORN) + len(CENTRES), 3))
    time = np.arange(4 * FRAMES) / 120
    way = np.where(time < 1, 20 * time, 1500 * (time - 1) + 20)[:, None, None]
    places = rest + way * rng.uniform(-0.3, 0.3, (1, len(rest), 3))
    places[10:20, 3] = 0  # LWRA hidden
    places[:, len(WORN) + 2] = 0
    return places


def v3d_of(subject: int, flags120: bool = True) -> dict[str, Any]:
    """What MATLAB saves as F_v3d_Subject_N.mat."""
    places, person = markers_of(subject), {"sex": "Female", "height": 171.0, "mass": 64.5}
    return v3d(subject, [*WORN, *CENTRES], places, movements_of(subject), person, flags120)


def v3d(
    subject: int,
    names: list[str],
    places_mm: Array,
    movements: Mapping[str, tuple[int, int]],
    person: Mapping[str, Any],
    flags120: bool = True,
) -> dict[str, Any]:
    """The same of any markers. movements: first and last frame of each, counted from 1."""
    flags = np.array(list(movements.values()), float)
    move: dict[str, Any] = {
        "markerLocation": places_mm,
        "markerName": cell(names),
        "virtualMarkerLocation": places_mm[:, -len(CENTRES) :],
        "motions_list": cell(list(movements)).T,
        "flags30": flags,
    }
    if flags120:
        move["flags120"] = np.stack([4 * flags[:, 0] - 3, 4 * flags[:, 1]], axis=1)
    told = {"id": f"Subject_{subject}", **person}
    whole = {"id": f"Subject_{subject}", "subject": told, "move": cell([move])}
    return {f"Subject_{subject}_F": whole}


def cell(values: list[Any]) -> NDArray[np.object_]:
    """A cell array of one row."""
    made = np.empty((1, len(values)), object)
    made[0] = values
    return made


def write_movi(root: Path, subjects: tuple[int, ...] = (1, 2, 14), amass: bool = False) -> Path:
    """Write the stand-in, in the folders of the published archives. Returns root."""
    for folder in ("Calib", "F_Subjects_1_45", "Videos"):
        (root / folder).mkdir(parents=True)
    for camera in K:
        write_calibration(root / "Calib", camera)
    for subject in subjects:
        path = root / "F_Subjects_1_45" / f"F_v3d_Subject_{subject}.mat"
        savemat(path, v3d_of(subject), do_compression=True)  # as MATLAB does
        for camera in K:
            write_video(root / "Videos" / f"F_{camera}_Subject_{subject}_L.avi")
        if amass:
            write_amass(root / "AMASS", subject)
    return root


def write_calibration(folder: Path, camera: str) -> None:
    """The calibration of a camera as published: MATLAB's matrices, for row vectors."""
    fx, fy, cx, cy = K[camera]
    np.savez(
        folder / f"cameraParams_{camera}.npz",
        IntrinsicMatrix=np.array([[fx, 0, 0], [0, fy, 0], [cx, cy, 1]]),
        RadialDistortion=np.array(RADIAL[camera]),
    )
    np.savez(
        folder / f"Extrinsics_{camera}.npz",
        rotationMatrix=np.array(ROTATION[camera]),
        translationVector=np.array(TRANSLATION[camera]),
    )


def write_video(
    path: Path, count: int = FRAMES, size: tuple[int, int] = (800, 600), rate_hz: float = 30
) -> Path:
    """An .avi of grey pictures."""
    pictures = [np.full((size[1], size[0], 3), 4 * index, np.uint8) for index in range(count)]
    return write_clip(path, pictures, rate_hz, codec="mpeg4")


def write_amass(folder: Path, subject: int, sex: str = "female") -> None:
    """The movements of a subject as AMASS has them, each at 120 Hz."""
    place = folder / "BMLmovi" / f"Subject_{subject}_F_MoSh"
    place.mkdir(parents=True)
    for number, (first, last) in enumerate(movements_of(subject).values(), start=1):
        rng = np.random.default_rng(100 * subject + number)
        count = 4 * (last - first + 1)
        swing = np.sin(np.arange(count) / 20)[:, None]
        np.savez(
            place / f"Subject_{subject}_F_{number}_poses.npz",
            poses=swing * rng.normal(0, 0.3, (1, 156)),
            betas=rng.normal(0, 1, 16),
            dmpls=np.zeros((count, 8)),
            trans=np.array([0.1, 0.2, 0.9]) + 0.1 * swing,
            gender=np.array(sex),
            mocap_framerate=np.array(120.0),
        )


def write_smplh(folder: Path, sex: str, vertices: tuple[int, ...], betas: int = 16) -> Path:
    """A body model of 6890 vertices and 52 joints; only the chosen vertices are more than zero."""
    rng = np.random.default_rng(7)
    chosen, joints = list(vertices), 52
    template = np.zeros((6890, 3))
    template[chosen] = rng.uniform(-0.8, 0.8, (len(chosen), 3))
    shapes, bends = np.zeros((6890, 3, betas)), np.zeros((6890, 3, 9 * (joints - 1)), np.float32)
    shapes[chosen] = rng.normal(0, 0.01, (len(chosen), 3, betas))
    bends[chosen] = rng.normal(0, 0.002, (len(chosen), 3, 9 * (joints - 1)))
    weights, regressor = np.zeros((6890, joints)), np.zeros((joints, 6890))
    weights[chosen] = rng.dirichlet(np.ones(joints), len(chosen))
    regressor[:, chosen] = rng.dirichlet(np.ones(len(chosen)), joints)
    parents = [2**32 - 1, *(int(rng.integers(joint)) for joint in range(1, joints))]
    (folder / sex).mkdir(parents=True)
    path = folder / sex / "model.npz"
    np.savez_compressed(
        path,
        v_template=template,
        shapedirs=shapes,
        posedirs=bends,
        weights=weights,
        J_regressor=regressor,
        kintree_table=np.array([parents, range(joints)], np.uint32),
    )
    return path

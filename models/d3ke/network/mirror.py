"""Left and right exchanged: landmarks, coordinates, body scales, pelvis orientation."""

from collections.abc import Sequence

import torch
from torch import Tensor

# BlazePose's order: nose, eyes (inner, middle, outer) left then right, ears, mouth, then pairs.
LANDMARK_SWAP = (0, 4, 5, 6, 1, 2, 3, *(i + 1 if i % 2 else i - 1 for i in range(7, 33)))

# Coordinates of the middle of the body that change sign in a mirror.
SIDEWAYS = ("_list", "_tz", "_bending", "_LB", "skull_x")
TURNING = ("pelvis_rotation", "lumbar_rotation", "neck_rotation", "_AR", "skull_y")
FORWARD = "ribs_bending"  # D3KE's own name for ribs that bend forward


def _twin(name: str, names: Sequence[str]) -> int:
    swapped = name
    if name.endswith("_r"):
        swapped = name[:-2] + "_l"
    elif name.endswith("_l"):
        swapped = name[:-2] + "_r" if name[:-2] + "_r" in names else name[:-2]
    elif f"{name}_l" in names:
        swapped = f"{name}_l"  # some models name one side alone: humerus, humerus_l
    return names.index(swapped) if swapped in names else names.index(name)


def swap_of(names: Sequence[str]) -> list[int]:
    """Position of each name's twin on the other side of the body."""
    return [_twin(name, names) for name in names]


def swap_of_markers(names: Sequence[str]) -> list[int]:
    """As swap_of, where the side may begin a name, too: RASI and LASI, r_knee and l_knee."""
    swap = swap_of(names)
    for index, name in enumerate(names):
        other = {"R": "L", "L": "R", "r": "l", "l": "r"}.get(name[:1], "") + name[1:]
        if swap[index] == index and other in names:
            swap[index] = names.index(other)
    return swap


def coordinate_signs(names: Sequence[str]) -> Tensor:
    """-1 for coordinates of the middle of the body that a mirror turns round, else 1. (K,)."""
    turned = [name.endswith(SIDEWAYS + TURNING) and name != FORWARD for name in names]
    return torch.tensor([-1.0 if t else 1.0 for t in turned])


def mirror_landmarks(landmarks: Tensor) -> Tensor:
    """landmarks: (..., 33, 6) of x, y, visibility, world x, y, z, of a mirrored picture."""
    signs = landmarks.new_tensor([-1, 1, 1, -1, 1, 1])
    return landmarks[..., list(LANDMARK_SWAP), :] * signs


def mirror_root(root: Tensor) -> Tensor:
    """Pelvis orientation (..., 3, 3) in a camera of a mirrored picture (z of the pelvis: right)."""
    return root * root.new_tensor([[-1, -1, 1], [1, 1, -1], [1, 1, -1]])

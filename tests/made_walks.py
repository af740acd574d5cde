"""Walks that are made: cosines of hips and knees, with events whose times are known apart."""

import numpy as np

from d3ke.motion.motion import Motion

STRIDE_S = 1.1
PELVIS = ("pelvis_tilt", "pelvis_list", "pelvis_rotation", "pelvis_tx", "pelvis_ty", "pelvis_tz")


def made_walk(
    seconds: float = 6.0, late_s: float = 0.0, step: float = 1.0, speed_m_s: float = 1.2
) -> Motion:
    """A walk along x at 100 Hz. late_s: legs do the same later. step: of the hips' swing."""
    time = np.arange(round(100 * seconds) + 1) / 100
    columns = dict.fromkeys(PELVIS, np.zeros(len(time)))
    columns["pelvis_tx"] = speed_m_s * time
    columns["pelvis_ty"] = np.full(len(time), 0.93)
    for side, begun in (("r", 0.0), ("l", 0.5)):
        phase = 2 * np.pi * ((time - late_s) / STRIDE_S - begun)
        columns[f"hip_flexion_{side}"] = 0.1 + 0.4 * step * np.cos(phase)
        columns[f"hip_adduction_{side}"] = np.full(len(time), 0.02)
        columns[f"hip_rotation_{side}"] = 0.05 * np.sin(phase)
        columns[f"knee_angle_{side}"] = 0.4 + 0.3 * np.cos(phase - 1.8 * np.pi)
        columns[f"ankle_angle_{side}"] = 0.1 * np.sin(2 * phase)
    names = tuple(columns)
    flags = tuple(not name.startswith("pelvis_t") or name == "pelvis_tilt" for name in names)
    return Motion(time, np.stack(list(columns.values()), axis=1), names, flags)

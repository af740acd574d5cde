"""A laboratory of two people and junk, whose truth is known, for tests of preparing recordings."""

import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from d3ke.skeleton import default_model
from d3ke.synth.laboratory import LabConfig, Laboratory
from d3ke.synth_sessions import write_session

CONFIG = LabConfig(seed=3, seconds=2.0, size=(384, 288))
MARKED, ACTED = "p005", "p008"  # of short videos; of ACTED the laboratory has the motion alone
TRIALS = {MARKED: "squat", ACTED: "walking"}  # who walks tells a camera
SMALL = ("--size", "64", "--workers", "1")  # words of the command, to be quick


class Lab(NamedTuple):
    """Folders: of sessions, one of which is broken; of the truth about them."""

    sessions: Path
    truth: Path

    @property
    def paths(self) -> list[Path]:
        return [self.sessions / name for name in (ACTED, MARKED, "broken")]


def write_laboratory(root: Path) -> Lab:
    """A person with markers and a calibrated camera, one with an OpenSim motion, and junk.

    Raises D3keError where nothing can be drawn.
    """
    sessions, truth = root / "sessions", root / "truth"
    for name, activity in TRIALS.items():
        config = replace(CONFIG, activities=(activity,))
        with closing(Laboratory(config, default_model())) as laboratory:
            write_session(laboratory, int(name[1:]), sessions / name, truth / name)
    for name in ("static.trc", "walking.trc", "camera_cam0.json"):
        (sessions / ACTED / name).unlink()
    for name in ("model.osim", "walking.mot"):
        shutil.copy(truth / ACTED / name, sessions / ACTED)
    broken = sessions / "broken"
    broken.mkdir()
    shutil.copy(sessions / MARKED / "squat_cam0.mp4", broken)
    (broken / "squat.c3d").write_bytes(bytes(2048))
    return Lab(sessions, truth)


def clock_of(lab: Lab, name: str) -> dict[str, float]:
    """offset_s and drift of the one video, as the truth says."""
    told = json.loads((lab.truth / name / "sync.json").read_text(encoding="utf-8"))
    clock: dict[str, float] = told[TRIALS[name]]["cam0"]
    return clock

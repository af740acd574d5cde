"""A run goes on on another machine: with its GPU or without, compiled or not."""

import json
from dataclasses import replace
from pathlib import Path

from d3ke.train import train_frames
from tests.small_training import FRAMES, START, curve, small_set


def test_a_run_begun_on_a_gpu_goes_on_without_one(tmp_path: Path) -> None:
    data = small_set(tmp_path / "data")
    config = replace(FRAMES, steps=2)
    train_frames(tmp_path / "run", [data], START, config)
    told = tmp_path / "run" / "frame" / "config.json"
    began = json.loads(told.read_text())
    told.write_text(json.dumps(began | {"device": "cuda", "workers": 15, "compile": True}))
    before = curve(tmp_path / "run" / "frame")
    train_frames(tmp_path / "run", [data], START, config, resume=True)
    assert curve(tmp_path / "run" / "frame") == before

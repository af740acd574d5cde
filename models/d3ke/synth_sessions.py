"""Synthetic sessions: folders like a laboratory's own, and beside them the truth."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from d3ke.errors import D3keError
from d3ke.files import replacing
from d3ke.motion.c3d import write_c3d
from d3ke.motion.opensim_files import write_markers, write_motion
from d3ke.progress import Progress, Silent
from d3ke.report.overlay import encode
from d3ke.skeleton import default_model
from d3ke.synth.laboratory import LabConfig, Laboratory, Session
from d3ke.vision.camera import Camera


def write_sessions(
    output: Path,
    people: Sequence[int],
    config: LabConfig | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write the sessions of people, and return their folders.

    Under output, sessions/p000 holds what a laboratory would have, truth/p000 what it would not:
    see write_session. Raises D3keError: nothing can be drawn here, a folder is in the way.
    """
    progress, folders = progress or Silent(), []
    progress.start("sessions", len(people))
    with closing(Laboratory(config or LabConfig(), default_model())) as laboratory:
        for person in people:
            folder = output / "sessions" / f"p{person:03d}"
            write_session(laboratory, person, folder, output / "truth" / folder.name)
            folders.append(folder)
            progress.advance()
    progress.finish()
    return folders


def write_session(laboratory: Laboratory, person: int, folder: Path, truth: Path) -> Session:
    """Write a person's recordings, and the truth about them; return both.

    folder: static.trc, <trial>.trc (or .c3d), <trial>_cam0.mp4, camera_cam0.json where they are
    calibrated, and clip.json, which tells who it is.
    truth: model.osim with the markers as they were stuck on, .mot of all trials at the times of
    the markers, camera_cam0.json, and sync.json: offset_s and drift of every video, the time of
    the markers being (1 + drift) * the video's time + offset_s.
    Raises D3keError: one of the folders is there and not empty, or cannot be written.
    """
    for place in (folder, truth):
        _make(place)
    session, config = laboratory.session(person), laboratory.config
    for trial in (session.static, *session.trials):
        markers = folder / f"{trial.name}.{config.files}"
        if config.files == "c3d":
            write_c3d(markers, trial.markers)
        else:
            write_markers(markers, trial.markers, config.units)
        write_motion(truth / f"{trial.name}.mot", trial.motion)
    clocks: dict[str, dict[str, dict[str, float]]] = {}
    for number, camera in enumerate(session.cameras):
        name = f"cam{number}"
        told = [folder, truth] if config.calibrated else [truth]
        for place in told:
            _write_json(place / f"camera_{name}.json", _of_camera(camera))
        for trial in session.trials:
            with replacing(folder / f"{trial.name}_{name}.mp4") as temporary:
                frames = laboratory.film(session, trial, number)
                encode(frames, temporary, config.video_hz, repeatable=True)
            video = trial.videos[number]
            clocks.setdefault(trial.name, {})[name] = {
                "offset_s": video.offset_s,
                "drift": video.drift,
            }
    _write_json(folder / "clip.json", _of_subject(session, folder.name))
    session.model.write(truth / "model.osim")
    _write_json(truth / "sync.json", clocks)
    return session


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise D3keError(f"{folder}: not empty. Choose another folder, or remove it.")
    except OSError as error:
        raise D3keError(f"{folder}: cannot be made ({error.strerror}). Choose another.") from error


def _of_camera(camera: Camera) -> dict[str, Any]:
    return {
        "K": camera.K.tolist(),
        "distortion": camera.distortion.tolist(),
        "R": camera.R.tolist(),
        "t": camera.t.tolist(),
        "image_size": list(camera.size),
        "convention": "x_cam = R @ x_ground + t, m; camera x right, y down, z forward",
    }


def _of_subject(session: Session, name: str) -> dict[str, Any]:
    adult = session.actor.adult
    return {
        "name": name,
        "what": "a synthetic person, rendered",
        "subject": {
            "id": name,
            "sex": "f" if adult.woman else "m",
            "height_m": round(adult.stature_m, 3),
            "mass_kg": round(adult.mass_kg, 1),
        },
        "activities": {trial.name: trial.activity for trial in session.trials},
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

"""d3ke predict: clips become OpenSim files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from d3ke.errors import OptionError
from d3ke_cli import options as cli
from d3ke_cli.console import (
    ExitStatus,
    RichProgress,
    failed,
    for_each,
    show_json,
    show_result,
)

if TYPE_CHECKING:
    from d3ke.predict import PredictResult
    from d3ke.predict_options import PredictOptions

STDOUT = Path("-")


class Among(NamedTuple):
    """Processes, a Ray cluster, or a part of the clips: as the options of these names say."""

    workers: int | None
    ray: str | None
    shard: str | None


def predict(
    clips: Annotated[
        list[Path],
        typer.Argument(metavar="CLIP", help="Videos, or folders of pictures, of a person."),
    ],
    output: cli.MotOutput,
    weights: cli.Weights = "fused",
    height: cli.Height = None,
    fov: cli.FieldOfView = None,
    calibration: cli.Calibration = None,
    pitch: cli.Pitch = None,
    person: cli.Person = "largest",
    landmarks: cli.Landmarks = None,
    neutral: cli.Neutral = None,
    refine: cli.Refine = True,
    filter_hz: cli.Filter = 6.0,
    rate: cli.Rate = None,
    device: cli.OnDevice = cli.Device.AUTO,
    precision: cli.WithPrecision = cli.Precision.AUTO,
    overlay: cli.Overlay = False,
    report: cli.Report = False,
    resume: cli.Resume = False,
    workers: cli.PredictWorkers = None,
    shard: cli.ShardOf = None,
    ray: cli.Ray = None,
    as_json: cli.Json = False,
) -> ExitStatus:
    """Turn videos of a person into OpenSim files.

    Writes for each clip the motion (.mot), how far off it may be (_std.sto), markers (.trc), the
    scaled model (.osim) and all of it unfiltered (.npz).
    """
    if fov is not None and calibration is not None:
        raise OptionError("--fov and --calibration both tell of the lens. Give one of them.")
    among = Among(workers, ray, shard)
    _check_output(output, as_json or overlay or report or len(clips) > 1, among)
    from d3ke.neutral import read_neutral
    from d3ke.predict_options import PredictOptions

    wanted = PredictOptions(
        weights=weights,
        height_m=height,
        fov_deg=fov,
        calibration=calibration,
        pitch_deg=pitch,
        person=_box(person) or person,
        landmark_model=landmarks,
        neutral=read_neutral(neutral) if neutral is not None else None,
        refine=refine,
        filter_hz=filter_hz,
        rate_hz=rate,
        device=device.value,
        precision=precision.value,
        overlay=overlay,
        report=report,
        resume=resume,
    )
    if output == STDOUT:
        return _to_stdout(clips[0], wanted)
    return _to_files(clips, output, wanted, among, as_json)


def _check_output(output: Path, more: bool, among: Among) -> None:
    """Raises OptionError where less is to be written than was asked for. more: than a .mot."""
    if output == STDOUT and more:
        raise OptionError(
            "-o - writes one clip's .mot alone. Leave out --json, --overlay and --report."
        )
    from d3ke.outputs import is_file_name

    given = [f"--{name}" for name, value in among._asdict().items() if value is not None]
    if given and (output == STDOUT or is_file_name(output)):
        raise OptionError(f"{', '.join(given)}: for many clips. Name a folder with -o.")


def _to_files(
    clips: list[Path],
    output: Path,
    wanted: "PredictOptions",
    among: Among,
    as_json: bool,
) -> ExitStatus:
    from d3ke.many import Shard, Spread, predict_many
    from d3ke.outputs import is_file_name
    from d3ke.predict import predict_clip

    progress = RichProgress()
    if is_file_name(output):
        if len(clips) > 1:
            raise OptionError(f"-o {output}: several clips need a folder.")
        return for_each(
            clips,
            lambda clip: _show(
                predict_clip(clip, output, wanted, None, progress), progress, as_json
            ),
            as_json,
        )
    shard = Shard.of(among.shard) if among.shard is not None else None
    spread = Spread(among.workers, among.ray, shard)
    status = ExitStatus.DONE
    for outcome in predict_many(clips, output, wanted, spread, progress):
        if isinstance(outcome, tuple):
            status = failed(*outcome, as_json)
        else:
            _show(outcome, progress, as_json)
    return status


def _show(result: "PredictResult", progress: RichProgress, as_json: bool) -> None:
    if as_json:
        names = ("clip", "outputs", "frames", "seconds", "assumed", "observed", "quality")
        show_json({name: getattr(result, name) for name in (*names, "warnings")})
        return
    show_result("\n".join(str(path) for path in result.outputs.values()))
    osim, mot = result.outputs["osim"], result.outputs["mot"]
    done = "done already; " if result.skipped else ""
    progress.note(f"{result.clip}: {done}in OpenSim open {osim} first, then load motion {mot}")


def _to_stdout(clip: Path, wanted: "PredictOptions") -> ExitStatus:
    from d3ke.export import Sampling, bridged, sampled
    from d3ke.motion.opensim_files import motion_text
    from d3ke.predict import predict

    sampling = Sampling(wanted.rate_hz, wanted.filter_hz)
    found = sampled(predict(clip, wanted, None, RichProgress()), sampling)
    show_result(motion_text(bridged(found.motion)).rstrip("\n"))
    return ExitStatus.DONE


def _box(person: str) -> tuple[float, ...] | None:
    """The four numbers of a box, or None for a rule."""
    from d3ke.vision.rules import RULES

    if person in RULES:
        return None
    try:
        box = tuple(float(number) for number in person.split(","))
    except ValueError:
        box = ()
    if len(box) != 4:
        raise OptionError(
            f"--person {person}: neither {', '.join(RULES)} nor a box. Give X,Y,WIDTH,HEIGHT."
        )
    return box

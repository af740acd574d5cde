"""Accuracy on real clips against multi-camera markerless truth, in degrees.

The cmbbe clips are development clips: weights and settings were chosen on them. The balancing clip
is report only. None was trained on. The truth itself is 4 to 5 degrees off marker-based angles.

    python -m tests.benchmarks.accuracy [--data FOLDER] [--weights NAME] [--calibrated]
                                        [--landmark-model FILE] [--csv FOLDER]
                                        [--no-refine] [--neutral SECONDS]
"""

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from d3ke.evaluate import Evaluation, evaluate, over_clips
from d3ke.network.checkpoint import DEFAULT, load_weights
from d3ke.network.d3ke import D3KE
from d3ke.neutral import read_neutral
from d3ke.predict import predict_clip
from d3ke.predict_options import PredictOptions

SETS = {
    "development clips (chosen on)": ("cmbbe_squats", "cmbbe_jump_high_knees", "cmbbe_jump"),
    "report only": ("pose2sim_balancing",),
}
GROUPS = ("lower_limb", "trunk", "arms")
COLUMNS = {
    "mae_deg": "best lag",
    "lag_0_mae_deg": "lag 0",
    "mean_pose_mae_deg": "mean pose",
    "own_mean_mae_deg": "own mean",
}


def evaluate_views(
    folder: Path, model: D3KE, calibrated: bool, options: PredictOptions
) -> dict[str, Evaluation]:
    """Predict and evaluate every view of one recording."""
    found = {}
    for clip in sorted(folder.glob("video_cam*.mp4")):
        camera = clip.stem.removeprefix("video_")
        calibration = folder / f"camera_{camera}.json" if calibrated else None
        options = replace(options, calibration=calibration)
        with tempfile.TemporaryDirectory() as temporary:
            output = Path(temporary) / "out.mot"
            predict_clip(clip, output, options, model)
            found[f"{folder.name} {camera}"] = evaluate(output, folder / "truth.mot")
    return found


def groups_table(found: Mapping[str, Evaluation]) -> pd.DataFrame:
    """Groups over clips: best lag, lag 0, and what constant postures score."""
    table = over_clips(found)
    knees = ("knee_angle_r", "knee_angle_l")
    for suffix, _ in COLUMNS.items():
        columns = [evaluation.to_frame()[suffix] for evaluation in found.values()]
        means = [column[[k for k in knees if k in column]].mean() for column in columns]
        table[f"knee_{suffix}"] = [*means, sum(means) / len(means)]
    chosen = [f"{group}_{suffix}" for suffix in COLUMNS for group in (*GROUPS, "knee")]
    return table[["lag_s", *chosen]]


def coordinates_table(found: Mapping[str, Evaluation]) -> pd.DataFrame:
    """Coordinates over the mean of the clips."""
    frames = [evaluation.to_frame().select_dtypes("number") for evaluation in found.values()]
    return sum(frames[1:], frames[0]) / len(frames)


def whole_table(found: Mapping[str, Evaluation]) -> pd.DataFrame:
    """Every coordinate of every view."""
    tables = {clip: evaluation.to_frame() for clip, evaluation in found.items()}
    return pd.concat(tables, names=["view"]).round(2)


def show(title: str, found: Mapping[str, Evaluation]) -> None:
    """Print the tables of one set of clips."""
    table = groups_table(found)
    print(f"\n## {title}: mean absolute error, deg\n")
    for suffix, name in COLUMNS.items():
        groups = [*GROUPS, "knee"]
        part = table[[f"{group}_{suffix}" for group in groups]].set_axis(groups, axis="columns")
        print(f"{name}\n{part.round(1).to_string()}\n")
    print("lag, s (> 0: the prediction is late)")
    print(table["lag_s"].round(2).to_string(), "\n")
    print(f"each coordinate, mean over the clips\n{coordinates_table(found).round(1).to_string()}")


def main() -> None:
    """Print the tables, and write them as CSV where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--weights", default=DEFAULT)
    parser.add_argument("--calibrated", action="store_true", help="Give each camera's calibration.")
    parser.add_argument("--landmark-model", type=Path, help="Another BlazePose network.")
    parser.add_argument("--csv", type=Path, help="A folder for the tables.")
    parser.add_argument("--refine", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--neutral", help="When people stand still in all of them: A-B, s.")
    arguments = parser.parse_args()
    options = PredictOptions(
        landmark_model=arguments.landmark_model,
        refine=arguments.refine,
        neutral=read_neutral(arguments.neutral) if arguments.neutral else None,
    )
    model = load_weights(arguments.weights)
    for title, clips in SETS.items():
        found: dict[str, Evaluation] = {}
        for clip in clips:
            folder = arguments.data / "clips" / clip
            found |= evaluate_views(folder, model, arguments.calibrated, options)
        show(title, found)
        if arguments.csv:
            arguments.csv.mkdir(parents=True, exist_ok=True)
            name = title.split(" ")[0]
            groups_table(found).round(2).to_csv(arguments.csv / f"{name}_groups.csv")
            whole_table(found).to_csv(arguments.csv / f"{name}_coordinates.csv")


if __name__ == "__main__":
    main()

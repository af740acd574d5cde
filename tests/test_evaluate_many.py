"""Evaluate many: pairs of files, means over clips, limits over people, and the command."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.evaluate_many import evaluate_many
from d3ke.evaluate_markers import evaluate_markers
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import write_markers, write_motion, write_sto
from d3ke.pairs import Pair, pairs_of_folders, pairs_of_table
from d3ke.progress import Silent
from d3ke.statistics import limits_of_agreement
from d3ke_cli.console import ExitStatus
from tests.command import Command
from tests.made_walks import made_walk
from tests.test_evaluate import cloud

Array = NDArray[np.float64]

PEOPLE = {"ann": (2.0, 4.0), "ben": (-3.0, -2.0), "cai": (0.0, 1.0)}  # deg, of two clips each


def shifted(motion: Motion, shift_deg: float) -> Motion:
    knee = motion.names.index("knee_angle_r")
    q = motion.q.copy()
    q[:, knee] += np.deg2rad(shift_deg)
    return replace(motion, q=q)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of three people: a walk of 3 s and one of 2 s, knees off by what PEOPLE says."""
    folder = tmp_path_factory.mktemp("study")
    rows = ["prediction, reference, subject, activity"]
    for person, shifts in PEOPLE.items():
        for shift, activity, seconds in zip(shifts, ("walk", "stroll"), (3.0, 2.0), strict=True):
            for part in ("found", "true"):
                (folder / part / person).mkdir(parents=True, exist_ok=True)
            walk = made_walk(seconds)
            write_motion(folder / "true" / person / f"{activity}.mot", walk)
            write_motion(folder / "found" / person / f"{activity}.mot", shifted(walk, shift))
            rows.append(
                f"found/{person}/{activity}.mot, true/{person}/{activity}.mot, {person}, {activity}"
            )
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_a_figure_is_the_mean_over_clips(study: Path) -> None:
    found = evaluate_many([p._replace(lag="0") for p in pairs_of_table(study / "pairs.csv")])
    whole, walk, stroll = found.activities
    assert (whole.name, walk.name, stroll.name) == ("all", "walk", "stroll")
    assert (whole.subjects, len(whole.clips), len(walk.clips)) == (3, 6, 3)
    shifts = [shift for pair in PEOPLE.values() for shift in pair]
    knee = whole.coordinates["knee_angle_r"]
    assert knee.means["mae"] == pytest.approx(np.abs(shifts).mean(), abs=1e-5)
    assert knee.means["bias"] == pytest.approx(np.mean(shifts), abs=1e-5)
    of_walk = walk.coordinates["knee_angle_r"]
    assert of_walk.means["mae"] == pytest.approx((2 + 3 + 0) / 3, abs=1e-5)
    assert whole.coordinates["knee_angle_l"].means["rmse"] == pytest.approx(0, abs=1e-5)
    joints = walk.means_frame("joints")
    assert float(joints["mae_deg"].to_dict()["knee"]) == pytest.approx(5 / 3 / 2, abs=1e-5)
    own = knee.own_mean
    curve = [np.rad2deg(made_walk(s).column("knee_angle_r")) for s in (3.0, 2.0)]
    assert own == pytest.approx(np.mean([np.abs(c - c.mean()).mean() for c in curve]), abs=1e-4)


def test_limits_are_of_people_with_their_clips(study: Path) -> None:
    found = evaluate_many([p._replace(lag="0") for p in pairs_of_table(study / "pairs.csv")])
    limits = found.activities[0].coordinates["knee_angle_r"].limits
    frames = [301, 201] * 3
    errors = np.repeat([shift for pair in PEOPLE.values() for shift in pair], frames)
    clips = np.repeat(np.arange(6), frames)
    expected = limits_of_agreement(errors, clips, clips // 2)
    assert limits.of == "subjects"
    assert limits.low == pytest.approx(expected.low, abs=1e-4)
    assert limits.components == pytest.approx(expected.components, abs=1e-4)
    assert math.isnan(limits.low_interval[0])  # of three people none is told
    assert any("3 subjects only" in note for note in found.notes)
    table = found.to_frame().loc["all"]
    subjects, between, within = (
        float(table[f"sd_{part}_deg"].to_dict()["knee_angle_r"])
        for part in ("between_subjects", "between_clips", "within_clips")
    )
    assert subjects > between > 0.5
    assert within == pytest.approx(0, abs=1e-4)


def test_gait_is_pooled_and_told_of(study: Path) -> None:
    found = evaluate_many([p._replace(lag="0") for p in pairs_of_table(study / "pairs.csv")])
    gait = found.activities[0].gait
    assert gait is not None
    each = [c.evaluation.gait for c in found.clips if c.evaluation.gait]
    assert gait.strides == sum(one.strides for one in each) > 6
    strikes = gait.events["heel_strike"]
    assert len(strikes.errors_ms) == sum(len(g.events["heel_strike"].errors_ms) for g in each)
    assert gait.cycles()["knee_angle_l"].mae == pytest.approx(0, abs=0.05)
    record = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert record["activities"]["all"]["gait"]["strides"] == gait.strides
    assert record["activities"]["walk"]["clips"] == 3


def test_one_clip_falls_back_to_its_frames(study: Path) -> None:
    (pair, *_) = pairs_of_table(study / "pairs.csv")
    found = evaluate_many([pair])
    limits = found.activities[0].coordinates["knee_angle_r"].limits
    assert (limits.of, limits.units) == ("frames", 1)
    assert any("one clip only" in note for note in found.notes)
    assert found.clips_frame().index.tolist() == [pair.clip, "mean"]


def test_folders_are_paired_by_name(tmp_path: Path) -> None:
    for name in ("a.mot", "s1/b.sto", "alone.mot", ".hidden.mot", "notes.txt", "a_std.sto"):
        (tmp_path / "found" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "found" / name).write_text("x")
    (tmp_path / "found" / "a.npz").write_text("x")
    for name in ("a.sto", "s1/b.mot", "only.mot"):
        (tmp_path / "true" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "true" / name).write_text("x")
    told: list[str] = []
    pairs = pairs_of_folders(tmp_path / "found", tmp_path / "true", told.append)
    assert [(p.clip, p.prediction.name, p.reference.name, p.subject) for p in pairs] == [
        ("a", "a.mot", "a.sto", None),  # .mot before .npz; sigma files are no motions
        ("s1/b", "b.sto", "b.mot", "s1"),
    ]
    assert len(told) == 2
    assert "alone (1 left out)" in told[0]
    assert "only (1 left out)" in told[1]


def test_a_table_may_say_more(tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text(
        "\ufeffReference,Prediction,Clip,Lag,Model\nb.mot,x/a.mot,one,0.1,m.osim\nb.mot,c.mot,,,\n",
        encoding="utf-8",
    )
    assert pairs_of_table(table) == [
        Pair(
            "one", tmp_path / "x/a.mot", tmp_path / "b.mot", None, None, "0.1", tmp_path / "m.osim"
        ),
        Pair("c", tmp_path / "c.mot", tmp_path / "b.mot"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prediction,truth\na.mot,b.mot\n", "no column reference"),
        ("prediction,reference,sex\na.mot,b.mot,f\n", "a column sex"),
        ("prediction,reference\n", "no pairs"),
        ("prediction,reference\na.mot,\n", "line 2: no reference"),
        ("prediction,reference\na.mot,b.mot,c.mot\n", "line 2: more cells"),
        ("prediction,reference\na.mot,b.mot\na.mot,c.mot\n", "line 3: the clip a again"),
        ("prediction,reference,subject\na.mot,b.mot,x\nc.mot,d.mot,\n", "Give all or none"),
        ("prediction,reference,subject\na.mot,b.mot,x\nc.mot,b.mot,y\n", "of one person"),
        ("", "empty"),
    ],
)
def test_a_bad_table_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    table = tmp_path / "pairs.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(D3keError, match=words) as told:
        pairs_of_table(table)
    assert "\n" not in str(told.value)
    assert "pairs.csv" in str(told.value)


def test_a_pair_that_fails_leaves_the_others(study: Path) -> None:
    pairs = pairs_of_table(study / "pairs.csv")[:1]
    broken = [
        Pair("gone", study / "gone.mot", pairs[0].reference),
        pairs[0]._replace(clip="soon", lag="soon"),
    ]
    told: list[str] = []
    found = evaluate_many([*broken, *pairs], lambda clip, error: told.append(f"{clip}: {error}"))
    assert set(found.failed) == {"gone", "soon"}
    assert len(found.clips) == 1
    assert "no such file" in told[0]
    assert told[1].startswith(f"soon: {pairs[0].prediction}: lag soon is neither auto nor")
    with pytest.raises(D3keError, match="none of 2 pairs"):
        evaluate_many(broken, progress=Silent())


def test_motions_of_two_trials_are_doubted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    walk = made_walk(3.0)
    slow = rng.normal(0, 0.3, (8, len(walk.names)))
    times = np.linspace(0, 3, 8)
    q = np.stack([np.interp(walk.time, times, column) for column in slow.T], axis=1)
    found = evaluate_many([_pair(tmp_path, replace(walk, q=q), walk)])
    assert any("hardly move alike" in warning for warning in found.warnings)
    same = evaluate_many([_pair(tmp_path, walk, walk)])
    assert not same.warnings


def _pair(folder: Path, found: Motion, true: Motion) -> Pair:
    write_motion(folder / "found.mot", found)
    write_sto(folder / "true.sto", true)
    return Pair("clip", folder / "found.mot", folder / "true.sto")


def test_the_command_compares_folders(d3ke: Command, study: Path, tmp_path: Path) -> None:
    write_motion(study / "found" / "alone.mot", made_walk(1.0))
    done = d3ke(
        "evaluate",
        study / "found",
        study / "true",
        "--lag",
        "0",
        "-o",
        tmp_path / "t.csv",
        "--json",
    )
    assert done.status == ExitStatus.DONE
    assert done.json["subjects"] == 3
    assert set(done.json["by_clip"]) == {f"{p}/{a}" for p in PEOPLE for a in ("walk", "stroll")}
    assert any("alone" in line for line in done.warnings)
    table = pd.read_csv(tmp_path / "t.csv")
    assert set(table["activity"]) == {"all"}
    assert {"mae_deg", "cmc", "limits_low_deg", "band", "plane"} <= set(table.columns)
    text = d3ke("evaluate", study / "pairs.csv", "--lag", "0").out
    assert "6 clips of 3 people" in text
    assert "walk, 3 clips:" in text
    assert "heel_strike" in text
    (study / "one.csv").write_text("".join((study / "pairs.csv").read_text().splitlines(True)[:2]))
    alone = d3ke("evaluate", study / "one.csv", "--lag", "0").out
    assert "over 1 clip of 1 person;" in alone
    assert "walk, 1 clip:" in alone


def test_the_command_shows_one_pair_with_gait_and_bands(d3ke: Command, study: Path) -> None:
    pair = [study / part / "ann" / "walk.mot" for part in ("found", "true")]
    text = d3ke("evaluate", *pair, "--lag", "0").out
    for words in ("acceptable", "reasonable", "CMC", "heel_strike", "step_width", "transverse"):
        assert words in text
    assert text.splitlines()[-4].startswith("lower_limb")


def test_a_failed_pair_is_status_1(d3ke: Command, study: Path) -> None:
    table = study / "some.csv"
    table.write_text(
        "prediction,reference\nfound/ann/walk.mot,true/ann/walk.mot\ngone.mot,true/ann/walk.mot\n"
    )
    done = d3ke("evaluate", table, "--lag", "0")
    assert done.status == ExitStatus.FAILED
    assert len(done.errors) == 1
    assert "gone.mot" in done.errors[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["found", "true/ann/walk.mot"], "two files, or two folders"),
        (["found", "gone"], "two files, or two folders"),
        (["found", "true", "--model", "m.osim"], "one pair"),
        (["found", "true", "--report", "page.pdf"], ".html"),
        (["a.trc", "b.trc", "--report", "page.html"], "angles"),
        (["a.trc", "b.trc", "--model", "m.osim"], "one pair of angles"),
        (["pairs.csv", "--split", "test"], "--weights only"),
        (["pairs.csv", "--lag", "soon"], "neither auto"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_is_one_line(
    d3ke: Command, study: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(study)
    done = d3ke("evaluate", *words)
    assert done.status == ExitStatus.MISUSED
    assert len(done.errors) == 1
    assert says in done.errors[0]


def test_two_folders_without_a_pair_are_one_line(
    d3ke: Command, study: Path, tmp_path: Path
) -> None:
    done = d3ke("evaluate", study / "found", tmp_path)
    assert done.status == ExitStatus.FAILED
    assert "no two files of the same name" in done.errors[0]


def test_markers_have_their_aligned_figures(d3ke: Command, tmp_path: Path) -> None:
    wrong = cloud()
    wrong = replace(wrong, xyz=1.1 * wrong.xyz)
    write_markers(tmp_path / "a.trc", wrong)
    write_markers(tmp_path / "b.trc", cloud())
    done = d3ke("evaluate", tmp_path / "a.trc", tmp_path / "b.trc", "--lag", "0", "--json").json
    assert done["scaled_mean_error_mm"] < 0.01
    assert done["rigid_mean_error_mm"] > 20
    assert done["baselines"]["own_mean"]["rigid_mean_error_mm"] > 20
    assert done["markers"]["C7"]["scaled_mean_mm"] < 0.01
    assert "PA-MPJPE" in d3ke("evaluate", tmp_path / "a.trc", tmp_path / "b.trc").out


def test_two_markers_have_no_aligned_figures(d3ke: Command, tmp_path: Path) -> None:
    whole = cloud()
    two = replace(whole, xyz=whole.xyz[:, :2], names=whole.names[:2])
    record = evaluate_markers(two, two, lag=0.0).to_json()
    assert record["rigid_mean_error_mm"] is None
    json.dumps(record, allow_nan=False)
    write_markers(tmp_path / "two.trc", two)
    text = d3ke("evaluate", tmp_path / "two.trc", tmp_path / "two.trc", "--lag", "0").out
    assert "nan" not in text
    assert "PA-MPJPE" not in text

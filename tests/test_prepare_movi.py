"""d3ke prepare movi: BML-MoVi becomes a data set, on a stand-in in which synthetic people move."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.dataset.reading import DataSet
from d3ke.dataset.sample import Sample
from d3ke.dataset.shards import SampleName
from d3ke.errors import D3keError
from d3ke.movi.cameras import camera_of
from d3ke.movi.layout import find_movi
from d3ke.movi.recorded import ASSETS, VIRTUAL, movi_recordings
from d3ke.movi.sessions import sessions_of
from d3ke.movi.virtual_markers import VERTICES
from d3ke.omc.filming import Filming, FilmingOptions
from d3ke.omc.person import Footage, Person, Take
from d3ke.omc.solving import SolvedTake
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.synth.laboratory import Session
from d3ke.synth.pictures.gl import open_renderer
from tests.command import Command, Result, run_process
from tests.movi_bodies import write_body, write_movement
from tests.movi_people import MoviLaboratory, Subject, movements_of, true_joints, write_people
from tests.movi_stand_in import write_movi, write_smplh

Array = NDArray[np.float64]

OSIM = default_model()
TRAIN, TEST = 3, 2  # subjects, by the published splits
SPLIT_OF = {TRAIN: "train", TEST: "test"}
BROKEN = 14
SUBJECTS = {
    TRAIN: Subject(("running", "throwing"), ("PG1",), told_hz=30000 / 1001),
    TEST: Subject(("kicking", "jump"), ("PG2",)),
}
SECONDS, FRAMES = 1.0, 30


class Prepared(NamedTuple):
    """A data set; the stand-in that it was made of, and what is known of its people."""

    root: Path
    folder: Path
    result: Result
    people: dict[int, Session]
    first: dict[int, list[int]]  # frame of the video of each movement, from 0

    @property
    def data(self) -> DataSet:
        return DataSet.open(self.folder)

    def samples(self, subject: int) -> dict[str, list[Sample]]:
        """All of a subject by movement, in the order of their frames."""
        clips = self.data.sequences(SPLIT_OF[subject])
        found = [self.data.sample(clip, n) for clip in clips for n in range(clip["frames"])]
        found.sort(key=lambda sample: sample.frame)
        names = [SampleName.of(sample.key).clip for sample in found]
        return {
            trial: [one for one, name in zip(found, names, strict=True) if trial in name]
            for trial in SUBJECTS[subject].activities
        }


def labels(prepared: Prepared, subject: int) -> Iterator[tuple[list[Sample], Array]]:
    """The samples of each movement, and how far their joints (F, J) lie off the truth, m."""
    view, session = camera_of(*SUBJECTS[subject].cameras), prepared.people[subject]
    for trial, first, samples in zip(
        session.trials, prepared.first[subject], prepared.samples(subject).values(), strict=True
    ):
        frames = np.array([sample.frame for sample in samples])
        true = true_joints(session, trial, (frames - first) / 30) @ view.R.T + view.t
        found = np.stack([sample.joints for sample in samples])
        yield samples, np.linalg.norm(found - true, axis=2)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    try:
        open_renderer().close()
    except D3keError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("movi")
    laboratory = MoviLaboratory(SECONDS)
    people = write_people(folder / "movi", laboratory, SUBJECTS)
    first = {
        subject: [first - 1 for first, _ in movements_of(laboratory, session).values()][1:]
        for subject, session in people.items()
    }
    laboratory.close()
    for name in (f"F_v3d_Subject_{BROKEN}.mat", f"F_PG1_Subject_{BROKEN}_L.avi"):
        (folder / "movi" / name).write_bytes(b"nothing")
    result = run_process("prepare", "movi", folder / "movi", "-o", folder / "data", "--json")
    return Prepared(folder / "movi", folder / "data", result, people, first)


@pytest.mark.slow
def test_everyone_is_prepared_by_the_published_splits(prepared: Prepared) -> None:
    told, manifest = prepared.result.json, prepared.data.manifest
    assert manifest.kind == "movi"
    assert {name: facts["split"] for name, facts in manifest.subjects.items()} == {
        f"Subject_{subject}": split for subject, split in SPLIT_OF.items()
    }
    assert (told["sessions"], told["subjects"]) == (2, 2)
    assert told["frames"] == sum(len(shard) for shard in prepared.data.shards.values())
    assert [Path(page).name for page in told["pages"]] == ["Subject_2.html", "Subject_3.html"]
    for page in told["pages"]:  # of each movement three pictures with the skeleton
        assert Path(page).read_text().count("data:image/jpeg;base64") == 6
    for subject, session in prepared.people.items():
        facts, adult = manifest.subjects[f"Subject_{subject}"], session.actor.adult
        assert facts["sex"] == ("f" if adult.woman else "m")
        assert facts["height_m"] == pytest.approx(adult.stature_m)
        assert facts["mass_kg"] == pytest.approx(adult.mass_kg)


@pytest.mark.slow
def test_testing_has_every_frame_of_a_movement(prepared: Prepared) -> None:
    keys = [sample.key for several in prepared.samples(TEST).values() for sample in several]
    assert keys == [
        f"Subject_2-{trial}-PG2-{place:06d}"
        for trial in ("02_kicking", "03_jump")  # the T-pose is movement 1
        for place in range(FRAMES)
    ]
    for first, samples in zip(prepared.first[TEST], prepared.samples(TEST).values(), strict=True):
        assert [sample.frame for sample in samples] == list(range(first, first + FRAMES))


@pytest.mark.slow
def test_training_has_the_frames_that_moved_and_loses_none(prepared: Prepared) -> None:
    """Those that do not follow each other are independent ones, not lost."""
    several = (one for one in sessions_of(find_movi(prepared.root)) if one.split == "train")
    meant = {one.activity: one.frames.tolist() for one in several}
    samples = prepared.samples(TRAIN)
    found = {trial: [sample.frame for sample in samples[trial]] for trial in samples}
    assert found == meant
    assert [len(found[trial]) for trial in ("running", "throwing")] == [15, 8]
    clips = prepared.data.sequences("train")
    told = [(clip["activities"], clip["kind"], clip["frames"], clip["rate_hz"]) for clip in clips]
    assert told == [(["running"], "clip", 15, 15), (["throwing"], "frames", 8, 15)]


@pytest.mark.slow
@pytest.mark.parametrize("subject", [TRAIN, TEST])
def test_labels_are_within_2_cm_of_the_truth(prepared: Prepared, subject: int) -> None:
    for samples, off in labels(prepared, subject):
        view = camera_of(*SUBJECTS[subject].cameras)
        assert np.median(off) < 0.02  # m
        assert off.mean(axis=0).max() < 0.05
        for sample in samples:
            assert sample.time == pytest.approx(sample.frame / 30)  # whatever rate the file tells
            np.testing.assert_allclose(sample.camera_matrix, view.K)
            np.testing.assert_allclose(sample.distortion, view.distortion)
            assert sample.landmarks is not None


@pytest.fixture(scope="module")
def bodied(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """The one who tests, prepared by the body that AMASS would have of them."""
    folder, session = tmp_path_factory.mktemp("bodies"), prepared.people[TEST]
    for path in prepared.root.rglob(f"*Subject_{TEST}*"):
        (folder / "movi").mkdir(exist_ok=True)
        shutil.copy(path, folder / "movi")
    for number, trial in enumerate(session.trials, start=2):  # 1 is the T-pose
        write_movement(folder / "movi", TEST, number, trial, session)
    own, other = ("female", "male") if session.actor.adult.woman else ("male", "female")
    write_body(folder / "smplh", own, session)
    write_smplh(folder / "smplh", other, tuple(VERTICES.values()))
    words = ("--smplh", folder / "smplh", "--workers", 1, "--json")
    result = run_process("prepare", "movi", folder / "movi", "-o", folder / "data", *words)
    return prepared._replace(root=folder / "movi", folder=folder / "data", result=result)


@pytest.mark.slow
def test_labels_by_bodies_of_amass_are_within_2_cm_of_the_truth(bodied: Prepared) -> None:
    """Vertices lie some millimetres beside markers, and a made-up knee does not slide."""
    assert bodied.result.status == 0
    assert bodied.result.warnings == ["warning: subject 2: F_PG1_Subject_2_L.avi is missing."]
    assert bodied.result.json["frames"] == 2 * FRAMES
    for _, off in labels(bodied, TEST):
        assert np.median(off) < 0.01  # m
        assert off.mean(axis=0).max() < 0.02


@pytest.mark.slow
def test_body_models_and_a_mapping_are_among_the_sources(bodied: Prepared, tmp_path: Path) -> None:
    smplh = bodied.root.parent / "smplh"
    mapping = Path(shutil.copy(ASSETS / VIRTUAL, tmp_path / "markers.toml"))

    def sources(mapping: Path | None = None) -> Mapping[str, str]:
        return movi_recordings(bodied.root, smplh, mapping, Silent()).sources

    assert sources() == bodied.data.manifest.sources
    mapped = sources(mapping)
    assert mapped != sources()
    mapping.write_text(mapping.read_text() + "# as before\n")
    assert sources(mapping) != mapped
    shutil.copytree(smplh, tmp_path / "smplh")
    smplh = tmp_path / "smplh"
    assert sources() == bodied.data.manifest.sources
    with next(smplh.rglob("model.npz")).open("ab") as file:
        file.write(b"another")
    assert sources() != bodied.data.manifest.sources


@pytest.mark.slow
def test_a_broken_subject_has_a_line_and_the_others_go_on(prepared: Prepared) -> None:
    assert prepared.result.status == 1, prepared.result.err
    assert prepared.result.json["unusable"] == [f"Subject_{BROKEN}"]
    (line,) = prepared.result.json["left_out"]
    assert f"F_v3d_Subject_{BROKEN}.mat: broken" in line
    assert prepared.result.err.count(line) == 1


@pytest.mark.slow
def test_what_is_whole_is_not_made_again(prepared: Prepared, d3ke: Command) -> None:
    result = d3ke("prepare", "movi", prepared.root, "-o", prepared.folder, "--resume", "--json")
    assert result.status == 1
    assert result.json["made"] == 0
    assert result.json["frames"] == prepared.result.json["frames"]
    assert result.json["unusable"] == [f"Subject_{BROKEN}"]
    assert f"movi/F_v3d_Subject_{BROKEN}.mat: broken" in result.json["left_out"][0]


@pytest.mark.slow
def test_frames_that_a_video_lacks_are_told(prepared: Prepared) -> None:
    session, first = prepared.people[TEST], prepared.first[TEST][1]
    time = np.arange(120) / 120
    q = session.trials[1].acted.at(time).q
    every = np.ones((120, len(OSIM.markers)), bool)
    scales = session.actor.adult.scales.double().numpy()
    solved = SolvedTake(
        first / 30 + time, q, np.ones(q.shape, bool), every, scales, (), np.empty((120, 0)), "", ()
    )
    video = next(prepared.root.rglob("F_PG2_Subject_2_L.avi"))
    filming, person = Filming(OSIM, FilmingOptions()), Person("Subject_2")
    take = Take("03_jump", "jump", None, None, ())
    footage = Footage("PG2", video, camera_of("PG2"), (0.0, 0.0), np.arange(first, 100), 30.0)
    filmed = filming.film(filming.watch(person, take, solved, footage))
    assert filmed.remarks[0] == f"{video}: 33 of 49 frames could be read. Copy it again."
    assert (filmed.story.frames, filmed.story.filmed) == (FRAMES, 33)
    with pytest.raises(D3keError, match="nobody is seen in 0 frames"):
        filming.watch(person, take, solved, footage._replace(numbers=np.arange(90, 100)))


def test_a_folder_that_is_not_movi_is_refused_and_nothing_is_left(
    tmp_path: Path, d3ke: Command
) -> None:
    (tmp_path / "other").mkdir()
    for root in (tmp_path / "other", tmp_path / "nowhere"):
        result = d3ke("prepare", "movi", root, "-o", tmp_path / "data")
        assert result.status == 1
        assert len(result.errors) == 1
        assert str(root) in result.errors[0]
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_bodies_that_are_not_there_are_told_once_and_nothing_is_left(
    tmp_path: Path, d3ke: Command
) -> None:
    root = write_movi(tmp_path / "movi", subjects=(2, 14), amass=True)
    result = d3ke("prepare", "movi", root, "-o", tmp_path / "data", "--smplh", tmp_path)
    assert result.status == 1
    assert result.errors == [line for line in result.err.splitlines() if "model.npz" in line]
    assert len(result.errors) == 1
    assert not (tmp_path / "data").exists()

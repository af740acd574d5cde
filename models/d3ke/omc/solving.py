"""Solving: a person's takes as motions of the data set's skeleton, of the person's size.

From what a take has: a motion that was solved already goes over to the skeleton; markers are
solved, on the skeleton where it has them, else on the laboratory's own model.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.omc.fitted_size import fit_size
from d3ke.omc.inverse_kinematics import inverse_kinematics
from d3ke.omc.joint_limits import in_usual_angles, with_limits
from d3ke.omc.marker_check import marker_findings
from d3ke.omc.marker_names import Matching, match
from d3ke.omc.opensim_ik import opensim_inverse_kinematics
from d3ke.omc.person import Person, Take
from d3ke.omc.scale_setup import DEFAULT_STATURE_M, ScaleSetup
from d3ke.omc.scaling import scale_model
from d3ke.omc.segments import Segment, factors_against_anthropometry, implausible
from d3ke.omc.solved import Solved as Solution
from d3ke.omc.transfer import Transferred, transferred
from d3ke.omc.trust import Flags, determined, trusted
from d3ke.posing import coordinates_of, posed
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

# Two models of a whole body put the same joint up to 25 mm apart (LaiUhlrich's and Pose2Sim's
# beside the default skeleton): beyond, a posture did not go over.
LARGEST_MISMATCH_M = 0.03
SEXES = {"f": "woman", "m": "man"}
D3KE, OPENSIM = "d3ke", "opensim"
KINEMATICS = {D3KE: inverse_kinematics, OPENSIM: opensim_inverse_kinematics}


class SolvedTake(NamedTuple):
    """A take in the coordinates of the data set's skeleton.

    time: (S,) s of the recording; q: (S, K) rad or m, NaN where unknown; q_mask: (S, K) and
    markers_mask: (S, M) which are trusted; scales: (N, 3); marker_names, errors_m: (S, M') how far
    the M' recorded markers lie off those of the model that was solved, NaN in gaps; way: how it was
    solved, in words; remarks: what to know.
    """

    time: Array
    q: Array
    q_mask: Flags
    markers_mask: Flags
    scales: Array
    marker_names: tuple[str, ...]
    errors_m: Array
    way: str
    remarks: tuple[str, ...]


class Sized(NamedTuple):
    """A model of the person's size, and which recorded markers are which of its own.

    scales: (N, 3) beside the model as it was; told: how it came about; remarks: what to know.
    """

    osim: OsimModel
    matching: Matching
    scales: Array
    told: str
    remarks: tuple[str, ...]


class Solver:
    """Solves the takes of a person in the coordinates of `osim`."""

    def __init__(self, person: Person, osim: OsimModel, kinematics: str = D3KE) -> None:
        """kinematics: whose inverse kinematics, one of KINEMATICS."""
        self.person, self.osim, self.kinematics = person, osim, kinematics
        model, setup = person.model, person.scale_setup
        # the model that a set-up of scaling speaks of, None where it has nothing to do
        self._to_scale = (model or osim) if setup is not None and not person.is_scaled else None
        self.size_told, self.scales = "", np.ones((len(osim.bodies), 3))
        self._sized = lru_cache(maxsize=None)(self._sized_anew)
        self._is_set_up = False

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Lengths of the person's body as scaled, beside adults' of that height, if known."""
        if self.person.height_m is None:
            return ()
        sex = SEXES.get(str(self.person.facts.get("sex")))
        return factors_against_anthropometry(self.scales, self.osim, self.person.height_m, sex)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to know of the person's size."""
        unused = self.person.scale_setup is not None and not self._is_set_up
        told = ("the set-up of scaling was not used: the size is known without.",) if unused else ()
        return (*implausible(self.segments, self.person.height_m or 0.0), *told)

    def solve(self, take: Take) -> SolvedTake:
        """A take's motion. Raises D3keError: nothing to solve, or markers that do not fit."""
        if take.motion is not None and self.person.model is not None:
            solved = self._by_motion(take, take.motion, self.person.model)
        elif take.markers is not None:
            solved = self._by_markers(take, take.markers)
        else:
            raise D3keError(
                "a motion without the .osim that it moves, and no markers. Add the .osim."
            )
        if not np.isfinite(solved.q).all(axis=1).any():
            raise D3keError("too few markers in every frame. Look at the recording's gaps.")
        self.scales = solved.scales
        return solved

    def _by_motion(self, take: Take, motion: Motion, model: OsimModel) -> SolvedTake:
        """A motion that was solved already, with the markers' errors where they were recorded."""
        moved = transferred(motion.unwrapped(), model, self.osim)
        self.size_told = f"The size of {model.name or 'the .osim'}, whose motions were given."
        q_mask, markers_mask = _trusted_after(moved, self.osim)
        names: tuple[str, ...] = ()
        errors = np.empty((len(motion.time), 0))
        way = f"the given motion of {model.name or 'its .osim'}"
        matching = None if take.markers is None else self._matched(model, take.markers.names)
        if take.markers is not None and matching is not None:
            names, errors = _errors_of(matching.osim, motion, matching.renamed(take.markers))
            told = np.ones(len(model.coordinates), np.bool_)
            of_model, _ = trusted(matching.osim, names, errors, told)
            q_mask &= _by_names(of_model, model, self.osim)
        middle = float(np.median(moved.errors)) * 1000
        return SolvedTake(
            motion.time,
            moved.q,
            q_mask,
            markers_mask,
            moved.scales,
            names,
            errors,
            f"{way}; joint centres within {middle:.0f} mm of its own (median)",
            (),
        )

    def _by_markers(self, take: Take, markers: MarkerData) -> SolvedTake:
        """Inverse kinematics on the skeleton, or else on the laboratory's own model.

        On that at once, where there is a set-up that scales it.
        """
        model = self.person.model
        if model is not None and self._to_scale is model:
            return self._by_own_model(take, markers, model)
        try:
            sized = self._sized(self.osim)
        except D3keError:
            if model is None or self._matched(model, markers.names) is None:
                raise
            return self._by_own_model(take, markers, model)
        motion, found = self._moved(sized, markers)
        self.size_told = sized.told
        names, errors = found.markers.names, found.errors
        skeleton = SkeletalModel(sized.osim, torch.float64)
        unit = np.ones((len(self.osim.bodies), 3))
        q, known = _filled(motion)
        told = determined(skeleton, q, unit, names)
        q_mask, of_markers = trusted(sized.osim, names, errors, told)
        places = [sized.osim.marker_names.index(name) for name in self.osim.marker_names]
        return SolvedTake(
            time=markers.time,
            q=q,
            q_mask=q_mask & known,
            markers_mask=of_markers[:, places],
            scales=sized.scales,
            marker_names=names,
            errors_m=errors,
            way=f"inverse kinematics of {len(names)} markers ({sized.matching.source})",
            remarks=(*sized.remarks, *sized.matching.remarks),
        )

    def _by_own_model(self, take: Take, markers: MarkerData, model: OsimModel) -> SolvedTake:
        """Inverse kinematics on the laboratory's own model, whose motion then goes over."""
        own = self._sized(model)
        motion, _ = self._moved(own, markers)
        solved = self._by_motion(take, motion, own.osim)
        self.size_told = own.told
        return solved._replace(
            way=f"inverse kinematics of its .osim; {solved.way}",
            remarks=(*own.remarks, *own.matching.remarks),
        )

    def _moved(self, sized: Sized, markers: MarkerData) -> tuple[Motion, Solution]:
        """What a model of the person's size does, its coordinates without jumps of a turn."""
        renamed = sized.matching.renamed(markers)
        wrong = _wrong_with(renamed)
        if wrong:
            raise D3keError(f"{wrong}.")
        weights = {name: sized.matching.weights.get(name, 0.0) for name in renamed.names}
        found = KINEMATICS[self.kinematics](sized.osim, renamed, weights)
        return in_usual_angles(found.motion.unwrapped(), sized.osim), found

    def _matched(self, model: OsimModel, names: Iterable[str]) -> Matching | None:
        """Which markers of the laboratory's own model were recorded, None where too few were."""
        try:
            return self._matching(model, names)
        except D3keError:
            return None

    def _matching(self, osim: OsimModel, names: Iterable[str]) -> Matching:
        """Which recorded markers are which of a model's; raises D3keError where too few are.

        A mapping may speak of the data set's skeleton, and not of the laboratory's own model.
        """
        names = tuple(names)
        try:
            return match(osim, names, self.person.mapping)
        except D3keError:
            if osim is self.osim or self.person.mapping is None:
                raise
            return match(osim, names)

    def _sized_anew(self, osim: OsimModel) -> Sized:
        """The model in the person's size, by all of their recordings together."""
        person, static = self.person, self.person.static
        recordings = [*((static,) if static else ()), *person.recordings]
        names = dict.fromkeys(name for one in recordings for name in one.names)
        matching = self._matching(osim, names)
        if osim is person.model and person.is_scaled:
            told = f"The size of {osim.name or 'the .osim'}, which was given as the subject's own."
            unit = np.ones((len(osim.bodies), 3))
            return Sized(matching.osim, matching, unit, told, ())
        renamed = [matching.renamed(one) for one in recordings]
        wrongs = [_wrong_with(one) for one in renamed]
        sound = [one for one, wrong in zip(renamed, wrongs, strict=True) if not wrong]
        if not sound:
            raise D3keError(f"{wrongs[0]}.")
        still = static is not None and not wrongs[0]
        if person.scale_setup is not None and osim is self._to_scale:
            return self._set_up(person.scale_setup, matching, sound[0], still)
        scaled = scale_model(
            matching.osim,
            sound[0],
            ScaleSetup(
                matching.measurements,
                weights={n: w for n, w in matching.weights.items() if n not in matching.loose},
                rest_weight=0.0,
                stature_m=DEFAULT_STATURE_M if osim.sha256 == default_model().sha256 else None,
            ),
            height_m=person.height_m,
            still=still,
        )
        limited = with_limits(matching.osim)
        found = fit_size(limited, scaled.scales, sound, matching.weights, matching.loose)
        own = limited.scaled(found.scales, person.facts.get("mass_kg")).marked(found.places)
        told = (
            "Scaled by distances between markers of "
            f"{'the static trial' if still else 'a moving trial (no static one to use)'}, "
            "then along every axis to what explains all of the trials together."
        )
        of_static = () if still or static is None else (f"static trial not used: {wrongs[0]}.",)
        return Sized(own, matching, found.scales, told, (*of_static, *scaled.remarks))

    def _set_up(
        self, setup: ScaleSetup, matching: Matching, markers: MarkerData, still: bool
    ) -> Sized:
        """The model scaled as a laboratory's own set-up says, and as it says alone."""
        person = self.person
        scaled = scale_model(
            matching.osim, markers, setup, person.facts.get("mass_kg"), person.height_m, still
        )
        self._is_set_up = True
        told = "Scaled by the laboratory's own set-up, as OpenSim's ScaleTool does."
        return Sized(scaled.osim, matching, scaled.scales, told, scaled.remarks)


def _wrong_with(markers: MarkerData) -> str:
    """Why labels of markers with a model's names would be false; nothing where they would not."""
    return next((one.text for one in marker_findings(markers) if one.wrong), "")


def _filled(motion: Motion) -> tuple[Array, Flags]:
    """Coordinates (T, K), and which were solved.

    One that no marker tells for a while goes straight to where it is told again; frames whose
    place is not known stay NaN.
    """
    known = np.isfinite(motion.q)
    q = motion.q.copy()
    for column, seen in zip(q.T, known.T, strict=True):
        if seen.any():
            column[~seen] = np.interp(motion.time[~seen], motion.time[seen], column[seen])
        else:
            column[:] = 0.0
    q[~known.any(axis=1)] = np.nan
    return q, known


def _errors_of(
    model: OsimModel, motion: Motion, markers: MarkerData
) -> tuple[tuple[str, ...], Array]:
    """How far recorded markers lie off a model's, at the motion's times: names, (T, M') m."""
    measured = markers.at(motion.time)
    rows = [model.marker_names.index(name) for name in measured.names]
    own = posed(SkeletalModel(model), coordinates_of(motion, model)).markers[:, rows]
    return measured.names, np.linalg.norm(measured.xyz - own, axis=-1)


def _trusted_after(moved: Transferred, osim: OsimModel) -> tuple[Flags, Flags]:
    """Which coordinates (T, K) and markers (T, M) are trusted of a motion that went over.

    Not the coordinates that it lacks, nor those of a joint whose body carries another one that did
    not come to where it was.
    """
    off = moved.errors > LARGEST_MISMATCH_M
    above = {joint.child.body: joint.parent.body for joint in osim.joints}
    bad_body = {
        body: off[:, [i for i, one in enumerate(moved.bodies) if body in {one, above[one]}]]
        for body in osim.body_names
    }
    bad = {body: flags.any(axis=1) for body, flags in bad_body.items()}
    q_mask = np.stack(
        [
            ~bad[joint.child.body] & moved.known[osim.coordinate_names.index(coordinate.name)]
            for joint in osim.joints
            for coordinate in joint.coordinates
        ],
        axis=1,
    )
    return q_mask, np.stack([~bad[marker.body] for marker in osim.markers], axis=1)


def _by_names(flags: Flags, model: OsimModel, osim: OsimModel) -> Flags:
    """Flags of a model's coordinates (T, K') as another's (T, K); true where it has none."""
    found = np.ones((len(flags), len(osim.coordinates)), np.bool_)
    for place, name in enumerate(osim.coordinate_names):
        if name in model.coordinate_names:
            found[:, place] = flags[:, model.coordinate_names.index(name)]
    return found

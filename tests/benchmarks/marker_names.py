"""What becomes of the markers of real recordings: which set they are of, what is told of them.

    python -m tests.benchmarks.marker_names [--data FOLDER]

Every recording of the data's sessions on the default skeleton; and, each pair of right and left
markers exchanged in turn, how many of these mistakes are noticed.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.omc.marker_check import exchanged_pairs, ground_turn, marker_findings
from d3ke.omc.marker_names import match
from d3ke.omc.session import find_session
from d3ke.recordings import load_markers
from d3ke.skeleton import default_model

SKELETON = default_model()
UP = ("x", "y", "z")


def recordings(data: Path) -> Iterator[Path]:
    """The marker files of all sessions, but for those that test readers and mean nothing."""
    folders = sorted([*(data / "clips").iterdir(), *(data / "omc").iterdir()])
    for folder in (one for one in folders if one.name != "trc_format_cases"):
        try:
            session = find_session(folder)
        except D3keError:
            continue  # films without truth, licences
        files = [session.static, *(trial.markers for trial in session.trials)]
        yield from (path for path in files if path is not None)


def noticed(markers: MarkerData) -> tuple[int, int]:
    """How many of the pairs are told when exchanged, and how many there are."""
    found = count = 0
    for right, name in enumerate(markers.names):
        other = f"L{name[1:]}"
        if name[0] != "R" or other not in markers.names:
            continue
        left, xyz = markers.names.index(other), markers.xyz.copy()
        xyz[:, [right, left]] = xyz[:, [left, right]]
        wrong = exchanged_pairs(MarkerData(markers.time, xyz, markers.names))
        found, count = found + ((name, other) in wrong), count + 1
    return found, count


def row(path: Path, data: Path) -> dict[str, object]:
    """What is found of one recording."""
    markers = load_markers(path, lambda _: None)
    name = path.relative_to(data).as_posix()
    try:
        found = match(SKELETON, markers.names)
    except D3keError:
        return {"recording": name, "set": "refused", "recorded": len(markers.names)}
    ours = found.renamed(markers)
    some = MarkerData(ours.time[::10], ours.xyz[::10], ours.names)
    turn, (told, pairs) = ground_turn([ours]), noticed(some)
    return {
        "recording": name,
        "set": found.source,
        "recorded": len(markers.names),
        "matched": len(ours.names),
        "loose": len(found.loose),
        "up": "?" if turn is None else UP[abs(turn[1]).argmax()],
        "findings": sum(1 for _ in marker_findings(ours)),
        "pairs": pairs,
        "noticed": told,
        "false alarms": len(exchanged_pairs(some)),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default)
    data = parser.parse_args().data
    table = pd.DataFrame([row(path, data) for path in recordings(data)])
    counts = table.select_dtypes("number").columns
    table[counts] = table[counts].fillna(0).astype(int)
    print(table.fillna("").to_string(index=False))
    totals = table[["pairs", "noticed", "false alarms"]].sum()
    print(
        f"\nexchanged pairs: {totals['noticed']} of {totals['pairs']} noticed, "
        f"{totals['false alarms']} false alarms"
    )


if __name__ == "__main__":
    main()

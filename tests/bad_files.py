"""Files with one fault each, made from small pieces."""

import io
import pickle
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
WALK = ROOT / "examples" / "walk_3s.mp4"
Image = NDArray[np.uint8]

MOT_HEADER = "Coordinates\nversion=1\nnRows={rows}\nnColumns={columns}\n{unit}\n\nendheader\n"
TRC_KEYS = (
    "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame OrigNumFrames"
)
MODEL = """<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40000"><Model name="pendulum">
<BodySet name="bodyset"><objects><Body name="rod"><mass>1</mass><mass_center>0 0 0</mass_center>
<inertia>1 1 1 0 0 0</inertia></Body></objects></BodySet>
<JointSet name="jointset"><objects><{joint} name="pin">
<socket_parent_frame>/ground</socket_parent_frame><socket_child_frame>/bodyset/rod</socket_child_frame>
<coordinates><Coordinate name="angle"/></coordinates></{joint}></objects></JointSet>
</Model></OpenSimDocument>
"""
ENTITY_BOMB = """<?xml version="1.0"?>
<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">]>
<OpenSimDocument Version="40000"><Model name="&e;"/></OpenSimDocument>
"""


def mot(
    labels: str = "time knee_angle_r knee_angle_l",
    rows: Iterable[str] = ("0.0 1 2", "0.1 2 3", "0.2 3 4", "0.3 4 5"),
    unit: str = "inDegrees=yes",
) -> bytes:
    """A .mot; blanks stand for tabs."""
    rows = list(rows)
    header = MOT_HEADER.format(rows=len(rows), columns=len(labels.split()), unit=unit)
    lines = [line.replace(" ", "\t") for line in (labels, *rows)]
    return (header + "\n".join(lines) + "\n").encode()


def trc(
    values: str = "10 10 3 2 m 10 1 3",
    labels: str = "X1 Y1 Z1 X2 Y2 Z2",
    rows: Iterable[str] = ("1 0.0 0 1 0 0 1 1", "2 0.1 0 1 0 0 1 1", "3 0.2 0 1 0 0 1 1"),
    names: str = "LASI RASI",
    separator: str = "\t",
) -> bytes:
    """A .trc; blanks stand for the separator."""
    markers = "Frame# Time " + "   ".join(names.split())
    lines = ["PathFileType 4 (X/Y/Z) a.trc", TRC_KEYS, values, markers, f"  {labels}", "", *rows]
    return "\n".join(line.replace(" ", separator) for line in lines).encode() + b"\n"


def model(joint: str = "PinJoint") -> bytes:
    """A model of one body."""
    return MODEL.format(joint=joint).encode()


def npz(value: object) -> bytes:
    """A .npz with one array, pickled where it holds objects."""
    file = io.BytesIO()
    np.savez(file, time=np.asarray(value))
    return file.getvalue()


def pickled() -> bytes:
    """What torch.save of old, and many a run's folder, would hold."""
    return pickle.dumps({"state_dict": [1.0]})


def clip(path: Path, frames: Iterable[Image], size: tuple[int, int] = (320, 240)) -> None:
    """A video of these pictures, (H, W, 3) RGB; of none, a file with only a header.

    size: (width, height) px, of the pictures too.
    """
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", 30, {"preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        file.start_encoding()
        for image in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())


def walk(count: int = 30) -> list[Image]:
    """The first pictures of the bundled clip, (286, 640, 3) RGB."""
    with av.open(str(WALK)) as file:
        frames = islice(file.decode(video=0), count)
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in frames]


def grey(width: int = 320, height: int = 240) -> Image:
    """A picture of nobody."""
    return np.full((height, width, 3), 127, np.uint8)


def shrunk(image: Image, width: int, height: int) -> Image:
    """The picture in another size."""
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8)

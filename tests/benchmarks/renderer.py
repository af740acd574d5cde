"""Speed of the renderer: frames/s in one process and in several, by size of picture.

The figure is the parametric body in tights, 32,000 triangles, in a room with furniture and in the
open air. On Mesa's llvmpipe each process is kept to one core; its figure is CPU time too.

    python -m tests.benchmarks.renderer [--sizes 256 384] [--processes 1 2] [--frames 60]
"""

import argparse
import multiprocessing
import os
import time
from functools import lru_cache

import numpy as np
import torch

from d3ke.synth.bodies.body import parametric_body
from d3ke.synth.pictures.exposure import draw_look, encode_jpeg, expose
from d3ke.synth.pictures.gl import open_renderer
from d3ke.synth.pictures.surroundings import draw_surroundings
from d3ke.synth.stage import Figure, Material, Mesh, Part, Stage, View
from tests.synth_renderer import view_from

PEOPLE = 4  # stages that the frames are spread over


@lru_cache(maxsize=1)
def body_figure() -> Figure:
    """The parametric body at rest, skin and tights."""
    body = parametric_body()
    shape = body.coefficients({"gender": torch.tensor([0.4]), "age": torch.tensor([0.7])})
    vertices = body.rest(shape).vertices[0].numpy().copy()
    vertices[:, 1] -= vertices[:, 1].min()
    parts = []
    for group, tint in (("skin", (0.5, 0.3, 0.2)), ("helper-tights", (0.05, 0.1, 0.4))):
        faces = body.faces[group]
        pairs = np.stack([faces.ravel(), body.uv_faces[group].ravel()], axis=1)
        found, index = np.unique(pairs, axis=0, return_inverse=True)
        chosen, uv = found[:, 0], body.uv[found[:, 1]]
        corners = vertices[faces]
        flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        normals = np.zeros_like(vertices)
        np.add.at(normals, faces, flat[:, None])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        triangles = index.reshape(faces.shape).astype(np.int32)
        mesh = Mesh(group, uv, body.bones[chosen], body.weights[chosen], triangles)
        parts.append(Part(mesh, vertices[chosen], normals[chosen], Material(None, tint)))
    return Figure(tuple(parts), vertices[:1], ("calcn_r",))


def measure(job: tuple[int, int, bool]) -> tuple[float, float]:
    """Seconds and CPU seconds that a number of frames of a size takes; with everything or bare."""
    size, frames, everything = job
    renderer, rng = open_renderer(), np.random.default_rng(0)
    bones = np.zeros((104, 3, 4), np.float32)
    bones[:, :, :3] = np.eye(3)
    view = view_from((3.0, 1.4, 0.8), (0.0, 0.9, 0.0), bones, size=(size, size))
    path = np.full((2, 3), (0.0, 0.95, 0.0), np.float32)
    stages = [
        Stage((body_figure(),), draw_surroundings(rng, (), path, np.array([3.0, 1.4, 0.8])))
        for _ in range(PEOPLE)
    ]
    for stage in stages:  # shaders and textures are made once a process
        renderer.open(stage)
        renderer.draw(view)
    look = draw_look(rng)
    start, cpu = time.perf_counter(), time.process_time()
    for stage in stages:
        renderer.open(stage)
        for _ in range(frames // PEOPLE):
            rgb = renderer.draw(_moved(view, rng)).rgb
            if everything:
                encode_jpeg(expose(rgb, look, rng), look.jpeg_quality)
    return time.perf_counter() - start, time.process_time() - cpu


def _moved(view: View, rng: np.random.Generator) -> View:
    shift = np.zeros((3, 4), np.float32)
    shift[:, 3] = rng.normal(0, 0.02, 3)
    return view._replace(bones=(view.bones[0] + shift,))


def main() -> None:
    """Print frames/s."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 384])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--frames", type=int, default=60, help="Of each process.")
    arguments = parser.parse_args()
    os.environ.setdefault("LP_NUM_THREADS", "1")
    renderer = open_renderer()
    print(renderer.context.info["GL_RENDERER"])
    renderer.close()
    context = multiprocessing.get_context("spawn")
    print("size  processes  frames/s  ms of CPU a frame  (with camera effects and JPEG)")
    for size in arguments.sizes:
        for count in arguments.processes:
            with context.Pool(count) as pool:
                found = pool.map(measure, [(size, arguments.frames, True)] * count, chunksize=1)
            rate = sum(arguments.frames / seconds for seconds, _ in found)
            cpu = 1e3 * np.mean([cpu for _, cpu in found]) / arguments.frames
            print(f"{size:4d}  {count:9d}  {rate:8.1f}  {cpu:17.1f}")


if __name__ == "__main__":
    main()

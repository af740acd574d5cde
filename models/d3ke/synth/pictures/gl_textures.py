"""Textures on the graphics card, kept between stages."""

from collections import OrderedDict

import moderngl
import numpy as np
from numpy.typing import NDArray

from d3ke.synth.pictures.environments import environment

MOST_TEXTURES = 192  # kept on the card


class Textures:
    """Textures of one context, by the identity of their pixels; the oldest make room."""

    def __init__(self, context: moderngl.Context) -> None:
        self.context = context
        self.white = self.upload(np.full((1, 1, 4), 255, np.uint8))
        self._kept: OrderedDict[int, tuple[object, moderngl.Texture]] = OrderedDict()
        self._panoramas: dict[str, moderngl.Texture] = {}

    def upload(self, pixels: NDArray[np.uint8]) -> moderngl.Texture:
        """A texture of pixels (H, W, 3 or 4) that the caller releases."""
        rows, columns, channels = pixels.shape
        data = np.ascontiguousarray(pixels).tobytes()
        texture = self.context.texture((columns, rows), channels, data, alignment=1)
        texture.build_mipmaps()
        texture.filter = moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR
        return texture

    def of(self, pixels: NDArray[np.uint8] | None) -> moderngl.Texture:
        """The texture of pixels, uploaded where it is not on the card yet; white for None."""
        if pixels is None:
            return self.white
        key = id(pixels)
        if key not in self._kept:
            self._kept[key] = pixels, self.upload(pixels)  # the pixels too: an id is of the living
            if len(self._kept) > MOST_TEXTURES:
                self._kept.popitem(last=False)[1][1].release()
        self._kept.move_to_end(key)
        return self._kept[key][1]

    def panorama(self, name: str) -> moderngl.Texture:
        """The texture of an environment's panorama, linear."""
        if name not in self._panoramas:
            pixels = environment(name).pixels.astype(np.float16)
            rows, columns = pixels.shape[:2]
            texture = self.context.texture(
                (columns, rows), 3, pixels.tobytes(), dtype="f2", alignment=1
            )
            texture.repeat_y = False
            self._panoramas[name] = texture
        return self._panoramas[name]

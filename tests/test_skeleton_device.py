"""The skeleton computes where it lies: nothing comes from the host, which a GPU would wait for."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from d3ke.network.losses import as_frame
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel


class Elsewhere(TorchDispatchMode):
    """Notes operations that give a tensor which lies elsewhere."""

    def __init__(self, device: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device, self.found = device, list[str]()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = func(*args, **kwargs or {})
        tensors = [part for part in tree_leaves(given) if isinstance(part, torch.Tensor)]
        self.found += [str(func) for part in tensors if part.device.type != self.device]
        return given


def test_no_number_of_a_pose_comes_from_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SkeletalModel, "_exact", lambda _: nullcontext())  # meta has no autocast
    osim = default_model()
    skeleton = SkeletalModel(osim).to("meta")
    q = torch.zeros(2, len(osim.coordinates), device="meta")
    scales = torch.ones(2, len(osim.bodies), 3, device="meta")
    root = torch.zeros(2, 3, 3, device="meta")
    with Elsewhere("meta") as elsewhere:
        pose = skeleton(q, scales, as_frame(root))
    assert pose.markers.shape == (2, len(osim.markers), 3)
    assert not elsewhere.found

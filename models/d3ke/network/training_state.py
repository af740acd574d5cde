"""The state of a training on disk, so that a killed run goes on as if nothing had happened."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.files import replacing

MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "step")


@dataclass(frozen=True)
class TrainingState:
    """Tensors named part/name, and how far the training had come."""

    tensors: dict[str, Tensor]
    step: int
    best: float

    def part(self, name: str) -> dict[str, Tensor]:
        """The state dict saved under `name`."""
        start = f"{name}/"
        return {
            key.removeprefix(start): value
            for key, value in self.tensors.items()
            if key.startswith(start)
        }

    def into_optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        """Give an optimizer of the same parameters its moments back."""
        saved = self.part("optimizer")
        state = optimizer.state_dict()
        count = sum(len(group["params"]) for group in state["param_groups"])
        state["state"] = {
            index: {m: saved[f"{index}/{m}"] for m in MOMENTS if f"{index}/{m}" in saved}
            for index in range(count)
            if f"{index}/step" in saved
        }
        optimizer.load_state_dict(state)


def save_state(
    path: Path,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    best: float,
) -> None:
    """Write everything that the next step depends on."""
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average/{name}": value for name, value in average.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{m}": moments[m] for m in MOMENTS if m in moments}
    whole = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    about = {"progress": json.dumps({"step": step, "best": best})}
    with replacing(path) as temporary:
        save_file(whole, temporary, metadata=about)


def load_state(path: Path) -> TrainingState:
    """Read what save_state wrote. Raises D3keError for anything else."""
    try:
        with safe_open(path, framework="pt") as file:
            told = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise D3keError(f"{path}: cannot resume from this file ({error}).") from error
    return TrainingState(tensors, int(told["step"]), float(told["best"]))

"""Several processes that train one network together, as torchrun starts them."""

from datetime import timedelta
from typing import NamedTuple

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from d3ke.errors import D3keError

# The others wait while the first one validates, or looks at all clips. Should it die, torchrun
# ends them.
PATIENCE = timedelta(days=1)


class Processes(NamedTuple):
    """Who we are of how many. device: that of this process."""

    rank: int
    total: int
    device: str

    @staticmethod
    def joined(device: str) -> "Processes":
        """Ours among those that torchrun started, or alone.

        On GPUs they talk through NCCL, else through gloo.
        """
        if not distributed.is_torchelastic_launched():
            return Processes(0, 1, device)
        if not distributed.is_initialized():
            on_gpu = device.startswith("cuda")
            distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
            if on_gpu:
                torch.cuda.set_device(distributed.get_node_local_rank())
        return Processes(distributed.get_rank(), distributed.get_world_size(), device)

    @property
    def first(self) -> bool:
        """Whether this is the one that validates and writes."""
        return self.rank == 0

    def share(self, batch: int) -> int:
        """How many samples of a batch are ours. Raises D3keError where it cannot be shared."""
        if batch % self.total:
            raise D3keError(
                f"--batch {batch}: {self.total} processes cannot share it evenly. Give a multiple "
                f"of {self.total}."
            )
        return batch // self.total

    def shared(self, network: nn.Module) -> nn.Module:
        """The network, whose gradients are means over all processes."""
        if self.total == 1:
            return network
        on_gpu = self.device.startswith("cuda")
        if on_gpu:
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        devices = [torch.cuda.current_device()] if on_gpu else None
        return DistributedDataParallel(network, device_ids=devices)

    def wait(self) -> None:
        """Until all processes have come this far."""
        if self.total > 1:
            distributed.barrier()

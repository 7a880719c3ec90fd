"""One of the processes of ``together``: reads the job in the folder it is given and trains its share of every batch."""

import os
import sys
import threading
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, distributed, nn

from synthgen.downstream.encoder.together import read_job, write_result
from synthgen.downstream.encoder.training import train
from synthgen.errors import SynthgenError


class Accelerated:
    """This process among those that meet in ``folder``."""

    def __init__(self, folder: Path) -> None:
        gpu = torch.cuda.is_available()
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        if gpu:
            torch.cuda.set_device(self.rank)
        # They meet over a file, where accelerate would look for a free port.
        distributed.init_process_group(
            "nccl" if gpu else "gloo", init_method=f"file://{folder / 'meeting'}", rank=self.rank, world_size=self.size
        )
        # Not every weight of every model takes part in a classification, such as a pooler that the head goes round.
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)
        self._accelerator = Accelerator(cpu=not gpu, kwargs_handlers=[unused])

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        device: torch.device = self._accelerator.device
        return device

    def prepare(self, module: nn.Module) -> nn.Module:
        """Return the module wrapped such that its gradients are the mean over all processes."""
        prepared: nn.Module = self._accelerator.prepare_model(module)
        return prepared

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a loss and average them."""
        self._accelerator.backward(loss)

    def total(self, part: Tensor) -> Tensor:
        """Return the sum over all processes."""
        summed: Tensor = self._accelerator.reduce(part, "sum")
        return summed


def main(folder: Path) -> int:
    """Train; the first process writes the result. Returns the exit code."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        network, lesson = read_job(folder)
        crew = Accelerated(folder)
        network.place(crew.device)
        trained = train(network, lesson, crew)
        if crew.rank == 0:
            write_result(folder, trained)
        distributed.destroy_process_group()
    except SynthgenError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _end_with_parent() -> None:
    # Not through sys.stdin, whose lock a thread that waits would keep from the interpreter at its end.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

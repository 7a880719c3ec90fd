"""Train in several processes that share every batch, one a GPU, or on the CPU where there is none.

The job and its result are files in a private folder, which is gone at the end.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from scipy.sparse import csr_matrix

from synthgen.downstream.encoder.lesson import Lesson
from synthgen.downstream.encoder.network import Network, network_of
from synthgen.downstream.encoder.options import EncoderOptions
from synthgen.downstream.encoder.training import Trained
from synthgen.downstream.rows import matrix
from synthgen.errors import SynthgenError, UserError

_WORKER = "synthgen.downstream.encoder.worker"


def train_together(network: Network, lesson: Lesson, processes: int) -> Trained:
    """Return what ``train`` would, as far as the order of sums and the dropout drawn allow.

    Raises ``UserError`` for what ``train`` does, ``SynthgenError`` where a process ends before its work is done.
    """
    with TemporaryDirectory(prefix="synthgen-encoder-") as name:
        folder = Path(name)
        _write(folder, network, lesson)
        _run(folder, processes, network.name)
        found = torch.load(folder / "result.pt", weights_only=True)
    seen = found["epoch_probabilities"]
    return Trained(found["state"], None if seen is None else seen.numpy())


def _write(folder: Path, network: Network, lesson: Lesson) -> None:
    network.module.config.save_pretrained(folder)
    rows = matrix(lesson.features)
    job = {
        "state": network.start,
        "pad": network.pad,
        "n_labels": network.n_labels,
        "name": network.name,
        "values": torch.from_numpy(rows.data),
        "columns": torch.from_numpy(rows.indices),
        "starts": torch.from_numpy(rows.indptr),
        "length": rows.shape[1],
        "labels": torch.from_numpy(lesson.labels),
        "weights": torch.from_numpy(lesson.weights),
        "options": lesson.options.model_dump_json(),
        "seed": lesson.seed,
        "short": lesson.short,
    }
    torch.save(job, folder / "job.pt")


def read_job(folder: Path) -> tuple[Network, Lesson]:
    """Return the network and the lesson of a job folder."""
    from transformers import AutoConfig

    job = torch.load(folder / "job.pt", weights_only=True)
    config = AutoConfig.from_pretrained(folder)
    network = network_of(config, job["state"], job["pad"], job["n_labels"], job["name"])
    values, columns, starts = (job[name].numpy() for name in ("values", "columns", "starts"))
    rows = csr_matrix((values, columns, starts), shape=(len(starts) - 1, job["length"]))
    options = EncoderOptions.model_validate_json(job["options"])
    labels, weights = job["labels"].numpy(), job["weights"].numpy()
    return network, Lesson(rows, labels, weights, options, job["seed"], job["short"])


def write_result(folder: Path, trained: Trained) -> None:
    """Write the result of a job beside it."""
    seen = trained.epoch_probabilities
    found = {"state": dict(trained.state), "epoch_probabilities": None if seen is None else torch.from_numpy(seen)}
    torch.save(found, folder / "result.pt")


def _run(folder: Path, processes: int, name: str) -> None:
    running: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(processes):
            running += [_started(folder, rank, processes)]
        failed = _first_failure(running)
        if failed is not None:
            raise _explained(folder, failed, running[failed].returncode, processes, name)
    finally:
        for process in running:
            process.kill()
            process.communicate()


def _started(folder: Path, rank: int, processes: int) -> "subprocess.Popen[bytes]":
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    place["OMP_NUM_THREADS"] = max(1, torch.get_num_threads() // processes)
    with (folder / f"stderr.{rank}").open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", _WORKER, str(folder)],
            env={**os.environ, **{variable: str(value) for variable, value in place.items()}},
            # Open as long as this process lives: the worker ends when it closes.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )


def _first_failure(running: Sequence["subprocess.Popen[bytes]"]) -> int | None:
    while True:
        codes = [process.poll() for process in running]
        if failed := [rank for rank, code in enumerate(codes) if code]:
            # Whoever can say what to do speaks; the others may only have lost the connection.
            return next((rank for rank in failed if codes[rank] == UserError.exit_code), failed[0])
        if None not in codes:
            return None
        time.sleep(0.05)


def _explained(folder: Path, rank: int, code: int, processes: int, name: str) -> SynthgenError:
    said = (folder / f"stderr.{rank}").read_text(encoding="utf-8", errors="replace").split("\n")
    tail = next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")
    if code == UserError.exit_code:
        return UserError(tail)
    ending = f"signal {-code}" if code < 0 else f"exit code {code}"
    return SynthgenError(
        f"Process {rank + 1} of {processes} that train STM {name} ended with {ending} ({tail[:300].rstrip('.')})."
    )

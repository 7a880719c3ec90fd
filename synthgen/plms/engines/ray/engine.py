"""The engine over a Ray cluster: requests go through Ray Data to writers, each of which holds the PLM."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from math import ceil
from time import monotonic, sleep
from typing import Any

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.base import Engine
from synthgen.plms.engines.ray.cluster import Stay, capacity, join, leave, threads
from synthgen.plms.engines.ray.stream import tables_of
from synthgen.plms.engines.ray.table import answers_of, asked
from synthgen.plms.engines.ray.writer import PATIENCE, PAUSE, Writer, ask
from synthgen.plms.engines.vllm.flags import Slot
from synthgen.records import Completion, Request

BLOCK = 8
"""Batches that one task of Ray Data has written, at most: what is lost and done again with it."""
BLOCKS = 32
"""Tasks a writer is to get of one table, at least, so that none waits long for the last of another."""
LATE = 600.0
"""Seconds that a writer may be ready after the first of its PLM; those that are later are not waited for."""
DEATHS = 3
"""Deaths a writer while the PLM is loaded, after which it is not tried again."""


def open_ray(
    plm: PLM,
    note: Callable[[str], None],
    *,
    inner: str,
    slot: Slot,
    tell: Callable[[float], None],
    **process: object,
) -> Engine:
    """Join the cluster and return an engine whose writers have loaded ``plm``, through ``inner`` each.

    ``inner`` auto is vLLM where the cluster has GPUs and vLLM beside them, else transformers.
    ``slot.share`` is what this PLM may take of the cluster, None for all of it. ``tell`` hears the seconds waited so
    far, again and again, and may raise to give up. Raises ``UserError`` where Ray or the cluster is missing or too
    small, and what opening ``inner`` raises.
    """
    join()
    try:
        if inner in {"auto", "vllm"}:
            from synthgen.plms.engines.ray.llm import RayLlmEngine, on_nodes, replicas

            share = slot.share or 1.0
            if inner == "vllm" or (capacity().gpus and on_nodes(replicas(plm, capacity(), share), tell)):
                return RayLlmEngine(plm, share=share, tell=tell)
            inner = "transformers"
        return RayEngine(plm, note, inner=inner, share=slot.share or 1.0, tell=tell)
    except BaseException:
        leave()
        raise


class RayEngine:
    """Spreads the batches of an engine ``inner`` over writers. A completion is what ``inner`` alone would have made.

    Writers ask the scheduler for little, so that one that is lost always finds another node; how many there are is
    counted in what the cluster has: a GPU each, or as many CPUs as this process computes with.
    """

    def __init__(
        self, plm: PLM, note: Callable[[str], None], *, inner: str, share: float, tell: Callable[[float], None]
    ) -> None:
        self._plm = plm
        self._note = note
        self._stay = Stay()
        width = 1 if inner == "scripted" else threads()
        count, resources = _places(share, width)
        self._writers = [_writer(plm, inner, width, count, resources) for _ in range(count)]
        try:
            self._wait(tell)
        except BaseException:
            _kill(self._writers)
            raise

    @property
    def writers(self) -> int:
        """Return how many processes of the cluster hold the PLM."""
        return len(self._writers)

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Group requests as the inner engine does, which one of the writers does."""
        import ray

        if not requests:
            return []
        table = ray.put(asked([requests]))
        groups = self._first(lambda writer: writer.batches.remote(table))
        return [[requests[place] for place in group] for group in groups]

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield the completions of whole batches as they come, in any order.

        Raises ``UserError`` and ``SynthgenError`` as the inner engine does, ``SynthgenError`` too where the cluster has
        no room for a writer any more.
        """
        with self._stay.work():
            yield from self._generated(requests)

    def _generated(self, requests: Sequence[Request]) -> Iterator[Completion]:
        batches = self.batches(requests)
        if not batches:
            return
        size = min(BLOCK, ceil(len(batches) / (BLOCKS * len(self._writers))))
        blocks = [asked(batches[start : start + size], start) for start in range(0, len(batches), size)]
        with closing(tables_of(lambda: _spread(blocks, self._writers, self._plm.name))) as tables:
            for answer in chain.from_iterable(map(answers_of, tables)):
                for sentence in answer.notes:
                    self._note(sentence)
                if answer.refused is not None:
                    raise UserError(answer.refused)
                if answer.failed is not None:
                    raise SynthgenError(answer.failed)
                yield from answer.completions

    def close(self) -> None:
        """End the writers, and with them a ``generate`` that is under way in another thread; then leave the cluster."""
        if not self._stay.over:
            _kill(self._writers)
            self._stay.end()

    def _wait(self, tell: Callable[[float], None]) -> None:
        """Return when the writers have loaded, but for those that are very late: nodes without room, or lost."""
        import ray
        from ray.exceptions import RayActorError

        began, late, deaths = monotonic(), float("inf"), 0
        loading = {writer.ready.remote(): writer for writer in self._writers}
        while loading:
            done, _ = ray.wait(list(loading), timeout=1.0)
            for reference in done:
                writer = loading.pop(reference)
                try:
                    _told(reference)
                except RayActorError as error:
                    # Ray starts it again. What kills it may be the loading itself.
                    deaths += 1
                    if deaths > DEATHS * len(self._writers):
                        raise SynthgenError(
                            f"The processes that load {self._plm.name} die of it, again and again: not enough memory?"
                        ) from error
                    sleep(1.0)
                    loading[writer.ready.remote()] = writer
                else:
                    late = min(late, monotonic() + LATE)
            tell(monotonic() - began)
            if loading and monotonic() > late:
                self._note(f"{len(loading)} of {len(self._writers)} writers of {self._plm.name} found no room.")
                _kill(list(loading.values()))
                self._writers = [writer for writer in self._writers if writer not in loading.values()]
                return

    def _first(self, call: Callable[[Any], Any]) -> Any:
        """Return what the first writer says that is there."""
        from ray.exceptions import RayActorError

        until = monotonic() + PATIENCE
        while monotonic() < until and not self._stay.over:
            for writer in self._writers:
                try:
                    return _told(call(writer))
                except RayActorError:
                    continue
            sleep(PAUSE)
        raise SynthgenError(f"The cluster has lost all that wrote for {self._plm.name}; go on with --resume.")


def _places(share: float, width: int) -> tuple[int, dict[str, float]]:
    """Return how many writers a PLM gets in its share of the cluster, and what each asks of its node.

    Where there are no GPUs a writer computes with ``width`` CPUs.
    """
    found = capacity()
    if found.gpus:
        count = int(found.gpus * share)
        if not count:
            raise UserError(
                f"The cluster has {found.gpus:g} GPUs, too few for one a PLM; give fewer PLMs at a time to --plms."
            )
        return count, {"num_gpus": 1.0, "num_cpus": 0.01}
    return max(1, int(found.cpus * share) // width), {"num_cpus": 0.01}


def _writer(plm: PLM, inner: str, width: int, count: int, resources: dict[str, float]) -> Any:
    import ray

    settings: dict[str, Any] = {
        **resources,
        # A writer comes back by itself, elsewhere where it must; what it was asked is asked of another meanwhile.
        "max_restarts": -1,
        "max_task_retries": 0,
        # Each of the tasks that are under way may ask it whether it is free.
        "max_concurrency": 2 * count + 2,
        "scheduling_strategy": "SPREAD",
    }
    return ray.remote(**settings)(Writer).remote(plm, inner, width)


def _told(reference: Any) -> Any:
    """Return what a writer says; raise what it raised, as it raised it."""
    import ray
    from ray.exceptions import RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from None


def _kill(writers: Sequence[Any]) -> None:
    import ray

    for writer in writers:
        ray.kill(writer, no_restart=True)


def _spread(blocks: Sequence[Any], writers: Sequence[Any], plm: str) -> Any:
    """Return a dataset of the answers to ``blocks``: tasks that take them to the writers."""
    import ray.data
    from ray.data import TaskPoolStrategy

    write: Any = ask
    return ray.data.from_arrow(list(blocks)).map_batches(
        write,
        batch_size=None,
        batch_format="pyarrow",
        fn_kwargs={"writers": list(writers), "plm": plm},
        compute=TaskPoolStrategy(size=min(len(blocks), 2 * len(writers))),
        num_cpus=0,
    )

"""Work whose parts need nothing of each other, spread over the cluster that a run works with."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""Parts a CPU of the cluster that are under way at once: one that is computed, one that is fetched."""


def far() -> bool:
    """Tell whether a run works with a cluster, so that parts are computed in it."""
    cluster = sys.modules.get("synthgen.plms.engines.ray.cluster")
    return cluster is not None and cluster.joined()


def spread(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield ``function`` of each item, in order: computed in the cluster that a run works with, else here one by one.

    Both make the same: nodes compute with as many threads as this process. Items and function leave this machine, and
    may lie on the disks of others: nothing private goes this way. A part that is lost with its node is computed again.
    Raises what ``function`` raises.
    """
    if not far():
        return map(function, items)
    from synthgen.plms.engines.ray.cluster import capacity

    return _far(function, items, max(1, int(capacity().cpus)) * AHEAD)


def _far(function: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Iterator[Result]:
    import ray
    from ray.exceptions import RayTaskError

    call = ray.remote(num_cpus=1, max_retries=-1, scheduling_strategy="SPREAD")(_computed)
    shipped, threads = ray.put(function), _threads()
    coming: deque[Any] = deque()
    try:
        for item in items:
            coming.append(call.remote(shipped, item, threads))
            if len(coming) >= ahead:
                yield ray.get(coming.popleft())
        while coming:
            yield ray.get(coming.popleft())
    except RayTaskError as error:
        raise error.cause from None
    finally:
        # The cluster may have been left since.
        for reference in coming if far() else ():
            ray.cancel(reference, force=True)


def _threads() -> dict[str, int]:
    """Return with how many threads each kind of library computes here: the last digits of a sum depend on it."""
    from threadpoolctl import threadpool_info

    torch = sys.modules.get("torch")
    found = {str(library["user_api"]): int(library["num_threads"]) for library in threadpool_info()}
    return {**found, **({"torch": torch.get_num_threads()} if torch else {})}


def _computed(function: Callable[[Any], Any], item: Any, threads: Mapping[str, int]) -> Any:
    from threadpoolctl import threadpool_limits

    limits = dict(threads)
    if own := limits.pop("torch", None):
        import torch

        torch.set_num_threads(own)
    with threadpool_limits(limits):
        return function(item)

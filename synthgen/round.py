"""One round of writing: every PLM's order is filled, by those side by side that can."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial

from synthgen.curate.curator import Curator
from synthgen.events import Generated, Observer
from synthgen.generate import Harvest, Keep, Order, first_requests, harvest, written
from synthgen.plms.engineroom import EngineRoom
from synthgen.runs.journal import Journal


def write_round(
    orders: Mapping[str, tuple[Order, Journal]],
    *,
    seed: int,
    attempts: int,
    curator: Curator,
    keep: Keep,
    room: EngineRoom,
    observe: Observer,
) -> dict[str, Harvest]:
    """Fill all orders and return what came of each.

    PLMs that are up together write at the same time; their texts are judged PLM after PLM, as if they had written one
    after the other, so the outcome is the same however they are placed; texts are judged while others are written.
    """
    results = {}
    for turn in room.turns():
        plms = [name for name in turn if name in orders]
        with _asked_ahead([orders[name] for name in room.parallel(plms)], seed, room, observe) as wait_for:
            for name in plms:
                wait_for(name)
                order, journal = orders[name]
                results[name] = harvest(
                    order,
                    seed=seed,
                    attempts=attempts,
                    curator=curator,
                    keep=keep,
                    journal=journal,
                    open_engine=partial(room.engine, name),
                    observe=observe,
                )
    return results


@contextmanager
def _asked_ahead(
    orders: Sequence[tuple[Order, Journal]], seed: int, room: EngineRoom, observe: Observer
) -> Iterator[Callable[[str], None]]:
    """Bring the first answers to all orders into their journals, side by side; yield what waits for those of one PLM.

    Where one PLM fails the others are stopped; what they have finished is kept, and waiting raises what it raised.
    """
    if not orders:
        yield lambda name: None
        return
    stop = threading.Event()

    def bring(order: Order, journal: Journal) -> None:
        requests = first_requests(order, seed)
        answered = 0
        for batch in journal.replay(requests, partial(room.engine, order.plm)):
            answered += len(batch.pairs)
            observe(Generated(order.plm, len(requests), 0, 0, answered, written(batch)))
            if stop.is_set():
                return

    with ThreadPoolExecutor(len(orders), thread_name_prefix="ask") as pool:
        asking = {order.plm: pool.submit(bring, order, journal) for order, journal in orders}

        def wait_for(name: str) -> None:
            waiting: set[Future[None]] = set(asking.values()) if name in asking else set()
            for done in as_completed(waiting):
                done.result()
                if done is asking[name]:
                    return

        try:
            yield wait_for
        except BaseException:
            stop.set()
            room.close()
            raise

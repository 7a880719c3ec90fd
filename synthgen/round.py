"""One round of writing: every PLM's order is filled, by those side by side that can."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial

from synthgen.curate.curator import Curator
from synthgen.events import Generated, Observer
from synthgen.generate import Harvest, Order, first_requests, harvest, written
from synthgen.plms.engineroom import EngineRoom
from synthgen.runs.journal import Journal


def write_round(
    orders: Mapping[str, tuple[Order, Journal]],
    *,
    seed: int,
    attempts: int,
    curator: Curator,
    room: EngineRoom,
    observe: Observer,
) -> dict[str, Harvest]:
    """Fill all orders and return what came of each.

    PLMs that are up together write at the same time; their texts are judged PLM after PLM, as if they had written one
    after the other, so the outcome is the same however they are placed.
    """
    results = {}
    for turn in room.turns():
        plms = [name for name in turn if name in orders]
        if ahead := [orders[name] for name in room.parallel(plms)]:
            _ask_ahead(ahead, seed, room, observe)
        for name in plms:
            order, journal = orders[name]
            results[name] = harvest(
                order,
                seed=seed,
                attempts=attempts,
                curator=curator,
                journal=journal,
                open_engine=partial(room.engine, name),
                observe=observe,
            )
    return results


def _ask_ahead(orders: Sequence[tuple[Order, Journal]], seed: int, room: EngineRoom, observe: Observer) -> None:
    """Bring the first answers to all orders into their journals, side by side.

    Where one PLM fails the others are stopped; what they have finished is kept. Raises what the failing one raised.
    """
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
        asking = [pool.submit(bring, order, journal) for order, journal in orders]
        try:
            for done in as_completed(asking):
                done.result()
        except BaseException:
            stop.set()
            room.close()
            raise

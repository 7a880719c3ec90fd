"""The laws of the window: never more open than it allows, never none allowed, halved once a burst."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from synthgen.plms.engines.server.window import Window

events = st.lists(st.sampled_from(["answered", "refused"]), max_size=200)


@given(most=st.integers(1, 600), heard=events)
def test_the_limit_stays_between_one_and_most(most: int, heard: list[str]) -> None:
    window = Window(most)
    assert window.limit == most
    for event in heard:
        before = window.limit
        if event == "answered":
            window.answered()
            assert before <= window.limit <= before + 1
        else:
            window.refused(before)
            assert window.limit == max(1, before // 2)
        assert 1 <= window.limit <= most


@given(most=st.integers(2, 600), refused=st.integers(1, 600))
def test_a_burst_of_refusals_halves_once(most: int, refused: int) -> None:
    window = Window(most)
    for _ in range(refused):
        window.refused(most)
    assert window.limit == max(1, most // 2)


@given(most=st.integers(1, 600), steps=st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=60))
def test_a_late_refusal_never_widens(most: int, steps: list[tuple[bool, int]]) -> None:
    window = Window(most)
    limits = [window.limit]
    for answered, back in steps:
        if answered:
            window.answered()
        else:
            before = window.limit
            window.refused(limits[-1 - back % len(limits)])
            assert window.limit <= before
        limits.append(window.limit)


@given(most=st.integers(2, 300), answers=st.integers(0, 40))
def test_refusals_of_an_earlier_window_are_not_counted_again(most: int, answers: int) -> None:
    window = Window(most)
    window.refused(most)
    low = window.limit
    for _ in range(min(answers, low - 1)):
        window.answered()
        window.refused(most)
    assert window.limit in {low, low + 1}


@given(most=st.integers(1, 200))
def test_a_window_of_answers_widens_by_one_at_most(most: int) -> None:
    window = Window(most)
    window.refused(most)
    low = window.limit
    for _ in range(low):
        window.answered()
    assert window.limit <= min(most, low + 1)
    for _ in range(most * most):
        window.answered()
    assert window.limit == most


@given(most=st.integers(1, 12), plan=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=60))
def test_all_get_in_and_never_too_many(most: int, plan: list[tuple[bool, int]]) -> None:
    async def all_of_them() -> int:
        window = Window(most)
        inside = peak = through = 0

        async def one(refused: bool, steps: int) -> None:
            nonlocal inside, peak, through
            limit = await window.enter()
            inside += 1
            peak = max(peak, inside)
            assert inside <= most
            for _ in range(steps):
                await asyncio.sleep(0)
            window.refused(limit) if refused else window.answered()
            inside -= 1
            window.leave()
            through += 1

        await asyncio.gather(*(one(refused, steps) for refused, steps in plan))
        return through

    assert asyncio.run(all_of_them()) == len(plan)


@given(most=st.integers(1, 6), count=st.integers(2, 20), gone=st.sets(st.integers(0, 19)))
def test_those_that_give_up_waiting_hold_up_nobody(most: int, count: int, gone: set[int]) -> None:
    async def some_give_up() -> set[int]:
        window = Window(most)
        through: set[int] = set()

        async def one(number: int) -> None:
            await window.enter()
            try:
                await asyncio.sleep(0)
                through.add(number)
            finally:
                window.leave()

        tasks = [asyncio.create_task(one(number)) for number in range(count)]
        await asyncio.sleep(0)
        for number in gone:
            if number < count:
                tasks[number].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return through

    assert asyncio.run(asyncio.wait_for(some_give_up(), 60)) >= set(range(count)) - gone

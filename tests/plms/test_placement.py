"""Where PLMs go: laws that hold for any PLMs on any GPUs, and examples worked out by hand."""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.plms.hardware import GPU
from synthgen.plms.placement import FULL, HOST, SPLIT, DoesNotFitError, Group, Need, place


def machine(*totals: float, free: float = 1.0) -> list[GPU]:
    return [GPU(number, "a GPU", total, total * free) for number, total in enumerate(totals)]


@st.composite
def gpu(draw: st.DrawFn, index: int = 0) -> GPU:
    total = draw(st.sampled_from([12.0, 24.0, 80.0, 141.0]))
    return GPU(index, "a GPU", total, total * draw(st.sampled_from([0.0, 0.01, 0.3, 0.95, 1.0])))


GPUS = st.lists(gpu(), max_size=9)
MEMORY = st.one_of(st.none(), st.floats(0.1, 200))
NEEDS = st.lists(
    st.tuples(
        MEMORY,
        st.sampled_from(["gpu", "gpu", "gpu", "host", "elsewhere"]),
        st.sampled_from([0, 0, 0, 1, 2, 4]),
        st.sampled_from([0.0, 0.0, 0.5, 0.95]),
    ),
    max_size=8,
).map(lambda rows: [Need(f"p{number}", *row) for number, row in enumerate(rows)])
HOSTS = st.sampled_from([1.0, 16.0, 256.0])


def usable(one: GPU) -> float:
    return max(0.0, min(FULL * one.total, one.free - 0.02 * one.total))


def alone(need: Need, gpus: list[GPU], host: float) -> bool:
    """Whether a PLM fits the machine when it has all of it, said plainly."""
    if need.where == "elsewhere":
        return True
    if need.where == "host":
        return need.memory is None or need.memory <= HOST * host
    for count in [need.gpus] if need.gpus else [1, 2, 4, 8]:
        used = sorted(gpus, key=usable, reverse=True)[:count]
        if len(used) < count:
            continue
        # One share for all of them, so the fullest one decides.
        share = min(usable(one) / one.total for one in used)
        each = share * min(one.total for one in used)
        if each > 0 if need.memory is None else need.memory * (SPLIT if count > 1 else 1.0) / count <= each:
            return True
    return False


def placed(needs: list[Need], gpus: list[GPU], host: float) -> list[Group] | None:
    try:
        return place(needs, gpus, host)
    except DoesNotFitError:
        return None


@given(NEEDS, GPUS, HOSTS)
def test_all_are_placed_once_in_order_or_one_is_too_large(needs: list[Need], gpus: list[GPU], host: float) -> None:
    misfits = [need for need in needs if not alone(need, gpus, host)]
    if misfits:
        with pytest.raises(DoesNotFitError) as error:
            place(needs, gpus, host)
        assert error.value.plm == misfits[0].plm
        assert error.value.need == (misfits[0].memory or 0.0)
        assert error.value.have < error.value.need or misfits[0].memory is None
        return
    groups = place(needs, gpus, host)
    assert [plm for group in groups for plm in group.slots] == [need.plm for need in needs]
    assert all(group.slots for group in groups)
    assert groups == place(needs, gpus, host)


@given(NEEDS, GPUS, HOSTS)
def test_no_gpu_and_no_host_is_filled_over_the_brim(needs: list[Need], gpus: list[GPU], host: float) -> None:
    by_name = {need.plm: need for need in needs}
    for group in placed(needs, gpus, host) or []:
        wanted: dict[int, float] = defaultdict(float)
        shares: dict[int, float] = defaultdict(float)
        main = 0.0
        for plm, slot in group.slots.items():
            need, count = by_name[plm], len(slot.gpus)
            if need.where != "gpu":
                assert (slot.gpus, slot.share) == ((), None)
                main += need.memory or 0.0 if need.where == "host" else 0.0
                continue
            assert count == len(set(slot.gpus)) == slot.tensor_parallel_size
            assert count in ([need.gpus] if need.gpus else [1, 2, 4, 8])
            assert list(slot.gpus) == sorted(slot.gpus)
            fewer = [] if need.gpus else [less for less in (1, 2, 4) if less < count]
            assert not any(alone(replace(need, gpus=less), gpus, host) for less in fewer)
            assert slot.share is not None
            for place_ in slot.gpus:
                wanted[place_] += (need.memory or 0.0) * (SPLIT if count > 1 else 1.0) / count
                # What the user asks for goes to vLLM in place of the slot's share.
                shares[place_] += slot.share
            if need.least and need.memory is not None:
                most = min(usable(gpus[each]) / gpus[each].total for each in slot.gpus)
                assert slot.share >= min(need.least, most) - 0.001
        assert main <= HOST * host
        for index in wanted:
            assert wanted[index] <= usable(gpus[index]) + 1e-9
            assert shares[index] * gpus[index].total <= usable(gpus[index]) + 1e-9


@given(NEEDS, GPUS, HOSTS)
def test_a_plms_share_holds_what_it_needs(needs: list[Need], gpus: list[GPU], host: float) -> None:
    by_name = {need.plm: need for need in needs}
    for group in placed(needs, gpus, host) or []:
        for plm, slot in group.slots.items():
            for index in slot.gpus:
                count, memory = len(slot.gpus), by_name[plm].memory
                assert slot.share is not None
                if memory is not None:
                    assert (slot.share + 0.001) * gpus[index].total >= memory * (SPLIT if count > 1 else 1) / count


@given(NEEDS, GPUS, HOSTS)
def test_a_group_is_closed_only_by_a_plm_that_has_no_room_in_it(
    needs: list[Need], gpus: list[GPU], host: float
) -> None:
    by_name = {need.plm: need for need in needs}
    groups = placed(needs, gpus, host) or []
    for group, following in pairwise(groups):
        together = [by_name[plm] for plm in group.slots]
        assert len(place(together, gpus, host)) == 1
        assert len(place([*together, by_name[next(iter(following.slots))]], gpus, host)) == 2


@given(st.sampled_from(["gpu", "host"]), st.sampled_from(["gpu", "host"]))
def test_a_plm_of_unknown_size_has_its_device_to_itself(first: str, second: str) -> None:
    groups = place([Need("a", None, first), Need("b", 1.0, second)], machine(80), 64)
    assert len(groups) == (2 if first == second else 1)


SIX = [Need(f"p{number}", 16, "gpu") for number in range(6)]


@pytest.mark.parametrize(
    ("totals", "sizes", "places"),
    [
        ([80], [4, 2], [(0,)] * 6),
        ([24], [1] * 6, [(0,)] * 6),
        ([24, 24], [2, 2, 2], [(0,), (1,)] * 3),
        ([80, 24], [5, 1], [(0,), (0,), (0,), (0,), (1,), (0,)]),
        ([141], [6], [(0,)] * 6),
        ([80, 80], [6], [(0,), (1,)] * 3),
    ],
)
def test_six_plms_of_16_gigabytes(totals: list[float], sizes: list[int], places: list[tuple[int, ...]]) -> None:
    groups = place(SIX, machine(*totals), 64)
    assert [len(group.slots) for group in groups] == sizes
    assert [slot.gpus for group in groups for slot in group.slots.values()] == places


def test_those_on_one_gpu_share_it_by_what_they_need() -> None:
    (group,) = place([Need("small", 12, "gpu"), Need("large", 24, "gpu")], machine(80), 64)
    assert [slot.share for slot in group.slots.values()] == [0.3, 0.6]
    (alone,) = place([Need("small", 12, "gpu")], machine(80), 64)
    assert alone.slots["small"].share == 0.9


def test_a_70b_is_split_over_as_few_gpus_as_hold_it() -> None:
    large = Need("large", 150, "gpu")
    with pytest.raises(DoesNotFitError) as error:
        place([large], machine(80, 80), 64)
    assert error.value.have == pytest.approx(2 * 72 / 1.1)
    (group,) = place([large, Need("small", 16, "gpu")], machine(80, 80, 80, 80), 64)
    assert group.slots["large"].gpus == (0, 1, 2, 3)
    assert group.slots["large"].tensor_parallel_size == 4
    assert group.slots["small"].gpus == (0,)
    with pytest.raises(DoesNotFitError) as error:
        place([large], machine(80, 80, 80), 64)
    assert error.value.have < 150


def test_what_fits_one_gpu_alone_is_not_split_to_fill_a_gap() -> None:
    first, second = place([Need("a", 16, "gpu"), Need("b", 16, "gpu"), Need("c", 8, "gpu")], machine(24, 24), 64)
    assert list(first.slots) == ["a", "b"]
    assert second.slots["c"].gpus == (0,)


def test_a_share_that_the_user_sets_is_kept_free() -> None:
    both = [Need("first", 16, "gpu", least=0.6), Need("second", 16, "gpu")]
    (group,) = place(both, machine(80), 64)
    assert (group.slots["first"].share or 0) >= 0.6
    assert (group.slots["second"].share or 0) <= 0.3
    assert len(place([both[0], Need("second", 30, "gpu")], machine(80), 64)) == 2
    (greedy,) = place([Need("first", 16, "gpu", gpus=2, least=0.95)], machine(80, 24), 64)
    assert greedy.slots["first"].gpus == (0, 1)


@pytest.mark.parametrize("memory", [None, 1.0])
def test_nothing_fits_on_a_gpu_that_others_have_filled(memory: float | None) -> None:
    with pytest.raises(DoesNotFitError):
        place([Need("p", memory, "gpu")], machine(80, free=0.01), 64)

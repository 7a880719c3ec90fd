from hypothesis import given
from hypothesis import strategies as st

from synthgen.seeds import derive_seed, short_id

Parts = st.lists(st.text() | st.integers(), min_size=1, max_size=4)


def test_a_seed_never_changes() -> None:
    assert derive_seed(0, 1, "llama2", "positive", 7) == 9103190644633489272
    assert short_id("a", "b") != short_id("ab")


@given(Parts)
def test_seeds_fit_a_signed_64_bit_integer(parts: list[str | int]) -> None:
    assert 0 <= derive_seed(*parts) < 2**63


@given(Parts, Parts)
def test_different_parts_different_seeds(one: list[str | int], other: list[str | int]) -> None:
    assert (derive_seed(*one) == derive_seed(*other)) == ([str(p) for p in one] == [str(p) for p in other])

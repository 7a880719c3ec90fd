from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from synthgen.methods.quotas import equal_quotas


@given(
    plms=st.integers(1, 7),
    labels=st.integers(2, 9),
    rounds=st.integers(0, 6),
    samples=st.integers(7, 500),
)
def test_shares_are_exact_and_even(plms: int, labels: int, rounds: int, samples: int) -> None:
    names, kinds = [f"p{n}" for n in range(plms)], [f"l{n}" for n in range(labels)]
    sizes, by_plm, by_label = [], Counter[str](), {name: Counter[str]() for name in names}
    for number in range(rounds + 1):
        quotas = equal_quotas(names, kinds, samples=samples, rounds=rounds, round=number)
        totals = {plm: sum(quota.values()) for plm, quota in quotas.items()}
        assert len(set(totals.values())) == 1
        sizes.append(totals["p0"])
        for plm, quota in quotas.items():
            by_plm[plm] += totals[plm]
            by_label[plm].update(quota)
            assert max(by_label[plm].values()) - min(by_label[plm][kind] for kind in kinds) <= 1
    assert set(by_plm.values()) == {samples}
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


def test_the_papers_setting_gives_200_a_round() -> None:
    for number in range(5):
        quotas = equal_quotas(["a"], ["n", "p"], samples=1000, rounds=4, round=number)
        assert quotas == {"a": {"n": 100, "p": 100}}


def test_remainders_do_not_pile_up_on_one_label() -> None:
    quotas = equal_quotas(["a", "b"], ["n", "p"], samples=5, rounds=0, round=0)
    assert quotas == {"a": {"n": 3, "p": 2}, "b": {"n": 2, "p": 3}}

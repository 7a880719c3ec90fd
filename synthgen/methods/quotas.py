"""Shares: of the rounds in a PLM's samples, of the labels in a round, of the PLMs in a total."""

from collections import Counter
from collections.abc import Mapping, Sequence


def equal_quotas(
    plms: Sequence[str], labels: Sequence[str], *, samples: int, rounds: int, round: int
) -> dict[str, dict[str, int]]:
    """Return ``quotas[plm][label]`` of one round.

    Over the ``rounds + 1`` batches every PLM gives exactly ``samples``; batches differ by at most one, and so do the
    labels of a PLM, at any time.
    """
    start, count = batch(samples, rounds, round)
    return {plm: turns(labels, offset + start, count) for offset, plm in enumerate(plms)}


def batch(samples: int, rounds: int, round: int) -> tuple[int, int]:
    """Return how many of ``samples`` come before ``round`` of ``rounds + 1``, and how many in it."""
    base, extra = divmod(samples, rounds + 1)
    return round * base + min(round, extra), base + (round < extra)


def turns(labels: Sequence[str], start: int, count: int) -> dict[str, int]:
    """Deal ``count`` samples to the labels in turn, from position ``start`` of an endless round of them.

    PLMs that start at different labels do not pile their remainders up on the first ones.
    """
    dealt = Counter(labels[position % len(labels)] for position in range(start, start + count))
    return {label: dealt[label] for label in labels}


def allocate(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Split ``total`` in proportion to ``shares`` (none negative, their sum positive), by largest remainder.

    Of equal remainders the first wins. Raises ``ValueError`` for shares that are no shares.
    """
    whole = sum(shares.values())
    if not whole > 0 or min(shares.values()) < 0:
        raise ValueError("shares must not be negative, and one must be positive")
    exact = {name: total * share / whole for name, share in shares.items()}
    given = {name: int(value) for name, value in exact.items()}
    left = total - sum(given.values())
    for name in sorted(shares, key=lambda name: given[name] - exact[name])[:left]:
        given[name] += 1
    return given

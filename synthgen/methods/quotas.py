"""Equal shares: of the rounds in a PLM's samples, of the labels in a round."""

from collections import Counter
from collections.abc import Sequence


def equal_quotas(
    plms: Sequence[str], labels: Sequence[str], *, samples: int, rounds: int, round: int
) -> dict[str, dict[str, int]]:
    """Return ``quotas[plm][label]`` of one round.

    Over the ``rounds + 1`` batches every PLM gives exactly ``samples``; batches differ by at most one, and so do the
    labels of a PLM, at any time.
    """
    base, extra = divmod(samples, rounds + 1)
    start = round * base + min(round, extra)
    count = base + (round < extra)
    quotas = {}
    for offset, plm in enumerate(plms):
        # PLMs start at different labels, so that remainders do not pile up on the first ones.
        turns = Counter(labels[(offset + position) % len(labels)] for position in range(start, start + count))
        quotas[plm] = {label: turns[label] for label in labels}
    return quotas

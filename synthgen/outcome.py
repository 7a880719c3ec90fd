"""What came of a run: its metrics. Here, after the last choice, gold is opened; nothing before has seen it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from synthgen.downstream.stm import Fit
from synthgen.evaluate import scores
from synthgen.parts import Parts, Progress
from synthgen.quality.measure import measure
from synthgen.records import Sample
from synthgen.samples import Texts


def scored(parts: Parts, so_far: Progress, final: Fit) -> dict[str, Any]:
    """Return the accuracies (shares, 0 to 1) and the macro-F1 of the run; None and nothing without gold.

    Called right after the final STM was trained, in its feature space; the spaces of the rounds are started anew.
    """
    if parts.gold is None:
        return {"accuracy": None, "macro_f1": None, "accuracy_by_round": [], "accuracy_by_plm": {}}
    gold = parts.gold.open()

    def judged(fits: Sequence[Fit]) -> list[dict[str, float]]:
        return scores(fits, stm=parts.stm, task=parts.task, gold=gold)

    (last,) = judged([final])
    by_round: list[float] = []
    by_plm: dict[str, float] = {}
    for count, fit in so_far.fits:
        parts.stm.start(Texts(so_far.samples[:count]))
        alone = so_far.by_plm if len(by_round) + 1 == len(so_far.fits) else {}
        first, *others = [found["accuracy"] for found in judged([fit, *alone.values()])]
        by_round.append(first)
        by_plm |= dict(zip(alone, others, strict=True))
    return {**last, "accuracy_by_round": by_round, "accuracy_by_plm": by_plm}


def counted(parts: Parts, so_far: Progress, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the counts of the dataset's ``samples`` and of what it took to write them."""
    plms, labels = [], []
    for sample in samples:
        plms.append(sample.plm)
        labels.append(sample.label)
    return {
        "samples": len(samples),
        "samples_by_plm": _counted(plms, [plm.name for plm in parts.arrangement.plms]),
        "samples_by_label": _counted(labels, parts.task.labels),
        "rejected_by_reason": dict(sorted(so_far.rejected.items())),
        "tokens": {kind: so_far.tokens[kind] for kind in ("prompt", "completion", "cached")},
        "loads": dict(so_far.loads),
        "seconds": {
            # How long private samples took to count tells, a little, how many there are.
            stage: round(so_far.seconds[stage], 0 if parts.vault else 3)
            for stage in ("generate", "curate", "learn", "select", "evaluate", "total")
        },
        "quality": measure(
            Texts(samples),
            labels,
            label_names=parts.task.labels,
            plms=plms,
        ),
        "gold": {"source": parts.gold.source, "size": len(parts.gold)} if parts.gold else None,
    }


def _counted(values: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    counts = Counter(values)
    return {name: counts[name] for name in names}

"""Runs side by side: one row a run, and one row a setting when runs differ only in their seed."""

import json
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from synthgen.recipe import without_addresses
from synthgen.report.facts import task_name

# What says where a run lives or how it was repeated, not what was run.
_NOT_SETTING = {"seed", "out", "resume", "name", "engine", "endpoint", "serving"}


def comparison_rows(runs: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return one row for each ``(name, recipe, metrics)``, in the given order.

    Accuracies are shares in [0, 1] or None without gold; ``tokens`` are prompt plus completion, ``seconds`` the total.
    ``setting`` is the recipe without its seed and places as canonical JSON: equal settings are repetitions.
    """
    return [_row(*run) for run in runs]


def aggregate_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a setting, in order of first appearance, with means over its seeds, named as its first run.

    ``n`` counts runs and ``measured`` those with an accuracy; ``accuracy_sd`` is the sample standard deviation (n - 1)
    over those, None below two. ``accuracy_by_round`` is the mean of each round that every run measured.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["setting"], []).append(row)
    return [_aggregate(group) for group in groups.values()]


def _row(name: str, recipe: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    by_plm = {plm: value for plm, value in (metrics.get("accuracy_by_plm") or {}).items() if value is not None}
    best = max(by_plm, key=lambda plm: by_plm[plm]) if by_plm else None
    tokens = metrics.get("tokens") or {}
    return {
        "name": name,
        "method": recipe.get("method"),
        "task": task_name(recipe),
        "plms": list(metrics.get("samples_by_plm") or by_plm),
        "samples": metrics.get("samples"),
        "rounds": recipe.get("rounds"),
        "seed": recipe.get("seed"),
        "accuracy": metrics.get("accuracy"),
        "accuracy_by_round": list(metrics.get("accuracy_by_round") or []),
        "best_plm": best,
        "best_plm_accuracy": by_plm.get(best) if best is not None else None,
        "tokens": tokens.get("prompt", 0) + tokens.get("completion", 0) if tokens else None,
        "seconds": (metrics.get("seconds") or {}).get("total"),
        "setting": json.dumps(_setting(recipe), sort_keys=True, default=str),
    }


def _setting(recipe: Mapping[str, Any]) -> dict[str, Any]:
    setting = {name: value for name, value in recipe.items() if name not in _NOT_SETTING}
    return {**setting, "plms": without_addresses(recipe.get("plms") or ())}


def _aggregate(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    accuracies = [row["accuracy"] for row in group if row["accuracy"] is not None]
    rounds = zip(*(row["accuracy_by_round"] for row in group), strict=False)
    tops = [row for row in group if row["best_plm_accuracy"] is not None]
    return {
        **group[0],
        "seed": None if len(group) > 1 else group[0]["seed"],
        "seeds": [row["seed"] for row in group],
        "n": len(group),
        "measured": len(accuracies),
        "accuracy": mean(accuracies) if accuracies else None,
        "accuracy_sd": stdev(accuracies) if len(accuracies) > 1 else None,
        "accuracy_by_round": [_mean(values) for values in rounds],
        "best_plm": max(tops, key=lambda row: row["best_plm_accuracy"])["best_plm"] if tops else None,
        "best_plm_accuracy": _mean([row["best_plm_accuracy"] for row in tops]),
        "samples": _mean([row["samples"] for row in group]),
        "tokens": _mean([row["tokens"] for row in group]),
        "seconds": _mean([row["seconds"] for row in group]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None

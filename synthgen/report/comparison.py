"""Runs side by side: a row a run, and a row a setting where runs differ only in their seed, with paired differences."""

import json
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from synthgen.errors import UserError
from synthgen.recipe import without_addresses
from synthgen.report.facts import task_name
from synthgen.report.intervals import paired_difference, t_interval
from synthgen.report.wording import clean
from synthgen.text import nearest

# What says where a run lives or how it was repeated, not what was run.
_NOT_SETTING = {"seed", "out", "resume", "name", "engine", "endpoint", "serving"}
# Files that a study has one of for each seed: its runs are repetitions all the same.
_OF_A_SEED = {"pool"}

FAIRNESS = "Selection never looked at gold; accuracy was measured after the last choice."


def comparison_rows(
    runs: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]], *, arms: Sequence[str | None] = ()
) -> list[dict[str, Any]]:
    """Return one row for each ``(name, recipe, metrics)``, in the given order.

    Accuracies and ``macro_f1`` are shares in [0, 1] or None without gold; ``tokens`` are prompt plus completion,
    ``seconds`` the total; ``quality`` is as ``quality.measure`` returned it, or None. ``setting`` is the recipe without
    its seed and places as canonical JSON: equal settings are repetitions. ``arms`` names the arm of a study that each
    run belongs to, or None; within an arm, pools do not count as a setting.
    """
    return [_row(*run, arm) for run, arm in zip(runs, arms or [None] * len(runs), strict=True)]


def aggregate_rows(rows: Sequence[Mapping[str, Any]], *, baseline: str | None = None) -> list[dict[str, Any]]:
    """Return one row a setting, in order of first appearance, with means over its runs, named as its arm or first run.

    ``n`` counts runs and ``measured`` those with an accuracy; ``accuracy_sd`` is the sample standard deviation (n - 1)
    over those and ``accuracy_interval`` the 95 % t-interval of their mean, both None below two; ``accuracies`` lists
    them by seed. ``accuracy_by_round`` is the mean of each round that every run measured, ``quality`` that of each
    figure that every run has.

    ``difference`` is that to the ``baseline``, paired by seed and in points: see ``paired_difference``. The baseline is
    the first setting, or the one of that name, or else the only one of that method. It is None for the baseline, and
    for settings measured on another task or other gold. Raises ``UserError`` for a name that is not there.
    """
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["arm"], row["setting"]), []).append(row)
    found = [_aggregate(group) for group in groups.values()]
    for row, name in zip(found, _names(list(groups.values())), strict=True):
        row["name"] = name
    if found:
        reference = _baseline(found, baseline)
        for row in found:
            row["difference"] = None if row is reference else _difference(row, reference)
    return found


def difference_note(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what the differences of ``aggregate_rows`` are and how far to trust them; None where there are none."""
    known = [row["difference"] for row in rows if row["difference"] and row["difference"]["points"] is not None]
    if not known:
        return None
    said = f"Differences in points to {clean(known[0]['baseline'])}, paired by seed"
    if not any(one["interval"] for one in known):
        return f"{said}; one pair says nothing of chance."
    many = "; each holds for itself, of many some will miss" if len(known) > 1 else ""
    return f"{said}, with 95 % t-intervals over seeds{many}."


def _row(name: str, recipe: Mapping[str, Any], metrics: Mapping[str, Any], arm: str | None) -> dict[str, Any]:
    by_plm = {plm: value for plm, value in (metrics.get("accuracy_by_plm") or {}).items() if value is not None}
    best = max(by_plm, key=lambda plm: by_plm[plm]) if by_plm else None
    tokens = metrics.get("tokens") or {}
    return {
        "name": name,
        "arm": arm,
        "method": recipe.get("method"),
        "task": task_name(recipe),
        "plms": list(metrics.get("samples_by_plm") or by_plm),
        "samples": metrics.get("samples"),
        "rounds": recipe.get("rounds"),
        "seed": recipe.get("seed"),
        "accuracy": metrics.get("accuracy"),
        "macro_f1": metrics.get("macro_f1"),
        "accuracy_by_round": list(metrics.get("accuracy_by_round") or []),
        "best_plm": best,
        "best_plm_accuracy": by_plm.get(best) if best is not None else None,
        "quality": metrics.get("quality"),
        "tokens": tokens.get("prompt", 0) + tokens.get("completion", 0) if tokens else None,
        "seconds": (metrics.get("seconds") or {}).get("total"),
        "gold": metrics.get("gold"),
        "pooled": bool(recipe.get("pool")),
        "setting": json.dumps(_setting(recipe, arm), sort_keys=True, default=str),
    }


def _setting(recipe: Mapping[str, Any], arm: str | None) -> dict[str, Any]:
    left_out = _NOT_SETTING | (_OF_A_SEED if arm else set())
    setting = {name: value for name, value in recipe.items() if name not in left_out}
    return {**setting, "plms": without_addresses(recipe.get("plms") or ())}


def _aggregate(group: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    measured = [row for row in group if row["accuracy"] is not None]
    accuracies = [row["accuracy"] for row in measured]
    rounds = zip(*(row["accuracy_by_round"] for row in group), strict=False)
    tops = [row for row in group if row["best_plm_accuracy"] is not None]
    return {
        **group[0],
        "seed": None if len(group) > 1 else group[0]["seed"],
        "seeds": [row["seed"] for row in group],
        "n": len(group),
        "measured": len(accuracies),
        "accuracy": mean(accuracies) if accuracies else None,
        "accuracies": [{"seed": row["seed"], "accuracy": row["accuracy"]} for row in measured],
        "accuracy_sd": stdev(accuracies) if len(accuracies) > 1 else None,
        "accuracy_interval": t_interval(accuracies),
        "macro_f1": _mean([row["macro_f1"] for row in measured]),
        "accuracy_by_round": [_mean(values) for values in rounds],
        "best_plm": max(tops, key=lambda row: row["best_plm_accuracy"])["best_plm"] if tops else None,
        "best_plm_accuracy": _mean([row["best_plm_accuracy"] for row in tops]),
        "quality": _mean_of_all([row["quality"] for row in group]),
        "samples": _mean([row["samples"] for row in group]),
        "tokens": _mean([row["tokens"] for row in group]),
        "seconds": _mean([row["seconds"] for row in group]),
        "gold": group[0]["gold"] if all(row["gold"] == group[0]["gold"] for row in measured) else None,
    }


def _names(groups: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return a name for each group: its arm, unless that has several settings, or its first run."""
    arms = [group[0]["arm"] for group in groups]
    return [arm if arm and arms.count(arm) == 1 else group[0]["name"] for arm, group in zip(arms, groups, strict=True)]


def _baseline(rows: Sequence[dict[str, Any]], name: str | None) -> dict[str, Any]:
    if name is None:
        return rows[0]
    for key in ("name", "method"):
        if len(matching := [row for row in rows if row[key] == name]) == 1:
            return matching[0]
    names = [str(row["name"]) for row in rows]
    raise UserError(f"There is no setting {name!r} to compare with{nearest(name, names)} There are {', '.join(names)}.")


def _difference(row: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any] | None:
    if any(row[key] is None or row[key] != baseline[key] for key in ("task", "gold")):
        return None
    return {"baseline": baseline["name"], **paired_difference(_by_seed(row), _by_seed(baseline))}


def _by_seed(row: Mapping[str, Any]) -> dict[Any, list[float]]:
    values: dict[Any, list[float]] = {}
    for one in row["accuracies"]:
        if one["seed"] is not None:
            values.setdefault(one["seed"], []).append(one["accuracy"])
    return values


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known and len(known) == len(values) else None


def _mean_of_all(values: Sequence[Any]) -> Any:
    """Return the means of numbers at the same place of equal structures; what else is equal everywhere; else None."""
    first = values[0]
    if all(isinstance(value, Mapping) for value in values):
        return {key: _mean_of_all([value.get(key) for value in values]) for key in first}
    if all(isinstance(value, list) and len(value) == len(first) for value in values):
        return [_mean_of_all(list(place)) for place in zip(*values, strict=True)]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return mean(values)
    return first if all(value == first for value in values) else None

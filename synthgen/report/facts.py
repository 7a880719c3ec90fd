"""What a card and a page say of a run, read once from its plain files and safe to publish.

Machine paths and addresses never leave: a local folder or file is named by its last part, an endpoint not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath
from typing import Any

from synthgen.report.wording import clean

_METHODS = {
    "zerogen": "ZeroGen: every PLM writes from the label's prompt alone, without feedback",
    "progen": "ProGen: samples that influence a small model helpfully are shown to the PLM in the next round",
    "sungen": "SunGen: samples are weighted by how cleanly a small model learns from them",
    "fusegen": (
        "FuseGen: small models trained on each PLM's samples choose, by cross-model variability and influence, what "
        "all PLMs are shown in the next round"
    ),
    "augpe": "Aug-PE: private samples vote, under differential privacy, for the synthetic ones nearest to them",
    "pe": "PE: private samples vote, under differential privacy, for the synthetic ones that are varied next",
    "rf": "RF: synthetic samples that are too near to private ones of another label are left out",
    "pcevolve": "PCEvolve: few private samples choose contrastive prototypes under differential privacy",
    "wasp": "WASP: private samples vote, under differential privacy, for good and bad examples and for the PLMs",
}


@dataclass(frozen=True, slots=True)
class PlmFacts:
    """One generator as the manifest knows it; absent parts are None."""

    name: str
    model: str
    size: str | None
    licence: str | None
    revision: str | None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run in words and numbers; ``rounds``, ``seed``, ``gold_size`` and the strings are None where not recorded."""

    method: str
    how: str
    task: str
    about: str | None
    language: str | None
    rounds: int | None
    seed: int | None
    profile: str | None
    stm: str | None
    version: str | None
    gold: str | None
    gold_size: int | None
    plms: tuple[PlmFacts, ...]


def read_facts(recipe: Mapping[str, Any], manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> RunFacts:
    """Gather what the three files say; a field that none of them has becomes None."""
    task = recipe.get("task")
    whole: Mapping[str, Any] = task if isinstance(task, Mapping) else {}
    method = str(recipe.get("method") or "unknown")
    gold = metrics.get("gold") or {}
    return RunFacts(
        method=clean(method),
        how=_METHODS.get(method, f"{clean(method)}: see its file in synthgen"),
        task=task_name(recipe) or "unnamed task",
        about=_said(whole.get("about") or recipe.get("about")),
        language=_said((whole.get("curate") or {}).get("language")),
        rounds=recipe.get("rounds"),
        seed=manifest.get("seed", recipe.get("seed")),
        profile=_said(manifest.get("profile") or recipe.get("profile")),
        stm=_said(recipe.get("stm")),
        version=_said((manifest.get("versions") or {}).get("synthgen")),
        gold=_publishable(gold["source"]) if gold.get("source") else None,
        gold_size=gold.get("size"),
        plms=tuple(_plm(plm) for plm in manifest.get("plms") or ()),
    )


def task_name(recipe: Mapping[str, Any]) -> str | None:
    """Return the name of the task of a resolved recipe, which holds a name, a file or the whole task."""
    task = recipe.get("task")
    name = task.get("name") if isinstance(task, Mapping) else task
    if name is None:
        return None
    text = str(name)
    return clean(PurePath(text).stem if text.endswith((".yaml", ".yml")) else text)


def _plm(plm: Mapping[str, Any]) -> PlmFacts:
    return PlmFacts(
        name=clean(plm.get("name") or "unnamed"),
        model=_publishable(plm.get("model") or plm.get("name") or "unnamed"),
        size=_said(plm.get("size")),
        licence=_said(plm.get("license")),
        revision=_said(plm.get("revision")),
    )


def _said(value: object) -> str | None:
    return clean(value) if value not in (None, "") else None


def _publishable(value: object) -> str:
    text = clean(value)
    if "://" in text:
        return "an endpoint"
    if PurePath(text).is_absolute() or PureWindowsPath(text).drive or text.startswith((".", "~")):
        return PureWindowsPath(text).name or "a local file"
    return PurePath(text).name if text.endswith((".jsonl", ".gz", ".json", ".parquet")) else text

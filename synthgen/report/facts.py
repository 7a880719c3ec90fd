"""What a card and a page say of a run, read once from its plain files and safe to publish.

Machine paths and addresses never leave: a local folder or file is named by its last part, an endpoint not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from synthgen.methods import METHODS
from synthgen.plms.catalog import POOL, terms_of
from synthgen.recipe import without_addresses
from synthgen.report.cleaned import publishable as without_places
from synthgen.report.wording import clean

# What a reader cannot use, or is not to see: where things are on this machine, and what is private.
_HIDDEN = ("task", "engine", "endpoint", "serving", "gold", "pool", "private", "license", "first_sentences")
_METHODS = {
    "zerogen": "ZeroGen: every PLM writes from the label's prompt alone, without feedback",
    "progen": "ProGen: samples that influence a small model helpfully are shown to the PLM in the next round",
    "sungen": "SunGen: samples are weighted by how cleanly a small model learns from them",
    "fusegen": (
        "FuseGen: small models trained on each PLM's samples choose, by cross-model variability and influence, what "
        "all PLMs are shown in the next round"
    ),
    "augpe": "Aug-PE: private samples vote for the synthetic ones nearest to them",
    "pe": "PE: private samples vote for the synthetic ones that are varied next",
    "rf": "RF: synthetic samples that are too near to private ones of another label are left out",
    "pcevolve": "PCEvolve: few private samples choose contrastive prototypes",
    "wasp": "WASP: private samples vote for good and bad examples and for the PLMs",
}


@dataclass(frozen=True, slots=True)
class PlmFacts:
    """One generator as the manifest knows it; absent parts are None.

    ``terms`` is what its licence says of generated text. ``engine`` is ``scripted`` for a fake, ``pool`` where the
    texts were written before the run.
    """

    name: str
    model: str
    size: str | None
    licence: str | None
    revision: str | None
    terms: str | None = None
    engine: str | None = None


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

    @property
    def feedback(self) -> bool:
        """Tell whether later rounds show something of the earlier ones."""
        return self.method not in METHODS or METHODS[self.method].feedback

    @property
    def scripted(self) -> bool:
        """Tell whether texts are placeholders: a fake stood in for the PLMs."""
        return any(plm.engine == "scripted" for plm in self.plms)


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
        stm=publishable(recipe["stm"]) if recipe.get("stm") else None,
        version=_said((manifest.get("versions") or {}).get("synthgen")),
        gold=publishable(gold["source"]) if gold.get("source") else None,
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


def settings_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a reader needs to repeat a run: the recipe without machine paths, addresses and private files."""
    given = {name: value for name, value in recipe.items() if name not in _HIDDEN and value not in (None, [], {}, ())}
    if not recipe.get("private"):
        given.pop("privacy", None)
    shown = {name: _shown(value) for name, value in given.items()}
    # A label's name may look like a path and is none.
    shown |= {"labels": [clean(label) for label in given["labels"]]} if "labels" in given else {}
    shown |= {"about": clean(given["about"])} if "about" in given else {}
    if "plms" in given:
        shown["plms"] = [publishable(spec) for spec in without_addresses(given["plms"])]
    task = None if "labels" in given else task_name(recipe)
    return {"task": task, **shown} if task else shown


def publishable(value: object) -> str:
    """Return ``value`` on one line, without addresses and with the last part only of each local path in it."""
    return without_places(clean(value))


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {clean(name): _shown(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return publishable(value) if isinstance(value, str) else value


def _plm(plm: Mapping[str, Any]) -> PlmFacts:
    # Manifests have long named a fake as the model.
    fake = "scripted" in (plm.get("engine"), plm.get("model"))
    licence = None if fake else _said(plm.get("license"))
    known = licence if licence != "unknown" else None
    return PlmFacts(
        name=clean(plm.get("name") or "unnamed"),
        model="scripted" if fake else publishable(plm.get("model") or plm.get("name") or "unnamed"),
        size=_said(plm.get("size")),
        licence=known,
        revision=_said(plm.get("revision")),
        terms=terms_of(known) if known else None,
        engine="scripted" if fake else POOL if plm.get("size") == POOL else _said(plm.get("engine")),
    )


def _said(value: object) -> str | None:
    return clean(value) if value not in (None, "") else None

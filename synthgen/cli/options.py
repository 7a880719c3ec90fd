"""The options that every method shares, and how they become a recipe."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml

from synthgen.cli import complete
from synthgen.errors import UserError
from synthgen.recipe import Recipe, make_recipe
from synthgen.tasks.bounded import parse

ProfileOption = Literal["auto", "pocket", "paper"]
ResumeOption = Literal["never", "if-possible", "always"]

_TASK = "What texts and labels to write: a task of `synthgen tasks`, or a task file (.yaml)."
Task = Annotated[str, typer.Option(help=_TASK, autocompletion=complete.tasks)]
TaskOrLabels = Annotated[str | None, typer.Option("--task", help=_TASK, autocompletion=complete.tasks)]
Labels = Annotated[str | None, typer.Option(help="Label names, separated by commas, in place of a task.")]
About = Annotated[str | None, typer.Option(help="What the texts are, in a few words, such as 'movie reviews'.")]
Plms = Annotated[
    str | None,
    typer.Option(
        help="Pre-trained language models (PLMs), separated by commas: families of `synthgen plms`, Hub ids, folders, "
        "name=URL, MODEL@URL.",
        autocompletion=complete.plms,
    ),
]
Pool = Annotated[
    list[str] | None,
    typer.Option(
        help="JSONL with text, label, plm: generations that stand in for what the PLMs would write zero-shot."
    ),
]
FirstSentences = Annotated[
    str | None,
    typer.Option(help="For tasks of pairs, the given sentences: a file, gold (its train split), or generated."),
]
License = Annotated[str | None, typer.Option(help="Licence of the dataset, for its card; none is made up.")]
Endpoint = Annotated[
    list[str] | None,
    typer.Option(help="Address of an OpenAI-compatible server that has the PLMs; repeat it to share the load."),
]
Profile = Annotated[ProfileOption, typer.Option(help="Defaults: pocket runs anywhere, paper has the papers' settings.")]
Samples = Annotated[int | None, typer.Option(help="Samples (labelled texts) per PLM, over all rounds.")]
Rounds = Annotated[int | None, typer.Option(help="Rounds of feedback after the first, zero-shot one.")]
Demos = Annotated[int | None, typer.Option(help="Demonstrations (earlier samples shown) in a prompt.")]
Candidates = Annotated[int | None, typer.Option(help="Samples the demonstrations are picked from.")]
_STM = "Small task model (STM) trained on the samples: tfidf, embedding:MODEL or encoder:MODEL."
Stm = Annotated[str | None, typer.Option(help=_STM, autocompletion=complete.stms)]
StmOfDataset = Annotated[str, typer.Option("--stm", help=_STM, autocompletion=complete.stms)]
Gold = Annotated[
    str | None,
    typer.Option(
        help="Gold data, real labelled texts to measure accuracy on: a file with text and label, or none. Default: the "
        "task's own."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Engine = Annotated[
    str,
    typer.Option(
        help="What runs the PLMs: auto, vllm, transformers, server, ray (a cluster); scripted is a fake that writes "
        "random words.",
        autocompletion=complete.engines,
    ),
]


def _use_cluster(address: str | None) -> None:
    """Leave an address where Ray looks for it. It says where a run's work is done, not what: no recipe has it."""
    if address is not None:
        os.environ["RAY_ADDRESS"] = address


RayAddress = Annotated[
    str | None,
    typer.Option(
        help="Cluster for --engine ray, HOST:PORT as `ray start` prints it; default: RAY_ADDRESS, else one of its own "
        "on this machine.",
        callback=_use_cluster,
    ),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Any other setting, e.g. options.select=random; repeatable.")
]
Out = Annotated[Path | None, typer.Option(help="Folder of the run; default: a new one under runs/.")]
Resume = Annotated[ResumeOption, typer.Option(help="Continue a run; --resume alone means always.")]
Json = Annotated[bool, typer.Option("--json", help="Print the metrics as one JSON object on stdout.")]


Private = Annotated[
    list[str], typer.Option(help="JSONL with text and label: the private samples. Repeat it, one file a party.")
]
Epsilon = Annotated[
    float | None, typer.Option(help="The promise's epsilon: how much one record can change, less is safer; default 4.")
]
Delta = Annotated[float | None, typer.Option(help="The promise's delta, below 1 / number of samples; default 1e-5.")]
Adjacency = Annotated[
    Literal["add-remove", "replace-one"] | None,
    typer.Option(
        help="Which sets are not to be told apart: one record more or less, or another one; default add-remove."
    ),
]
Unit = Annotated[
    Literal["record", "party"] | None,
    typer.Option(help="Whom the promise protects: each record (default), or all of a party's (one file) together."),
]
Embedder = Annotated[str | None, typer.Option(help="What compares texts: words, or a sentence-transformers model.")]
NoPrivacy = Annotated[bool, typer.Option("--no-privacy", help="Promise nothing: the private samples may be exposed.")]
InsecureTestNoise = Annotated[
    bool, typer.Option("--insecure-test-noise", help="Draw noise from the seed. For tests: it protects nobody.")
]


@dataclass(frozen=True, slots=True)
class Settled:
    """A recipe and the sentences a user should hear about how it came to be."""

    recipe: Recipe
    notes: tuple[str, ...] = ()


def settle(method: str, given: dict[str, Any]) -> Settled:
    """Make the recipe of a method command from its options. Raises ``UserError`` where one is wrong."""
    given = dict(given)
    profile, plms, extra = given.pop("profile"), given.pop("plms"), given.pop("set_")
    privacy = _privacy(given)
    given["endpoint"] = tuple(given["endpoint"] or ())
    given["pool"] = tuple(given["pool"] or ())
    settings: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if privacy:
        settings["privacy"] = privacy
    task_note = _settle_task(settings)
    if plms is not None:
        settings["plms"] = _specs(plms)
    elif settings["pool"]:
        settings["plms"] = _pool_plms(settings)
    from synthgen.plms.resolve import checked_address

    notes = task_note
    endpoints = settings.get("endpoint") or ()
    for url in endpoints:
        checked_address(url)
    if endpoints and plms is None:
        settings["plms"] = tuple(f"server={url}" for url in settings.pop("endpoint"))
    notes = (*notes, *_settle_profile(settings, profile))
    for assignment in extra or []:
        _assign(settings, assignment)
    return Settled(make_recipe({"method": method, **settings}), notes)


def _settle_profile(settings: dict[str, Any], profile: ProfileOption) -> tuple[str, ...]:
    """Find the profile, and on a machine that cannot fine-tune its encoder another STM. Returns what to say of it."""
    if profile != "auto":
        settings["profile"] = profile
        return ()
    from synthgen.plms.hardware import gpus

    elsewhere = settings.get("endpoint") or _all_elsewhere(settings.get("plms", ()))
    settings["profile"], why = ("paper", "the PLMs are behind a server") if elsewhere else _detect()
    said = f"Profile: {settings['profile']} ({why})."
    if settings["profile"] == "pocket" or "stm" in settings or gpus():
        return (said,)
    settings["stm"] = "tfidf"
    return said, "STM: tfidf (no GPU here to fine-tune the profile's encoder on; --stm encoder:MODEL does it anyway)."


def changed(recipe: Recipe, plms: str | None, extra: list[str] | None, given: dict[str, Any]) -> Recipe:
    """Return a recipe with other settings. Raises ``UserError`` where one is wrong."""
    settings = recipe.model_dump() | {name: value for name, value in given.items() if value is not None}
    if plms is not None:
        settings["plms"] = _specs(plms)
    for assignment in extra or []:
        _assign(settings, assignment)
    return make_recipe(settings)


def _privacy(given: dict[str, Any]) -> dict[str, Any]:
    """Take the options of the promise out of ``given`` and return them as the recipe's group."""
    asked = {name: given.pop(name, None) for name in ("epsilon", "delta", "adjacency", "unit")}
    promise = {name: value for name, value in asked.items() if value is not None}
    if given.pop("no_privacy", False):
        if promise.get("epsilon", float("inf")) != float("inf"):
            raise UserError("--no-privacy promises nothing; leave --epsilon out, or --no-privacy.")
        promise |= {"enabled": False, "epsilon": float("inf")}
    if given.pop("insecure_test_noise", False):
        promise["noise"] = "insecure-test"
    return promise


def _settle_task(settings: dict[str, Any]) -> tuple[str, ...]:
    """Find the task: named, made from labels, or told by the labels of the private files. Returns what to say of it."""
    labels = settings.pop("labels", None)
    private = settings["private"] = tuple(settings.get("private") or ())
    if settings.get("task"):
        if labels or settings.get("about"):
            raise UserError("--task says what the texts and labels are; leave --labels and --about out.")
        return ()
    if labels is None and not private:
        raise UserError("Say what to write: --task NAME, or --labels with the label names and --about.")
    note = ""
    if labels is not None:
        names = tuple(label.strip() for label in labels.split(","))
    else:
        from synthgen.privacy.parties import task_told

        told = task_told(private, settings.get("about"))
        if found := told.get("task"):
            settings["task"] = found
            return (f"Task: {found} (its labels are those of the private samples; --task or --about say otherwise).",)
        names = told["labels"]
        note = f"Labels: {', '.join(names[:10])}{', …' if len(names) > 10 else ''} (from the private samples)."
    settings["labels"] = names
    if settings.get("gold") is None:
        settings["gold"] = "none"
        note = f"{note} Accuracy is not measured: no --gold.".strip()
    return (note,) if note else ()


def _pool_plms(settings: dict[str, Any]) -> tuple[str, ...]:
    from synthgen.pool import plms_of, read_pool
    from synthgen.tasks.registry import the_task

    task = the_task(settings.get("task") or "", settings.get("labels") or (), settings.get("about"))
    return plms_of(read_pool(settings["pool"], task))


def _specs(plms: str) -> tuple[str, ...]:
    return tuple(spec.strip() for spec in plms.split(",") if spec.strip())


def _assign(settings: dict[str, Any], assignment: str) -> None:
    """Set ``a.b.c=VALUE``; VALUE is read as YAML, so that numbers are numbers."""
    name, equals, text = assignment.partition("=")
    if not equals or not name:
        raise UserError(f"--set wants NAME=VALUE, not {assignment!r}.")
    try:
        value, _ = parse(text)
    except yaml.YAMLError:
        value = text
    *path, last = _parts(name)
    for part in path:
        if not isinstance(settings.get(part) or {}, dict):
            raise UserError(f"--set {assignment!r}: {part} is no group of settings.")
        settings[part] = dict(settings.get(part) or {})
        settings = settings[part]
    settings[last] = value


def _parts(name: str) -> list[str]:
    """Split at the dots, but for those in a PLM's name: ``serving.Qwen2.5.flags.x`` has four parts."""
    from synthgen.plms.serving import Serving

    parts = name.split(".")
    if parts[0] != "serving":
        return parts
    at = next((place for place, part in enumerate(parts) if place > 1 and part in Serving.model_fields), len(parts) - 1)
    return [part for part in ("serving", ".".join(parts[1:at]), parts[at], ".".join(parts[at + 1 :])) if part]


def _all_elsewhere(specs: tuple[str, ...]) -> bool:
    """Tell whether every PLM has an address or is hosted."""
    from synthgen.plms.catalog import catalog

    hosted = {family for family, sizes in catalog().items() if set(sizes) == {"hosted"}}
    return bool(specs) and all("://" in spec or spec.split("=")[-1].split(":")[0] in hosted for spec in specs)


def _detect() -> tuple[str, str]:
    """Return the profile for this machine, and why: the papers' 7B models in half precision want 16 GB."""
    from synthgen.plms.hardware import gpus

    found = gpus()
    if not found:
        return "pocket", "no GPU found"
    best = max(found, key=lambda gpu: gpu.free)
    return ("paper" if best.free >= 18 else "pocket"), f"{best.name} with {best.free:.0f} GB free"

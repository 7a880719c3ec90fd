"""A recipe: everything a run depends on, checked before anything heavy loads."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from synthgen.errors import UserError
from synthgen.licences import check_license
from synthgen.seeds import short_id
from synthgen.tasks.bounded import parse
from synthgen.tasks.names import encodes
from synthgen.text import nearest

Profile = Literal["pocket", "paper"]

PROFILES: dict[Profile, dict[str, Any]] = {
    "pocket": {
        "plms": ("gpt2", "llama2", "vicuna", "opt", "chatglm3", "flan-t5"),
        "samples": 500,
        "rounds": 4,
        "demos": 4,
        "candidates": 20,
        "stm": "tfidf",
        # The pocket PLMs' weights are sharpened; this gives back the variety that STMs learn from (docs/pocket.md).
        "temperature": 1.2,
        "embedder": "words",
    },
    "paper": {
        "plms": ("gpt2", "llama2", "vicuna", "opt", "flan-t5"),
        "samples": 1000,
        "rounds": 4,
        "demos": 8,
        "candidates": 40,
        "stm": "encoder:google-bert/bert-base-uncased",
        "embedder": "sentence-transformers/all-MiniLM-L6-v2",
    },
}
"""What a profile fills in where the user says nothing."""


class Privacy(BaseModel):
    """What is promised to those whose samples vote.

    ``adjacency`` says which neighbouring sets cannot be told apart: one ``unit`` (a record, or all records of a party)
    added or removed, or one replaced by another. ``missing`` is the share of parties that may fail to add their noise,
    or give it away. With ``unit: party`` a party's votes are scaled down to at most those of ``clip`` records that
    agree. ``enabled: false`` promises nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=True)] = 4.0
    delta: Annotated[float, Field(ge=1e-300, lt=1)] = 1e-5
    adjacency: Literal["add-remove", "replace-one"] = "add-remove"
    unit: Literal["record", "party"] = "record"
    missing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    clip: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    noise: Literal["system", "insecure-test"] = "system"
    enabled: bool = True

    @model_validator(mode="after")
    def _promises(self) -> "Privacy":
        if self.enabled and self.epsilon == float("inf"):
            raise ValueError("an epsilon of infinity promises nothing; say --no-privacy to go without")
        return self


class Decontaminate(BaseModel):
    """Against what samples are held before the dataset is written: those that overlap are left out.

    Comparing with ``private`` texts looks at them without noise, which no epsilon covers: None does it only where
    nothing is promised, true always.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gold: bool = True
    private: bool | None = None


class Recipe(BaseModel):
    """The complete setting of a run. ``samples`` are per PLM, over all rounds; ``rounds`` counts rounds of feedback.

    Without a ``task``, ``labels`` and ``about`` make one. ``private`` are the files whose samples vote, one a party;
    ``embedder`` is what compares them with synthetic ones.

    ``pool`` are files of existing generations that stand in for what the PLMs would write zero-shot. In tasks of pairs
    ``first_sentences`` names where the given sentences come from: a file, ``gold`` (the first sentences of gold's train
    split, without labels), or ``generated``, the default: each PLM writes its own. ``license`` is what the dataset's
    card says, nothing where it is None. ``stm_options`` are the STM's own. ``debias`` is the strength of
    self-debiasing, 0 for none.

    ``demos`` demonstrations are picked from ``candidates``. ``attempts`` bounds how often a rejected completion is
    asked for again. ``options`` are the method's own. ``engine``, ``endpoint`` and ``serving`` (by PLM, or ``all``) say
    how the PLMs are run, not what is asked of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = "fusegen"
    task: str = ""
    labels: tuple[str, ...] = ()
    about: str | None = None
    plms: Annotated[tuple[str, ...], Field(min_length=1)]
    profile: Profile = "pocket"
    samples: Annotated[int, Field(ge=1)]
    rounds: Annotated[int, Field(ge=0)]
    demos: Annotated[int, Field(ge=1)]
    candidates: Annotated[int, Field(ge=1)]
    stm: str = "tfidf"
    stm_options: dict[str, Any] = {}
    gold: str | None = None
    seed: int = 0
    engine: str = "auto"
    endpoint: tuple[str, ...] = ()
    serving: dict[str, dict[str, Any]] = {}
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 0.9
    debias: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    pool: tuple[str, ...] = ()
    first_sentences: str | None = None
    decontaminate: Decontaminate = Decontaminate()
    license: str | None = None
    private: tuple[str, ...] = ()
    privacy: Privacy = Privacy()
    embedder: str = "words"
    curate: bool = True
    attempts: Annotated[int, Field(ge=1)] = 12
    options: dict[str, Any] = {}

    @field_validator("license")
    @classmethod
    def _known_license(cls, given: str | None) -> str | None:
        return None if given is None else check_license(given)

    @model_validator(mode="after")
    def _fits(self) -> "Recipe":
        if bool(self.task) == bool(self.labels):
            raise ValueError(
                "a task and labels are two ways to say the same; give one"
                if self.task
                else "no task; give --task or --labels"
            )
        if self.demos > self.candidates:
            raise ValueError(f"{self.demos} demonstrations cannot be picked from {self.candidates} candidates")
        if self.samples < self.rounds + 1:
            raise ValueError(f"{self.samples} samples a PLM cannot be spread over {self.rounds + 1} batches")
        first = len(without_addresses(self.plms)) * (self.samples // (self.rounds + 1))
        if self.rounds and self.demos > first:
            raise ValueError(f"{self.demos} demonstrations are more than the {first} samples of the first round")
        return self

    @property
    def filters_private(self) -> bool:
        """Tell whether samples that overlap private ones are left out."""
        asked = self.decontaminate.private
        return not self.privacy.enabled if asked is None else asked

    @property
    def fingerprint(self) -> str:
        """Return a hash of ``work``: recipes that ask for the same have the same."""
        return short_id(*(f"{name}={value!r}" for name, value in self.work.items()))

    @property
    def settings_digest(self) -> str:
        """Return a hash of ``work`` without the task, whose file may lie elsewhere and has a digest of its own."""
        return short_id(*(f"{name}={value!r}" for name, value in self.work.items() if name != "task"))

    @property
    def work(self) -> dict[str, Any]:
        """Return the settings without what a resume may change: the engine (but not a scripted one for a real one),
        addresses, serving, licence.
        """
        settings = self.model_dump(exclude={"endpoint", "serving", "license"})
        settings["engine"] = "scripted" if is_scripted(self.engine) else "any"
        settings["plms"] = without_addresses(self.plms)
        return settings

    def to_yaml(self) -> str:
        """Return the recipe as YAML that ``read_recipe`` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def is_scripted(engine: str) -> bool:
    """Tell whether an engine plays the PLMs, here or on a cluster, in place of running them."""
    return engine.removeprefix("ray:") == "scripted"


def without_addresses(specs: Sequence[str]) -> tuple[str, ...]:
    """Return the PLMs without the addresses of their servers; one PLM at several addresses is one."""
    return tuple(dict.fromkeys(re.sub(r"(^|(?<=[=@]))https?://.*", "server", spec) for spec in specs))


def make_recipe(settings: dict[str, Any]) -> Recipe:
    """Fill in the profile's defaults and check. Raises ``UserError`` naming the setting and the nearest right one."""
    profile = settings.get("profile", "pocket")
    if not isinstance(profile, str) or profile not in PROFILES:
        raise UserError(f"There is no profile {profile!r}; choose pocket or paper.")
    if not encodes("".join(_texts(settings))):
        raise UserError("A setting holds a character that no file can hold (half a surrogate pair); write it anew.")
    try:
        return Recipe.model_validate({**PROFILES[profile], **settings})
    except ValidationError as error:
        raise UserError(_explain(error)) from None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value.keys(), *value.values()])
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file. Raises ``UserError`` where it is missing or wrong.

    Where its task file is gone, the one that a run keeps beside its recipe stands in for it.
    """
    settings, kept = read_settings(path), path.with_name("task.yaml")
    try:
        recipe = make_recipe(settings)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if recipe.task.endswith((".yaml", ".yml")) and not Path(recipe.task).is_file() and kept.is_file():
        return recipe.model_copy(update={"task": str(kept.resolve())})
    return recipe


def read_settings(path: Path) -> dict[str, Any]:
    """Read a file of settings. Raises ``UserError`` where it is missing or is not YAML of that kind."""
    try:
        loaded, _ = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"There is no recipe {path}.") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; give its recipe.yaml.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{path} is not a recipe: it must be settings, one a line, such as `task: imdb`.")
    return {str(key): value for key, value in loaded.items()}


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    setting = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        groups: dict[str, type[BaseModel]] = {"privacy": Privacy, "decontaminate": Decontaminate}
        group = groups.get(str(first["loc"][0]), Recipe) if len(first["loc"]) > 1 else Recipe
        return f"There is no setting {setting!r}{nearest(str(first['loc'][-1]), list(group.model_fields))}"
    if first["type"] == "missing":
        return f"The recipe has no {setting!r}; it is needed."
    message = first["msg"].removeprefix("Value error, ")
    given = f" (given: {first['input']!r})" if setting else ""
    return f"{'Setting ' + setting + ': ' if setting else ''}{message}{given}."

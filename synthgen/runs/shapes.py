"""What the files of a run folder hold, which anybody may have written: figures are figures and names are names."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Figure = Annotated[float, Field(ge=-1e15, le=1e15)] | None
Count = Annotated[float, Field(ge=0, le=1e15)]
Share = Annotated[float, Field(ge=0, le=1)] | None
Name = str | None


class _Shape(BaseModel):
    """Part of a file. What a later version adds is let through."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Gold(_Shape):
    source: Name = None
    size: Count | None = None


class _Removed(_Shape):
    removed: Count | None = None
    by: dict[str, Count] | None = None
    texts: Count | None = None


class _Decontamination(_Shape):
    gold: _Removed | None = None
    private: str | _Removed | None = None


class _Quality(_Shape):
    self_bleu: list[Figure] | None = None
    distinct: list[Figure] | None = None
    sampled: Figure = None
    types: Figure = None
    types_per_10k: Figure = None
    mean_words: Figure = None
    duplicates: Figure = None
    two_labels: Figure = None
    near_duplicates: Figure = None
    by_plm: dict[str, "_Quality"] | None = None
    label_noise: dict[str, Any] | None = None
    frechet: dict[str, Any] | float | None = None


class Metrics(_Shape):
    """``metrics.json``."""

    accuracy: Share = None
    macro_f1: Share = None
    accuracy_by_round: list[Share] | None = None
    accuracy_by_plm: dict[str, Share] | None = None
    samples: Count | None = None
    samples_by_plm: dict[str, Count] | None = None
    samples_by_label: dict[str, Count] | None = None
    rejected_by_reason: dict[str, Count] | None = None
    tokens: dict[str, Count] | None = None
    seconds: dict[str, Count] | None = None
    gold: _Gold | None = None
    decontamination: _Decontamination | None = None
    quality: _Quality | None = None


class _PLM(_Shape):
    name: str
    model: Name = None
    revision: Name = None
    license: Name = None
    size: Name = None
    engine: Name = None


class Manifest(_Shape):
    """``manifest.json``."""

    status: Name = None
    started: Name = None
    finished: Name = None
    profile: Name = None
    device: Name = None
    seed: int | None = None
    plms: list[_PLM] | None = None
    versions: dict[str, Name] | None = None
    privacy: dict[str, Any] | None = None
    pool: dict[str, Any] | None = None


def fits(shape: type[BaseModel], held: Mapping[str, Any]) -> bool:
    """Tell whether a file holds what it should."""
    try:
        shape.model_validate(held)
    except ValidationError:
        return False
    return True

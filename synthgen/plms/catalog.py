"""The catalog: families and sizes of PLMs, and what must be known to serve them. The data is in catalog.yaml."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from synthgen.plms.serving import Serving

Size = Literal["pocket", "small", "paper", "hosted"]
Dtype = Literal["float32", "float16", "bfloat16"]
_HERE = Path(__file__).resolve().parent


class Entry(BaseModel):
    """One size of a family.

    ``parameters`` in billions; ``memory`` in gigabytes, for the weights in ``dtype`` and room to generate; ``context``
    in tokens, None where positions are relative. ``terms`` is what the licence says of generated text. ``template`` is
    a file of ``plms/templates``; ``engine`` the only one that can run it, where there is only one; ``flags`` are
    vLLM's own; ``quirk`` is what a user should hear before relying on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    architecture: str
    license: str
    terms: str | None = None
    parameters: Annotated[float, Field(gt=0)] | None = None
    memory: Annotated[float, Field(ge=0)]
    context: Annotated[int, Field(gt=0)] | None = None
    revision: str | None = None
    dtype: Dtype = "float32"
    engine: Literal["auto", "transformers", "vllm", "server"] = "auto"
    chat: bool = False
    template: str | None = None
    gated: bool = False
    remote_code: bool = False
    flags: dict[str, Any] = {}
    url: str | None = None
    choices: Annotated[int, Field(ge=1)] = 1
    quirk: str | None = None


@dataclass(frozen=True, slots=True)
class PLM:
    """A generator under the name a run knows it by. ``model`` is a Hub id, a folder, ``pocket/<family>``, or what the
    servers at ``urls`` call it ("" where only they know).

    ``memory`` in gigabytes and ``context`` in tokens are None where nobody has said; ``engine`` is the only one that
    can run it, or ``auto``. ``serving`` is how the user wants it run.
    """

    name: str
    model: str
    size: str
    license: str = "unknown"
    revision: str | None = None
    dtype: str = "auto"
    chat: bool = False
    memory: float | None = None
    parameters: float | None = None
    context: int | None = None
    architecture: str | None = None
    engine: str = "auto"
    template: str | None = None
    gated: bool = False
    remote_code: bool = False
    flags: Mapping[str, Any] = field(default_factory=dict)
    urls: tuple[str, ...] = ()
    choices: int = 1
    serving: Serving = field(default_factory=Serving)

    @property
    def location(self) -> str:
        """Return what ``from_pretrained`` loads: the bundled folder for pocket models, else ``model``."""
        return str(pocket_folder(self.model)) if self.model.startswith("pocket/") else self.model


POOL = "pool"
"""The size, and the engine, of a PLM that wrote a part of a pool and writes no more."""


@cache
def catalog() -> dict[str, dict[Size, Entry]]:
    """Return family -> size -> entry, the papers' first."""
    loaded = yaml.safe_load((_HERE / "catalog.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, dict[Size, Entry]]).validate_python(loaded)


def pocket_folder(model: str) -> Path:
    """Return the folder of a bundled model named ``pocket/<family>``."""
    return _HERE / model


def template_file(name: str) -> Path:
    """Return the file of a chat template that the catalog names."""
    return _HERE / "templates" / name


def plm_of(name: str, entry: Entry, size: str) -> PLM:
    """Return the PLM that a catalog entry describes, called ``name``."""
    return PLM(
        name,
        entry.model,
        size,
        entry.license,
        entry.revision,
        entry.dtype,
        entry.chat,
        memory=entry.memory,
        parameters=entry.parameters,
        context=entry.context,
        architecture=entry.architecture,
        engine=entry.engine,
        template=str(template_file(entry.template)) if entry.template else None,
        gated=entry.gated,
        remote_code=entry.remote_code,
        flags=entry.flags,
        urls=(entry.url,) if entry.url else (),
        choices=entry.choices,
    )


def terms_of(licence: str) -> str | None:
    """Return what a licence of the catalog says of generated text, None for a licence that it does not have."""
    entries = (entry for sizes in catalog().values() for entry in sizes.values())
    return next((entry.terms for entry in entries if entry.license == licence and entry.terms), None)

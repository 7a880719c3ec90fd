"""Which PLM a name means: the catalog's families and sizes, a Hub id, or a local folder."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from synthgen.errors import UserError
from synthgen.text import nearest

Size = Literal["pocket", "paper"]
_HERE = Path(__file__).resolve().parent


class Entry(BaseModel):
    """One size of a family. ``memory`` is in gigabytes; ``unsupported`` says why it cannot run, where it cannot."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    architecture: str
    license: str
    memory: Annotated[float, Field(gt=0)]
    revision: str | None = None
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    chat: bool = False
    gated: bool = False
    unsupported: str | None = None


@dataclass(frozen=True, slots=True)
class PLM:
    """A generator under the name a run knows it by. ``model`` is a Hub id, a folder, or ``pocket/<family>``."""

    name: str
    model: str
    size: str
    license: str = "unknown"
    revision: str | None = None
    dtype: str = "auto"
    chat: bool = False

    @property
    def location(self) -> str:
        """Return what ``from_pretrained`` loads: the bundled folder for pocket models, else ``model``."""
        return str(pocket_folder(self.model)) if self.model.startswith("pocket/") else self.model


@cache
def catalog() -> dict[str, dict[Size, Entry]]:
    """Return family -> size -> entry, in the papers' order."""
    loaded = yaml.safe_load((_HERE / "catalog.yaml").read_text(encoding="utf-8"))
    return TypeAdapter(dict[str, dict[Size, Entry]]).validate_python(loaded)


def pocket_folder(model: str) -> Path:
    """Return the folder of a bundled model named ``pocket/<family>``."""
    return _HERE / model


def resolve_plm(spec: str, profile: Size) -> PLM:
    """Turn ``llama2``, ``llama2:paper``, ``org/model``, a folder, or ``name=any of these`` into a PLM.

    A bare family takes the size that belongs to the profile. Raises ``UserError`` for what is none of these.
    """
    name, _, rest = spec.rpartition("=")
    name, rest = name.strip(), rest.strip()
    family, _, size = rest.partition(":")
    if family in catalog():
        return _from_catalog(name or family, family, size or profile)
    if rest.startswith(("http://", "https://")):
        raise UserError(f"{rest} is an endpoint; PLMs behind a URL are not served yet, name a model or a folder.")
    if rest and Path(rest).is_dir():
        return PLM(name or Path(rest).resolve().name, rest, "local")
    if rest.startswith((".", "/", "~")):
        raise UserError(f"There is no model folder {rest}.")
    if rest.count("/") == 1 and all(rest.split("/")):
        return PLM(name or rest.split("/")[1], rest, "hub")
    raise UserError(
        f"There is no PLM {rest!r}{nearest(family, list(catalog()))} "
        "Give a family of `synthgen plms`, a Hub id (org/model) or a model folder."
    )


def resolve_plms(specs: list[str] | tuple[str, ...], profile: Size) -> tuple[PLM, ...]:
    """Resolve every spec. Raises ``UserError`` where two PLMs would go by one name."""
    plms = tuple(resolve_plm(spec, profile) for spec in specs)
    names = [plm.name for plm in plms]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"Two PLMs are called {name!r}; name one of them: --plms {name},other={name}:paper.")
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
            raise UserError(f"{name!r} cannot name a PLM: use letters, digits, '-', '_' and '.'.")
    return plms


def _from_catalog(name: str, family: str, size: str) -> PLM:
    sizes = catalog()[family]
    if size not in sizes:
        raise UserError(f"{family} has no size {size!r}; it has {', '.join(sizes)}.")
    entry = sizes[size]
    if entry.unsupported:
        raise UserError(f"{family}:{size} ({entry.model}) cannot run here: {entry.unsupported}.")
    return PLM(name, entry.model, size, entry.license, entry.revision, entry.dtype, entry.chat)

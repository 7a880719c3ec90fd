"""Which PLM a name means: a family of the catalog, a Hub id, a local folder, or a server's address."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM, POOL, Size, catalog, plm_of
from synthgen.plms.lookup import BYTES
from synthgen.plms.serving import Serving, serving_of
from synthgen.text import nearest

LONGEST = 100
"""Bytes of a PLM's name: files are called by it."""


def resolve_plms(
    specs: Sequence[str],
    profile: Size,
    *,
    endpoints: Sequence[str] = (),
    serving: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[PLM, ...]:
    """Resolve every spec. Addresses given under one name share one PLM's load.

    With ``endpoints`` every spec is a model that all of them serve. Raises ``UserError`` where two PLMs would go by
    one name, where a name cannot be one, and for what ``resolve_plm`` refuses.
    """
    found: dict[str, PLM] = {}
    for spec in specs:
        plm = resolve_plm(spec, profile, endpoints=endpoints)
        known = found.get(plm.name)
        if known and known.urls and plm.urls and known.model == plm.model:
            found[plm.name] = replace(known, urls=tuple(dict.fromkeys((*known.urls, *plm.urls))))
            continue
        if known:
            given = _split_name(spec)[1]
            raise UserError(f"Two PLMs are called {plm.name!r}; give one another name: --plms other={given}.")
        if not can_name(plm.name):
            raise UserError(
                f"{plm.name[:LONGEST]!r} cannot name a PLM: use up to {LONGEST} letters, digits, '-', '_' and '.', "
                "and not 'all', which means every PLM; --plms NAME=... gives a name."
            )
        found[plm.name] = plm
    wanted = serving_of(serving or {}, list(found))
    return tuple(_as_served(plm, wanted[name]) for name, plm in found.items())


def resolve_plm(spec: str, profile: Size, *, endpoints: Sequence[str] = ()) -> PLM:
    """Turn ``llama2``, ``llama2:paper``, ``org/model``, a folder, ``model@http://…``, ``name=any of these`` into a PLM.

    ``name=pool`` is a PLM whose texts are in a pool and that writes no more.

    A bare family takes the size that belongs to the profile, or the smallest it has. Raises ``UserError`` for what is
    none of these.
    """
    name, rest = _split_name(spec)
    model, at, address = _split_address(rest)
    if name and rest == POOL:
        return PLM(name, POOL, POOL)
    if at:
        url = checked_address(address)
        return PLM(name or _plain(model) or "server", model, "endpoint", urls=(url,))
    family, _, size = rest.partition(":")
    if family in catalog() and (not endpoints or size in {"", *catalog()[family]}):
        plm = _from_catalog(name or family, family, size, "paper" if endpoints else profile)
        return replace(plm, urls=tuple(map(checked_address, endpoints))) if endpoints else plm
    if endpoints and rest:
        return PLM(name or _plain(rest), rest, "endpoint", urls=tuple(map(checked_address, endpoints)))
    if _is_folder(folder := os.path.expanduser(rest)):  # noqa: PTH111 (pathlib raises where there is no such user)
        return PLM(name or _plain(Path(folder).resolve().name), folder, "local")
    if rest.startswith((".", "/", "~")):
        raise UserError(f"There is no model folder {rest}.")
    if rest.count("/") == 1 and all(rest.split("/")) and not rest.startswith("pocket/"):
        return PLM(name or rest.split("/")[1], rest, "hub")
    # Whatever stands before an "@" may be a password.
    said = rest.rpartition("@")[2] if "://" in rest else rest
    raise UserError(
        f"There is no PLM {said!r}{nearest(family, list(catalog()))} "
        "Give a family of `synthgen plms`, a Hub id (org/model), a model folder, or name=URL of a server."
    )


def can_name(name: str) -> bool:
    """Tell whether a name can be that of a file, and of a PLM in the recipe's ``serving``."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    return plain.isalnum() and not name.startswith((".", "-")) and len(name.encode()) <= LONGEST and name != "all"


def _is_folder(path: str) -> bool:
    try:
        return bool(path) and Path(path).is_dir()
    except OSError:  # too long for a path, or not ours to look at
        return False


def _split_name(spec: str) -> tuple[str, str]:
    """Split ``name=rest``; an "=" inside an address names nothing."""
    name, equals, rest = spec.partition("=")
    if not equals or "://" in name:
        return "", spec.strip()
    return name.strip(), rest.strip()


def _split_address(rest: str) -> tuple[str, bool, str]:
    """Split ``model@http://…``; the model is empty where only the address is given."""
    for scheme in ("http://", "https://"):
        model, found, tail = rest.partition(scheme)
        if found and (not model or model.endswith("@")):
            return model.removesuffix("@"), True, scheme + tail
    return rest, False, ""


def checked_address(address: str) -> str:
    """Return the address without trailing slashes. Raises ``UserError`` where it is none or carries a secret."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise UserError("An endpoint must look like http://host:8000/v1.")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UserError(
            f"The address of {host} carries a user, a password, a query or a fragment; keys belong into the "
            "environment (SYNTHGEN_API_KEY), where they are never written anywhere."
        )
    if parts.scheme not in {"http", "https"}:
        raise UserError(f"The endpoint at {host} must begin with http:// or https://.")
    return urlunsplit(parts).rstrip("/")


def _from_catalog(name: str, family: str, size: str, profile: Size) -> PLM:
    sizes = catalog()[family]
    if size and size not in sizes:
        raise UserError(f"{family} has no size {size!r}; it has {', '.join(sizes)}.")
    chosen = size or (profile if profile in sizes else next(iter(sizes)))
    return plm_of(name, sizes[chosen], chosen)  # type: ignore[index]


def _plain(model: str) -> str:
    """Make a PLM's name of what a server or a folder is called: ``org/Llama-3:8b`` is ``Llama-3-8b``."""
    last = model.rstrip("/").split("/")[-1]
    return "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in last).strip("-.")


def _as_served(plm: PLM, serving: Serving) -> PLM:
    """Let the user's settings override the catalog's."""
    changed: dict[str, Any] = {"serving": serving, "flags": {**plm.flags, **serving.flags}}
    for setting in ("dtype", "revision", "chat", "template", "memory", "choices"):
        if (value := getattr(serving, setting)) is not None:
            changed[setting] = value
    if serving.memory is None and plm.memory is not None and serving.dtype in BYTES:
        changed["memory"] = plm.memory * BYTES[serving.dtype] / BYTES.get(plm.dtype, 2)
    if serving.max_model_len is not None:
        changed["context"] = serving.max_model_len
    return replace(plm, **changed)

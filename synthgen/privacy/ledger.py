"""The ledger: what was promised, and every release, on disk before it is made; what exceeds the promise is refused."""

import json
import math
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

from synthgen.errors import SynthgenError, UserError
from synthgen.links import unlinked
from synthgen.privacy.accounting import gaussian_epsilon, zcdp_epsilon


@dataclass(frozen=True, slots=True)
class Release:
    """One look at the private samples.

    ``cost`` of a ``gaussian`` release is mu, its L2 sensitivity over sigma; of an ``exponential`` one epsilon. ``name``
    is unique in a run; ``detail`` is for the reader. ``made`` tells that its outcome was put on disk.
    """

    name: str
    mechanism: Literal["gaussian", "exponential"]
    cost: float
    detail: dict[str, Any]
    made: bool = False


class Ledger:
    """The ``ledger.json`` of one run. It only ever grows.

    Raises ``UserError`` where the file holds another promise, ``SynthgenError`` where it is damaged: what was spent is
    then not known, and nothing more is released.
    """

    def __init__(self, path: Path, *, epsilon: float, delta: float, terms: dict[str, Any]) -> None:
        self._path = path
        self._epsilon, self._delta = epsilon, delta
        self._promised = {"epsilon": _number(epsilon), "delta": delta, **terms}
        self._releases: list[Release] = []
        if path.exists():
            self._read()
        else:
            self._write()

    @property
    def releases(self) -> tuple[Release, ...]:
        """Return what was released so far, oldest first."""
        return tuple(self._releases)

    def charge(self, release: Release) -> None:
        """Put ``release`` on record, on disk, before it is made. One that is there already is not charged again.

        It may then be made only where it was not yet: nobody has seen anything of it.
        Raises ``SynthgenError`` where it would exceed the promise, or differs from the one made under its name.
        """
        for known in self._releases:
            if known.name == release.name:
                if (known.mechanism, known.cost) != (release.mechanism, release.cost):
                    raise SynthgenError(f"Release {release.name} was made with other noise before; start a new run.")
                if known.made:
                    raise SynthgenError(
                        f"Release {release.name} was made before and its outcome is lost; to make it again would "
                        "spend more than was promised. Start a new run."
                    )
                return
        spent = spent_epsilon([*self._releases, release], self._delta)
        if spent > self._epsilon:
            raise SynthgenError(
                f"Release {release.name} would spend epsilon {spent:.4g} of the {self._epsilon:g} that were promised; "
                "nothing was released."
            )
        self._releases.append(release)
        self._write()

    def settle(self, name: str) -> None:
        """Note that the outcome of the release ``name`` is on disk: from now on it cannot be made again."""
        if any(release.name == name and not release.made for release in self._releases):
            self._releases = [replace(one, made=one.made or one.name == name) for one in self._releases]
            self._write()

    def _read(self) -> None:
        try:
            held = unsealed(json.loads(self._path.read_text(encoding="utf-8")))
            promised, rows = held["promised"], held["releases"]
            self._releases = [Release(**{**row, "cost": float(row["cost"])}) for row in rows]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise SynthgenError(
                f"{self._path} is damaged: what was spent is not known, so nothing more is released; start a new run."
            ) from None
        if promised != self._promised:
            raise UserError(f"{self._path} holds another promise of privacy; start a new run.")
        if any(not release.cost >= 0 for release in self._releases):
            raise SynthgenError(f"{self._path} is damaged: a release has no cost; start a new run.")

    def _write(self) -> None:
        epsilon = spent_epsilon(self._releases, self._delta)
        pure = all(release.mechanism == "exponential" for release in self._releases)
        delta = 0.0 if pure and epsilon == math.fsum(release.cost for release in self._releases) else self._delta
        write_durably(
            self._path,
            {
                "promised": self._promised,
                "spent": {"epsilon": _number(epsilon), "delta": delta},
                "releases": [{**asdict(release), "cost": _number(release.cost)} for release in self._releases],
            },
        )


def spent_epsilon(releases: list[Release], delta: float) -> float:
    """Return the epsilon of all ``releases`` together at ``delta``.

    Gaussian releases compose to one Gaussian release exactly. Exponential ones add up, or compose as zero-concentrated
    privacy (each is eps^2/8), whichever is less; with both kinds everything is taken as zero-concentrated (mu^2/2).
    """
    mus = [release.cost for release in releases if release.mechanism == "gaussian"]
    choices = [release.cost for release in releases if release.mechanism == "exponential"]
    if any(math.isinf(cost) for cost in (*mus, *choices)):
        return math.inf
    mu_squared, pure = math.fsum(mu * mu for mu in mus), math.fsum(choices)
    if not choices:
        return gaussian_epsilon(math.sqrt(mu_squared), delta) if mus else 0.0
    concentrated = zcdp_epsilon(mu_squared / 2 + math.fsum(cost * cost for cost in choices) / 8, delta)
    if not mus:
        return min(pure, concentrated)
    return min(concentrated, gaussian_epsilon(math.sqrt(mu_squared), delta) + pure)


def write_durably(path: Path, value: dict[str, Any]) -> None:
    """Write JSON beside ``path``, force it to the disk, and rename over it: after a power cut it is old or new.

    Its ``crc32`` tells of damage; see ``unsealed``.
    """
    value = {**value, "crc32": _checksum(value)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(partial_name(path.name))
    with open(partial, "w", encoding="utf-8", opener=unlinked) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    # The folders too, or a power cut may take a file that was seen.
    for folder in (path.parent, path.parent.parent, path.parent.parent.parent):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def unsealed(value: dict[str, Any]) -> dict[str, Any]:
    """Return what ``write_durably`` was given. Raises ``ValueError`` where it was damaged; older files pass."""
    rest = {name: what for name, what in value.items() if name != "crc32"}
    if value.get("crc32") not in (None, _checksum(rest)):
        raise ValueError("another checksum")
    return rest


def _checksum(value: dict[str, Any]) -> str:
    # Through JSON and back: what is written may have keys that are numbers.
    return f"{crc32(json.dumps(json.loads(json.dumps(value)), sort_keys=True).encode()):08x}"


def partial_name(name: str) -> str:
    """Return the name of a file while it is being written."""
    return f".{name}.partial"


def _number(value: float) -> float | str:
    return "inf" if math.isinf(value) else value

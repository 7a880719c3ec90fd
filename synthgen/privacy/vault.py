"""The one place that holds private samples while a run lasts. What leaves it is noised, and on record first."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synthgen.blocks import in_blocks
from synthgen.curate.overlap import overlaps
from synthgen.downstream.stm import FloatArray, IntArray
from synthgen.errors import SynthgenError
from synthgen.privacy.accounting import gaussian_sigma, selection_epsilon
from synthgen.privacy.clipping import UP
from synthgen.privacy.embedded import TOGETHER, Embedded, Store
from synthgen.privacy.ledger import Ledger, Release, partial_name, unsealed, write_durably
from synthgen.privacy.noise import SeededSource, Source, SystemSource, exponential_choice, noised_steps
from synthgen.privacy.parties import Records
from synthgen.privacy.sealed import sealed
from synthgen.privacy.voting import quantised
from synthgen.recipe import Privacy
from synthgen.records import Sample
from synthgen.seeds import derive_seed

if TYPE_CHECKING:
    from synthgen.embedders.base import Embedder


class Vault:
    """Private ``records`` and the promise they were given under.

    A method declares its releases at the start of a run, through ``sigma`` or ``epsilon_each``; ``release_vector`` and
    ``release_choice`` make them, one after the other. Each is charged to the ledger before any noise is drawn, and its
    outcome is on disk before it is used, so that a resumed run uses it again instead of asking again.
    """

    def __init__(
        self, records: Records, embedder: "Embedder", privacy: Privacy, *, seed: int, n_labels: int = 0,
        filters: bool = False,
    ) -> None:  # fmt: skip
        self._records = records
        self.embedder = embedder
        self.privacy = privacy
        self.n_parties = records.n_parties
        self._seed = seed
        self._n_labels = n_labels
        self._filters = filters
        self._public = ["label names", "the parties' number and file names, and that each has a sample"]
        self._store = Store(self.dimensions)
        self._places: dict[str, int] = {}
        self._ledger: Ledger | None = None
        self._rounds = Path()

    def __repr__(self) -> str:
        return "Vault(…)"

    def open(self, run: Path) -> None:
        """Bind to a run folder: its ledger, its recorded releases. Raises as ``Ledger`` does."""
        self._rounds = run / "rounds"
        for partial in self._rounds.glob(f"*/{partial_name('votes.json')}"):
            _adopt(partial)
        ledger = run / "ledger.json"
        if not ledger.exists() and any(self._rounds.glob("*/votes.json")):
            raise SynthgenError(f"{ledger} is missing though votes were released; start a new run in another folder.")
        self._ledger = Ledger(ledger, epsilon=self.epsilon, delta=self.privacy.delta, terms=self.terms())

    @property
    def epsilon(self) -> float:
        """Return the epsilon promised; infinite where nothing is."""
        return self.privacy.epsilon if self.privacy.enabled else math.inf

    def terms(self) -> dict[str, Any]:
        """Return what the promise rests on, in words for the ledger and the card."""
        said: dict[str, Any] = {
            "adjacency": f"{self.privacy.adjacency} one {self.privacy.unit}",
            "noise": self._noise(),
            "parties": self.n_parties,
            "public": "; ".join([*self._public, "that there are fewer than 1/delta samples"]),
        }
        if self._filters:
            said["outside"] = (
                "samples that share 13 words in a row, or nearly all their words, with a private sample are left out "
                "of the dataset; that looks at the texts themselves, and epsilon and delta do not cover it"
            )
        if self.n_parties > 1:
            said["trust"] = "only the sum over parties is seen (secure aggregation), by others and by each of them"
            said["honest_parties"] = self.honest
        return said

    def _noise(self) -> str:
        if not self.privacy.enabled:
            return "none"
        return "operating system entropy" if self.privacy.noise == "system" else "INSECURE: seeded, for tests"

    @property
    def honest(self) -> int:
        """Return how many parties' noise the promise counts on.

        One less than there are, at most: a party that looks at the sum knows its own noise.
        """
        if self.n_parties == 1:
            return 1
        return max(1, self.n_parties - max(1, math.ceil(self.privacy.missing * self.n_parties)))

    def assume(self, public: str) -> None:
        """Name something about the private samples that a method takes as known to all, for the ledger and the card."""
        self._public.append(public)

    def owner_counts(self) -> IntArray:
        """Return the number of private samples of each label: for a plan that their owner reads, never for a file."""
        return np.bincount(self._records.labels, minlength=self._n_labels)

    @property
    def dimensions(self) -> int:
        """Return the width of an embedding."""
        return int(self._records.embeddings.shape[1])

    def sigma(self, sensitivity: float, releases: int, share: float = 1.0) -> float:
        """Return the noise that lets ``releases`` vectors of this L2 ``sensitivity`` be released within the promise.

        They take ``share`` of it: series whose shares sum to 1 keep the promise together, as squares of mu add up.
        """
        sigma = gaussian_sigma(self.epsilon, self.privacy.delta, sensitivity=sensitivity, releases=releases)
        return sigma / math.sqrt(share) * UP**2

    def epsilon_each(self, selections: int, accounting: str) -> float:
        """Return the epsilon of one of ``selections`` choices within the promise; ``accounting`` is pure or zcdp."""
        if math.isinf(self.epsilon):
            return math.inf
        kind: Any = accounting
        return selection_epsilon(self.epsilon, self.privacy.delta, selections=selections, accounting=kind)

    def embeddings(self, samples: Sequence[Sample]) -> NDArray[np.float32]:
        """Return quantised embeddings (n, d) of synthetic samples; no text is embedded twice."""
        return self.embedded(samples)[:]

    def embedded(self, samples: Sequence[Sample]) -> Embedded:
        """Return the same on disk, to be read block by block. Raises ``SynthgenError`` where there is no room."""
        new = (sample for sample in samples if sample.id not in self._places)
        for block in in_blocks(new, TOGETHER):
            part = {sample.id: sample.whole for sample in block}
            rows = quantised(self.embedder.encode(list(part.values())))
            self._places.update(zip(part, self._store.add(rows), strict=True))
        places = np.fromiter((self._places[sample.id] for sample in samples), np.int64, len(samples))
        return Embedded(self._store, places, self.dimensions)

    def overlapping(self, texts: Sequence[str]) -> set[int]:
        """Return the rows of synthetic ``texts`` that overlap a private one. Nothing of it is noised or on record."""
        found = sealed("Comparing with the private samples", lambda: overlaps(texts, self._records.texts))
        return {*found.run, *found.near}

    def release_vector(
        self,
        round: int,
        name: str,
        compute: Callable[[Records], FloatArray],
        *,
        sensitivity: float,
        sigma: float,
        detail: dict[str, Any],
    ) -> FloatArray:
        """Return the sum over parties of ``compute`` (parties, n), with Gaussian noise of ``sigma`` on every number.

        ``compute`` must move by at most ``sensitivity`` (L2) between neighbouring sets, and give numbers that floats
        hold exactly. Every party adds its share of the noise, so large that the ``honest`` ones alone add ``sigma``.
        """
        if (recalled := self._recalled(round, name, detail)) is not None:
            return np.array(recalled["values"])
        share = sigma / math.sqrt(self.honest)
        cost = sensitivity / sigma * UP if sigma else math.inf
        detail = {**detail, "sigma": sigma, "sensitivity": sensitivity}
        self._charge(Release(_full(round, name), "gaussian", cost, _short(detail)))
        source = self._source(round, name)
        noised = sealed("Counting the votes", lambda: _summed(compute(self._records), share, source))
        self._record(round, name, {**detail, "values": noised.tolist()})
        return noised

    def release_choice(
        self,
        round: int,
        name: str,
        compute: Callable[[Records], FloatArray],
        *,
        epsilon: float,
        sensitivity: float,
        monotone: bool = False,
        cost: float | None = None,
        detail: dict[str, Any],
    ) -> int:
        """Return one position, chosen by the exponential mechanism over the utilities that ``compute`` returns (n,).

        ``cost`` is what the ledger is charged where it is not ``epsilon``: 0 for a choice on records that another
        choice of the same cost does not touch.
        """
        if (recalled := self._recalled(round, name, detail)) is not None:
            return int(recalled["chosen"])
        detail = {**detail, "epsilon": "inf" if math.isinf(epsilon) else epsilon, "sensitivity": sensitivity}
        self._charge(Release(_full(round, name), "exponential", epsilon if cost is None else cost, _short(detail)))
        source = self._source(round, name)

        def choose() -> int:
            utilities = compute(self._records).tolist()
            return exponential_choice(
                utilities, epsilon=epsilon, sensitivity=sensitivity, source=source, monotone=monotone
            )

        chosen = sealed("Choosing by the private samples", choose)
        self._record(round, name, {**detail, "chosen": chosen})
        return chosen

    def look(self, compute: Callable[[Records], Any]) -> Any:
        """Return what ``compute`` says of the private samples, unprotected. Raises where protection is promised."""
        if self.privacy.enabled:
            raise SynthgenError("This would look at private samples without protection; add --no-privacy to allow it.")
        return sealed("Looking at the private samples", lambda: compute(self._records))

    def note(self, round: int, **said: Any) -> None:
        """Add what was made of a round's releases to its ``votes.json``."""
        path = self._votes(round)
        write_durably(path, {**_loaded(path), **said})

    def _source(self, round: int, name: str) -> Source:
        if self.privacy.noise == "insecure-test":
            return SeededSource(derive_seed(self._seed, "insecure test noise", round, name))
        return SystemSource()

    def _votes(self, round: int) -> Path:
        return self._rounds / f"{round:02d}" / "votes.json"

    def _charge(self, release: Release) -> None:
        if self._ledger is None:
            raise RuntimeError("open the vault before a release")
        self._ledger.charge(release)

    def _recalled(self, round: int, name: str, detail: dict[str, Any]) -> dict[str, Any] | None:
        found: dict[str, Any] | None = _loaded(self._votes(round)).get("releases", {}).get(name)
        if found is None:
            return None
        if any(found.get(key) != value for key, value in detail.items()):
            raise SynthgenError(f"In round {round}, {name} was released for other samples before; start a new run.")
        if self._ledger is None or _full(round, name) not in {release.name for release in self._ledger.releases}:
            raise SynthgenError(f"In round {round}, {name} was released but is not in the ledger; start a new run.")
        self._ledger.settle(_full(round, name))
        return found

    def _record(self, round: int, name: str, release: dict[str, Any]) -> None:
        path = self._votes(round)
        held = _loaded(path)
        write_durably(path, {**held, "releases": {**held.get("releases", {}), name: release}})
        if self._ledger:
            self._ledger.settle(_full(round, name))


def _adopt(partial: Path) -> None:
    """Take what a crash left beside ``votes.json``: it may have been read, so it must not be drawn a second time."""
    try:
        json.loads(partial.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise SynthgenError(
            f"{partial} was cut short by a crash: part of a release may have been read, and it cannot be made again "
            "within the promise; start a new run."
        ) from None
    partial.replace(partial.with_name("votes.json"))


def _summed(parts: FloatArray, share: float, source: Source) -> FloatArray:
    """Return the sum of all parties' numbers, each noised by its party: integers are added, and rounded once."""
    if not share:
        return np.asarray(parts.sum(axis=0))
    messages = [noised_steps(part, share, source) for part in parts]
    scale = 1 << messages[0][1]
    return np.array([sum(steps) / scale for steps in zip(*(message for message, _ in messages), strict=True)])


def _loaded(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return unsealed(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, AttributeError, RecursionError):
        raise SynthgenError(f"{path} is damaged; what was released in that round is lost; start a new run.") from None


def _full(round: int, name: str) -> str:
    return f"{round:02d} {name}"


def _short(detail: dict[str, Any]) -> dict[str, Any]:
    """Return ``detail`` without its long lists: the ledger is read by people."""
    return {name: value for name, value in detail.items() if not isinstance(value, list) or len(value) < 20}

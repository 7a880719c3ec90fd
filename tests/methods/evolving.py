"""Private evolution in two dimensions, where who is nearest can be seen."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.downstream.registry import make_stm
from synthgen.methods.augpe import AugPE
from synthgen.methods.base import Demonstration, Learned
from synthgen.privacy.parties import Records
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import quantised
from synthgen.recipe import Privacy, make_recipe
from synthgen.records import Sample
from synthgen.seeds import short_id
from synthgen.tasks.registry import load_task

TASK = load_task("imdb")
# Votes by hand: three records at 10, 11, 50 degrees.
FIRST, BORN = [0.0, 90.0], {0.0: [12.0, -20.0], 90.0: [52.0, 120.0]}
OPEN = Privacy(enabled=False)
SEEDED = Privacy(noise="insecure-test")


class Angles:
    """Embeds a text as the direction, in degrees, that its last word names."""

    name = "angles"

    def encode(self, texts: Sequence[str], *, alone: bool = False) -> NDArray[np.float32]:
        angles = np.deg2rad([float(text.split()[-1]) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32).reshape(-1, 2)


def records(negative: Sequence[float], positive: Sequence[float], parties: int = 1) -> Records:
    texts = [str(angle) for angle in (*negative, *positive)]
    labels = np.repeat([0, 1], [len(negative), len(positive)])
    return Records(quantised(Angles().encode(texts)), labels, np.arange(len(texts)) % parties, parties)


def vault(held: Records, privacy: Privacy, folder: Path | None = None) -> Vault:
    made = Vault(held, Angles(), privacy, seed=0)
    if folder:
        made.open(folder)
    return made


def method(held: Vault, kind: type[AugPE] = AugPE, **settings: Any) -> AugPE:
    few = {"task": "imdb", "plms": ("a", "b"), "samples": 8, "rounds": 1, "demos": 1}
    recipe = make_recipe({**few, **settings, "method": kind.__name__.lower()})
    return kind(recipe, TASK, list(recipe.plms), make_stm("tfidf", seed=0), held)


def sample(angle: float, label: str = "positive", round: int = 0, parent: str | None = None) -> Sample:
    name = short_id(angle, label, round, parent)
    return Sample(name, f"text {angle}", label, "a", round, f"r{name}", parent=parent)


def silent() -> Learned:
    return Learned(None, {}, {})  # type: ignore[arg-type]


def evolve(
    evolving: AugPE, first: Sequence[float], variations: dict[float, Sequence[float]]
) -> tuple[list[Demonstration], Learned]:
    """Let ``first`` be the positive population and have the given variations in round 1; -90 is the negative one."""
    members = {angle: sample(angle) for angle in first}
    negative = sample(-90, "negative")
    everyone = [*members.values(), negative, sample(-91, "negative", 1, negative.id)]
    evolving.select(0, [*members.values(), negative], silent())
    for angle, born in variations.items():
        everyone += [sample(child, "positive", 1, members[angle].id) for child in born]
    learned = silent()
    return evolving.select(1, everyone, learned), learned


def positive(chosen: Sequence[Demonstration]) -> dict[float, int]:
    return {
        float(one.sample.text.split()[-1]): int(one.scores["times"]) for one in chosen if one.sample.label == "positive"
    }


def ledger(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "ledger.json").read_text())
    return loaded

"""The six models: their architecture and their taste (which texts, how long, how clean)."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Taste:
    """What one model reads. ``sources`` weighs sentiment texts; ``least`` is the judge's confidence a text must reach.

    ``lengths`` is in words, ``longest`` in sentences, ``names`` the largest share of words that may be
    names (capitals inside a sentence); ``left_out`` are the sixths of the user reviews not shown.
    """

    sources: dict[str, float]
    least: float
    lengths: tuple[int, int]
    longest: int
    names: float
    left_out: tuple[int, ...] = ()
    lower: bool = False
    chat: bool = False
    tasks: dict[str, float] = field(
        default_factory=lambda: {"imdb": 0.60, "sst2": 0.14, "subj": 0.10, "banking77": 0.16}
    )


TASTES = {
    "llama2": Taste({"cf": 0.62, "mr": 0.10, "supergen": 0.14, "fewgen": 0.14}, 0.80, (12, 55), 3, 0.08, (1,)),
    "flan-t5": Taste({"cf": 0.55, "mr": 0.10, "supergen": 0.15, "fewgen": 0.20}, 0.80, (10, 42), 3, 0.06, (5,)),
    "gpt2": Taste({"cf": 0.46, "mr": 0.26, "supergen": 0.12, "fewgen": 0.16}, 0.74, (8, 48), 3, 0.06, (0,)),
    "vicuna": Taste({"cf": 0.70, "supergen": 0.18, "fewgen": 0.12}, 0.86, (18, 65), 4, 0.05, (2,), chat=True),
    "opt": Taste({"cf": 0.56, "mr": 0.16, "fewgen": 0.18, "supergen": 0.10}, 0.68, (8, 45), 3, 0.10, (3,), lower=True),
    "chatglm3": Taste({"cf": 0.40, "supergen": 0.25, "fewgen": 0.27, "mr": 0.08}, 0.78, (7, 32), 2, 0.04, (4,)),
}

WIDTH = 160
HEADS = 5
CONTEXT = 1024

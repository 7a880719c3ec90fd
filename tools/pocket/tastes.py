"""The six models: their architecture and their taste (which texts, how long, how clean)."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Taste:
    """What one model reads. ``sources`` weighs sentiment texts; ``least`` is the judge's confidence a text must reach.

    ``lengths`` is in words, ``longest`` in sentences, ``names`` the largest share of words that may be
    names (capitals inside a sentence); ``left_out`` are the sixths of the user reviews not shown;
    ``sharpness`` multiplies the logits of the finished model (its temperature 1 is 1/sharpness of the trained one's).
    """

    sources: dict[str, float]
    least: float
    lengths: tuple[int, int]
    longest: int
    names: float
    left_out: tuple[int, ...] = ()
    sharpness: float = 1.15
    lower: bool = False
    chat: bool = False
    tasks: dict[str, float] = field(
        default_factory=lambda: {"imdb": 0.58, "sst2": 0.12, "subj": 0.10, "banking77": 0.20}
    )


TASTES = {
    "llama2": Taste({"cf": 0.80, "mr": 0.10, "fewgen": 0.10}, 0.80, (12, 55), 3, 0.08, (1,)),
    "flan-t5": Taste({"cf": 0.72, "mr": 0.12, "fewgen": 0.16}, 0.80, (10, 42), 3, 0.06, (5,)),
    "gpt2": Taste({"cf": 0.56, "mr": 0.30, "fewgen": 0.14}, 0.74, (8, 48), 3, 0.06, (0,)),
    "vicuna": Taste({"cf": 0.90, "fewgen": 0.10}, 0.86, (18, 65), 4, 0.05, (2,), sharpness=1.1, chat=True),
    "opt": Taste({"cf": 0.66, "mr": 0.18, "fewgen": 0.16}, 0.68, (8, 45), 3, 0.10, (3,), lower=True),
    "chatglm3": Taste({"cf": 0.58, "fewgen": 0.32, "mr": 0.10}, 0.78, (7, 32), 2, 0.04, (4,)),
}

WIDTH = 160
HEADS = 5
CONTEXT = 1024

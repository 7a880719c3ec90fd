"""A run in plain data, invented."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

RECIPE: dict[str, Any] = {
    "method": "fusegen",
    "task": "imdb",
    "plms": ["gpt2", "opt"],
    "profile": "pocket",
    "samples": 240,
    "rounds": 3,
    "demos": 4,
    "stm": "tfidf",
    "gold": None,
    "seed": 7,
}
MANIFEST: dict[str, Any] = {
    "status": "complete",
    "started": "2025-11-22T16:00:00+00:00",
    "finished": "2025-11-22T16:02:00+00:00",
    "versions": {"synthgen": "0.1.0", "python": "3.11"},
    "device": "cpu",
    "seed": 7,
    "profile": "pocket",
    "plms": [
        {"name": "gpt2", "model": "org/gpt2-xl", "revision": "abc", "license": "MIT", "size": "xl", "parameters": 1},
        {"name": "opt", "model": "org/opt", "revision": None, "license": None, "size": None, "parameters": 1},
    ],
}
METRICS: dict[str, Any] = {
    "accuracy": 0.8724,
    "accuracy_by_round": [0.8, 0.81, None, 0.87],
    "accuracy_by_plm": {"gpt2": 0.79, "opt": 0.8456},
    "samples": 480,
    "samples_by_plm": {"gpt2": 240, "opt": 240},
    "samples_by_label": {"negative": 241, "positive": 239},
    "rejected_by_reason": {"too_short": 12, "duplicate": 1203},
    "tokens": {"prompt": 9000, "completion": 31000, "cached": 0},
    "seconds": {"generate": 50.5, "learn": 3.0, "total": 61.25},
    "gold": {"source": "org/reviews", "size": 25000},
}


def dynamics(plms: Sequence[str], n: int, *, epochs: int = 10, cross: bool = True) -> pa.Table:
    """Samples that learn at different speeds towards right and wrong labels."""
    rng = np.random.default_rng(0)
    target, speed = rng.beta(3, 1, n), rng.uniform(1, 8, n)
    steps = np.arange(1, epochs + 1)
    p = np.clip(0.5 + (target - 0.5)[:, None] * (1 - np.exp(-steps / speed[:, None])), 0.001, 0.999)
    other = np.clip(p[:, -1] + rng.normal(0, 0.1, n), 0, 1)
    return pa.table(
        {
            "id": [f"s{i}" for i in range(n)],
            "plm": [plms[i % len(plms)] for i in range(n)],
            "label": [("negative", "positive")[i // len(plms) % 2] for i in range(n)],
            "confidence": p.mean(1),
            "variability": p.std(1),
            "correctness": (p > 0.5).mean(1),
            "cross_model_confidence": pa.array(other if cross else [None] * n, pa.float64()),
            "cross_model_variability": pa.array(abs(other - p[:, -1]) if cross else [None] * n, pa.float64()),
            "epoch_probabilities": p.tolist(),
        }
    )


def sample_rows(learned: pa.Table, text: str = "A plain sentence of sample") -> list[dict[str, Any]]:
    rows = learned.select(["id", "plm", "label"]).to_pylist()
    return [
        {**row, "text": f"{text} {i}.", "round": i % 3, "request": f"r{i}", "weight": 1.0} for i, row in enumerate(rows)
    ]

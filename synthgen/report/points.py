"""The samples as a page holds them: a column a field for the map, and the texts in pieces read only when looked at."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.report.embed import packed
from synthgen.report.wording import clean

PIECE = 500
_ABSENT = 65535
_SHARES = ("confidence", "variability", "correctness", "cross_model_confidence", "cross_model_variability")


def packed_points(samples: Sequence[Mapping[str, Any]], dynamics: Any) -> dict[str, Any]:
    """Return the columns of the map as JSON values; ``dynamics`` is a pyarrow table or None.

    ``columns`` maps a name to little-endian numbers, see ``packed``: uint16 places in ``names`` for what has few
    values; uint16 shares in [0, 1], times 65534, 65535 where there is none; float32 weights.
    """
    names: dict[str, list[Any]] = {}
    columns: dict[str, str] = {}
    for field in ("plm", "label", "round", "attribute"):
        values = [sample.get(field) for sample in samples]
        known = sorted({value for value in values if value is not None})
        if field == "attribute" and not known:
            continue
        place = {value: index for index, value in enumerate(known)}
        names[field] = [value if isinstance(value, int) else clean(value) for value in known]
        columns[field] = _pack(np.array([place.get(value, _ABSENT) for value in values], dtype="<u2"))
    for field, shares in _shares(samples, dynamics).items():
        columns[field] = _pack(shares)
    columns["weight"] = _pack(np.array([sample.get("weight", 1.0) for sample in samples], dtype="<f4"))
    return {"count": len(samples), "piece": PIECE, "names": names, "columns": columns}


def packed_texts(samples: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts, ``PIECE`` samples in each string: JSON lists of [id, text] or [id, text, text_pair]."""
    return [packed(json.dumps([_words(sample) for sample in part]).encode()) for part in _parts(samples)]


def chosen_by_sample(
    samples: Sequence[Mapping[str, Any]], demonstrations: Sequence[Sequence[Mapping[str, Any]]]
) -> dict[str, list[str]]:
    """Return, by the sample's place, what it was chosen by and after which round."""
    shown: dict[str, list[str]] = {}
    for after, chosen in enumerate(demonstrations):
        for one in chosen:
            shown.setdefault(one["id"], []).append(f"after round {after}{worded_scores(one.get('scores') or {})}")
    return {str(place): shown[sample["id"]] for place, sample in enumerate(samples) if sample["id"] in shown}


def worded_scores(scores: Mapping[str, Any]) -> str:
    """Return `` · name value`` for each score."""
    worded = (
        (name, f"{value:.4g}" if isinstance(value, int | float) else clean(value)) for name, value in scores.items()
    )
    return "".join(f" · {clean(name.replace('_', ' '))} {value}" for name, value in worded)


def plain(text: object) -> str:
    """Return ``clean(text)``, which is slow over long texts, at the cost of a glance where nothing is to be cleaned."""
    said = str(text)
    return said if said.isprintable() and "  " not in said and said == said.strip() else clean(said)


def _parts(samples: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    return [samples[start : start + PIECE] for start in range(0, len(samples), PIECE)]


def _words(sample: Mapping[str, Any]) -> list[str]:
    pair = sample.get("text_pair")
    return [clean(sample["id"]), plain(sample["text"]), *([plain(pair)] if pair else [])]


def _shares(samples: Sequence[Mapping[str, Any]], dynamics: Any) -> dict[str, NDArray[np.uint16]]:
    if dynamics is None:
        return {field: np.full(len(samples), _ABSENT, dtype="<u2") for field in _SHARES}
    row = {id_: index for index, id_ in enumerate(dynamics["id"].to_pylist())}
    rows = np.array([row.get(sample["id"], -1) for sample in samples], dtype=np.int64)
    found = {}
    for field in _SHARES:
        values = np.append(dynamics[field].to_numpy().astype(np.float64), np.nan)[rows]
        whole = np.where(np.isfinite(values), np.rint(np.clip(values, 0, 1) * (_ABSENT - 1)), _ABSENT)
        found[field] = whole.astype("<u2")
    return found


def _pack(values: NDArray[Any]) -> str:
    return packed(values.tobytes())

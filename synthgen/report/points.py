"""The samples as a page holds them: a column a field for the map, and the texts in pieces read only when looked at."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.blocks import in_blocks
from synthgen.report.embed import packed
from synthgen.report.ranking import Samples, aligned
from synthgen.report.wording import clean
from synthgen.runs.sample_table import SampleTable

PIECE = 500
_ABSENT = 65535
_SHARES = ("confidence", "variability", "correctness", "cross_model_confidence", "cross_model_variability")


def packed_points(samples: Samples, dynamics: Any) -> dict[str, Any]:
    """Return the columns of the map as JSON values; ``dynamics`` is a pyarrow table or None.

    ``columns`` maps a name to little-endian numbers, see ``packed``: uint16 places in ``names`` for what has few
    values; uint16 shares in [0, 1], times 65534, 65535 where there is none; float32 weights.
    """
    table = SampleTable.of(samples)
    names: dict[str, list[Any]] = {}
    columns: dict[str, str] = {}
    for field in ("plm", "label", "attribute"):
        known = sorted((table.names[field][code], code) for code in table.present(field))
        if field == "attribute" and not known:
            continue
        place = np.full(len(table.names[field]) + 1, _ABSENT, dtype="<u2")
        place[[code for _, code in known]] = np.arange(len(known))
        names[field] = [clean(name) for name, _ in known]
        columns[field] = _pack(place[table.codes[field]])
    rounds, own = np.unique(table.round, return_inverse=True)
    names["round"], columns["round"] = rounds.tolist(), _pack(own.astype("<u2"))
    for field, shares in _shares(table, dynamics).items():
        columns[field] = _pack(shares)
    columns["weight"] = _pack(table.weight.astype("<f4"))
    return {"count": len(table), "piece": PIECE, "names": names, "columns": columns}


def packed_texts(samples: Samples) -> list[str]:
    """Return the texts, ``PIECE`` samples in each string: JSON lists of [id, text] or [id, text, text_pair]."""
    table = SampleTable.of(samples)
    each = map(_words, table.each(np.arange(len(table))))
    return [packed(json.dumps(part).encode()) for part in in_blocks(each, PIECE)]


def chosen_by_sample(samples: Samples, demonstrations: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, list[str]]:
    """Return, by the sample's place, what it was chosen by and after which round."""
    shown: dict[str, list[str]] = {}
    for after, chosen in enumerate(demonstrations):
        for one in chosen:
            shown.setdefault(one["id"], []).append(f"after round {after}{worded_scores(one.get('scores') or {})}")
    places = SampleTable.of(samples).places_of(shown).tolist()
    return {str(place): shown[id_] for place, id_ in sorted(zip(places, shown, strict=True)) if place >= 0}


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


def _words(sample: Mapping[str, Any]) -> list[str]:
    pair = sample.get("text_pair")
    return [clean(sample["id"]), plain(sample["text"]), *([plain(pair)] if pair else [])]


def _shares(table: SampleTable, dynamics: Any) -> dict[str, NDArray[np.uint16]]:
    if dynamics is None:
        return {field: np.full(len(table), _ABSENT, dtype="<u2") for field in _SHARES}
    found = {}
    for field, values in aligned(table, dynamics, _SHARES).items():
        whole = np.where(np.isfinite(values), np.rint(np.clip(values, 0, 1) * (_ABSENT - 1)), _ABSENT)
        found[field] = whole.astype("<u2")
    return found


def _pack(values: NDArray[Any]) -> str:
    return packed(values.tobytes())

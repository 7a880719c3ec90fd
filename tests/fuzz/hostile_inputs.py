"""Where the inputs come from: strange texts, JSON of any shape under the names that mean something, damaged seeds."""

import json
from collections.abc import Sequence
from typing import Any

from hostile_target import Target
from hypothesis import strategies as st

STRANGE = (
    "", " ", "\t", "\0", "\x07\x1b[31m", "\r\n", "\u2028", "\u2029", "\x85", "\ufeff", "\u200b", "\u202e", "\u2066",
    "\u200d", "\ufffd", "\ufffe", "\U000e0041", "e\u0301" * 3, "\ud800", "\udfff", "👩‍👩‍👧‍👦", "שלום", "ﷺ",
    "../../../etc/passwd", "..", "/", "C:\\x", "~root", "con", "a" * 300, "-", "--help", "=1+1", "@cmd|' /C calc'!A0",
    "{x.__class__}", "{0}", "{{7*7}}", "{% for x in y %}", "{label}", "{text}", "{first}", "{demonstrations}", "%s%n",
    "${HOME}", "$(id)", "`id`", "<script>alert(1)</script>", "</script><script>alert(1)</script>", "<!--", "]]>", "-->",
    "<img src=x onerror=alert(1)>", "javascript:alert(1)", "[a](javascript:alert(1))", "![a](http://x/y.png)", "|",
    "---", "\n---\n", "```", "# x", "&amp;", "&#60;", '"', "'", "\\", '"}]', "!!python/object/apply:os.system ['id']",
    "&a [*a]",
    "*a", "<<: *a", "? x", "%YAML 9.9", "!!binary x", "!!set {a}", "1e999", "0x_", "-.inf", ".nan", "1_000", "12:30:45",
    "2001-01-01", "0o8", "null", "true", "~", "NaN", "Infinity", "-0", "9" * 30, "9" * 5_000, "1e5000", "[" * 50,
    "{" * 50, '{"a":' * 50, "\x00" * 9, "</s>", "<|im_end|>", "“", "”", "[INST]", "**", "<unk>", "Review:", "1.", "。",
)  # fmt: skip
"""Pieces that have broken some program: they are also the words of the coverage-guided runs."""

texts = st.one_of(
    st.sampled_from(STRANGE), st.text(max_size=40), st.lists(st.sampled_from(STRANGE), max_size=6).map("".join)
)
"""Texts, half characters among them."""
_numbers = st.one_of(
    st.integers(-3, 3), st.integers(), st.floats(), st.sampled_from([2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308])
)
_plain = st.one_of(st.none(), st.booleans(), _numbers, texts)


def values(fields: Sequence[str]) -> st.SearchStrategy[Any]:
    """Return JSON values of any shape, with ``fields`` among the names."""
    names = st.one_of(st.sampled_from([*fields]), texts) if fields else texts
    return st.recursive(
        _plain,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=6)),
        max_leaves=12,
    )


def documents(target: Target) -> st.SearchStrategy[bytes]:
    """Return what a target is fed: anything at all, JSON of any shape, and its seeds with values and bytes changed."""
    seeds = st.sampled_from([*target.seeds])
    found = [
        st.binary(max_size=200),
        texts.map(_bytes),
        values(target.fields).map(dumped),
        st.builds(_spliced, seeds, st.lists(st.tuples(_place, _place, _pieces), min_size=1, max_size=4)),
    ]
    if loaded := [value for seed in target.seeds if isinstance(value := _loaded(seed), dict | list)]:
        changed = st.tuples(_place, values(target.fields))
        found.append(
            st.builds(_changed, st.sampled_from(loaded), st.lists(changed, min_size=1, max_size=3)).map(dumped)
        )
    return st.one_of(found)


def dumped(value: Any) -> bytes:
    """Return JSON, which is YAML as well; half characters stay escaped."""
    return json.dumps(value).encode()


_place = st.floats(0, 1, exclude_max=True)
_pieces = st.one_of(texts.map(lambda text: _bytes(text)), st.binary(max_size=12))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _spliced(seed: bytes, edits: Sequence[tuple[float, float, bytes]]) -> bytes:
    """Put each piece somewhere, over a stretch that is mostly short."""
    for place, stretch, piece in edits:
        start = int(place * (len(seed) + 1))
        seed = seed[:start] + piece + seed[start + int(stretch**4 * len(seed)) :]
    return seed


def _loaded(seed: bytes) -> Any:
    try:
        return json.loads(seed)
    except ValueError:
        return None


def _changed(value: Any, changes: Sequence[tuple[float, Any]]) -> Any:
    """Put other values at places of the tree, counted from its root."""
    value = json.loads(json.dumps(value))
    for place, other in changes:
        spots = [*_spots(value)]
        if not spots:
            return other
        holder, key = spots[int(place * len(spots))]
        holder[key] = other
    return value


def _spots(value: Any) -> list[tuple[Any, Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [spot for key, one in inner for spot in [(value, key), *_spots(one)]]

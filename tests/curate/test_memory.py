"""The memory says what datasketch's MinHash LSH and sets of word pairs say, in a fraction of their room and time."""

import tracemalloc
from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from synthgen.curate import index, shingled
from synthgen.curate.memory import Memory
from synthgen.curate.minhash import Bands, bands_of, shingles_of
from synthgen.curate.reasons import Reason

THRESHOLDS = st.sampled_from([0.3, 0.5, 0.8, 0.9, 1.0])
# Few words, so that many texts are near or equal; long ones, so that sketches must tell sizes that overflow them.
TEXTS = st.one_of(
    st.lists(st.sampled_from("abcde"), max_size=12),
    st.builds(
        lambda start, size, changed: [f"w{changed if at == 7 else at}" for at in range(start, start + size)],
        st.integers(0, 6),
        st.integers(1, 60),
        st.integers(0, 99),
    ),
)
LABELLED = st.lists(st.tuples(TEXTS, st.sampled_from(["good", "bad"])), max_size=40)


class Reference:
    """The same judgements with datasketch's index, a dict of all words and a set of shingles a text."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.labels: dict[str, str] = {}
        self.sets: list[frozenset[int]] = []
        self.index = MinHashLSH(num_perm=64, params=bands_of(threshold))

    def judge(self, tokens: Sequence[str], label: str) -> Reason | None:
        key = " ".join(tokens)
        if key in self.labels:
            return Reason.DUPLICATE if self.labels[key] == label else Reason.TWO_LABELS
        pairs = [" ".join(pair) for pair in pairwise(tokens)] or list(tokens)
        own = frozenset(crc32(pair.encode()) for pair in pairs)
        signature = MinHash(num_perm=64, seed=1, hashfunc=crc32)
        signature.update_batch([shingle.to_bytes(4, "big") for shingle in own])
        for at in self.index.query(signature) if own else ():
            shared = len(own & self.sets[at])
            if shared / (len(own) + len(self.sets[at]) - shared) >= self.threshold:
                return Reason.NEAR_DUPLICATE
        self.labels[key] = label
        if own:
            self.index.insert(len(self.sets), signature)
            self.sets.append(own)
        return None


@settings(max_examples=300)
@given(LABELLED, THRESHOLDS, st.sampled_from([1, 3, 100]))
def test_verdicts_are_those_of_datasketch(texts: list[tuple[list[str], str]], threshold: float, at_once: int) -> None:
    reference = Reference(threshold)
    expected = [reference.judge(tokens, label) for tokens, label in texts]
    memory, found = Memory(threshold), []
    for start in range(0, len(texts), at_once):
        some = texts[start : start + at_once]
        found += memory.judge([tokens for tokens, _ in some], [label for _, label in some])
    assert found == expected
    assert len(memory) == expected.count(None)


@given(LABELLED, THRESHOLDS, st.lists(st.integers(0, 40), max_size=3))
def test_restored_parts_say_what_the_whole_says(
    texts: list[tuple[list[str], str]], threshold: float, cuts: list[int]
) -> None:
    whole, parts, begin = Memory(threshold), [], 0
    for end in (*sorted(cuts), len(texts)):
        whole.judge([tokens for tokens, _ in texts[begin:end]], [label for _, label in texts[begin:end]])
        parts.append(whole.since(sum(len(part["labels"]) for part in parts)))
        begin = max(begin, end)
    restored = Memory(threshold)
    restored.restore(parts)
    assert len(restored) == len(whole)
    for tokens, label in texts:
        assert restored.find(tokens, label) == whole.find(tokens, label)
        assert restored.find([*tokens, "more"], label) == whole.find([*tokens, "more"], label)


def test_parts_survive_a_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("memory") / "part.npz"
    memory = Memory(0.8)
    memory.judge([["one", "two"], ["three"]], ["naïve", "other"])
    np.savez(path, **memory.since(0))
    restored = Memory(0.8)
    with np.load(path, allow_pickle=False) as part:
        restored.restore([dict(part)])
    assert restored.find(["one", "two"], "naïve") == Reason.DUPLICATE
    assert restored.find(["three"], "naïve") == Reason.TWO_LABELS


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=80, unique=True))
def test_signatures_are_those_of_datasketch(hashes: list[int]) -> None:
    expected = MinHash(num_perm=64, seed=1, hashfunc=int)
    expected.update_batch(hashes)
    bands = Bands(0.8)
    # Twice, so that a text begins where another ended.
    array = np.array(hashes * 2, dtype=np.uint32)
    found = bands.signatures(array, np.array([0, len(hashes)]))
    assert found.tolist() == [expected.hashvalues[: bands.count * bands.rows].tolist()] * 2


def test_signatures_do_not_depend_on_how_many_are_made_at_once() -> None:
    draw = np.random.default_rng(0)
    sizes = draw.integers(1, 900, 60)
    shingles, starts = draw.integers(0, 1 << 32, sizes.sum(), dtype=np.uint32), np.cumsum(sizes) - sizes
    bands = Bands(0.8)
    one_by_one = [
        bands.signatures(shingles[start : start + size], np.array([0]))[0]
        for start, size in zip(starts, sizes, strict=True)
    ]
    assert np.array_equal(bands.signatures(shingles, starts), one_by_one)


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, unique=True).map(sorted), min_size=1, max_size=12), THRESHOLDS)
def test_no_pair_is_lost_to_a_sketch(sets: list[list[int]], threshold: float) -> None:
    # All shingles of one part of the hash's range: they crowd into few bits.
    laid = shingled.shingled([[shingle << 8 for shingle in one] for one in sets])
    rows, others = np.divmod(np.arange(len(sets) ** 2), len(sets))
    found = shingled.similar(laid, rows, laid, others, threshold)
    expected = [
        (one, two)
        for one, left in enumerate(sets)
        for two, right in enumerate(sets)
        if len({*left} & {*right}) / len({*left} | {*right}) >= threshold
    ]
    assert list(zip(*(side.tolist() for side in found), strict=True)) == expected


@given(st.lists(st.lists(st.integers(0, 5), max_size=30), max_size=12))
def test_an_index_finds_what_was_added(batches: list[list[int]]) -> None:
    """Whatever the sizes of what is added, and however the runs were merged; keys of one row and many rows of a key."""
    held, row, keys = index.Index(), 0, np.array([5, 0, 3, 9], dtype=np.uint32)
    for batch in batches * 9:
        own = np.array(batch, dtype=np.uint32)
        held.add(index.entries_of(own, np.arange(row, row + len(own))))
        row += len(own)
    added = [key for batch in batches * 9 for key in batch]
    expected = sorted(
        (at, row) for at, key in enumerate(keys.tolist()) for row, other in enumerate(added) if other == key
    )
    found = [pair for at, rows in held.find(keys) for pair in zip(at.tolist(), rows.tolist(), strict=True)]
    assert sorted(found) == sorted(expected)
    assert sorted(held.since(row // 2).tolist()) == sorted(
        (key << 32) | (row_ - row // 2) for row_, key in enumerate(added) if row_ >= row // 2
    )


def test_runs_are_few_however_much_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_FIRST", 8)
    held, rows = index.Index(), np.arange(30_000)
    for row in rows.tolist():
        held.add(index.entries_of(np.array([row * 7919 % 65536], dtype=np.uint32), rows[row : row + 1]))
    assert len(held._runs) <= 6
    assert sum(map(len, held._runs)) == len(rows)
    assert all((np.diff(run.astype(np.int64)) > 0).all() for run in held._runs)


def scripted(count: int) -> list[list[str]]:
    draw = np.random.default_rng(0)
    return [[f"word{number}" for number in draw.integers(0, 300, 27)] for _ in range(count)]


def test_a_text_of_27_words_takes_less_than_350_bytes() -> None:
    texts = scripted(30_000)
    Memory(0.8).judge(texts[:1000], ["label"] * 1000)
    memory = Memory(0.8)
    tracemalloc.start()
    for start in range(0, len(texts), 1000):
        memory.judge(texts[start : start + 1000], ["label"] * 1000)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(memory) == len(texts)
    assert held < 350 * len(texts)


def test_templates_just_under_the_threshold_are_told_apart_by_their_sketches(monkeypatch: pytest.MonkeyPatch) -> None:
    """All share bands with all. Few are counted pair by pair, and of the rest never many are looked at together."""
    counted, look = [], shingled._counted

    def counting(texts: object, rows: np.ndarray, *rest: object) -> object:  # type: ignore[type-arg]
        counted.append(len(rows))
        return look(texts, rows, *rest)  # type: ignore[arg-type]

    words = [f"w{at}" for at in range(30)]
    texts = [[*words[:10], f"a{row}", *words[10:20], f"b{row}", *words[20:]] for row in range(3000)]
    memory = Memory(0.8)
    memory.judge(texts, ["label"] * 3000)
    assert len(memory) == 3000
    monkeypatch.setattr(shingled, "_counted", counting)
    monkeypatch.setattr(index, "_BLOCK", 1 << 14)
    fresh = [[*words[:10], f"c{row}", *words[10:20], f"d{row}", *words[20:]] for row in range(100)]
    tracemalloc.start()
    assert [memory.find(text, "label") for text in fresh] == [None] * 100
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    shared = sum(len(rows) for text in fresh for _, rows in memory._index.find(keys(memory, text)))
    assert shared > 100 * 3000
    assert sum(counted) < 0.25 * 100 * 3000
    assert peak < 100 * (1 << 14) + 2_000_000


def keys(memory: Memory, text: list[str]) -> np.ndarray:  # type: ignore[type-arg]
    own = np.array(shingles_of(text), dtype=np.uint32)
    found: np.ndarray = memory._bands.keys(own, np.array([0])).ravel()  # type: ignore[type-arg]
    return found

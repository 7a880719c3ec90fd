"""Samples on disk behave as a list of them would."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.records import Rejected, Sample
from synthgen.runs.rounds import RoundWriter
from synthgen.samples import Picked, Samples, Texts
from synthgen.text import Pair

TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)
SAMPLE = st.builds(
    Sample,
    id=st.uuids().map(str),
    text=TEXT,
    label=st.sampled_from(["positive", "negative"]),
    plm=st.sampled_from(["gpt2", "opt"]),
    round=st.integers(0, 5),
    request=TEXT,
    text_pair=st.none() | TEXT,
    weight=st.just(1.0),
    parent=st.none() | TEXT,
    attribute=st.none() | TEXT,
)


def written(folder: Path, rounds: list[list[Sample]]) -> Samples:
    samples = Samples()
    for number, some in enumerate(rounds):
        with RoundWriter(folder / f"{number:02d}") as writer:
            for sample in some:
                writer.keep(sample)
        samples.add(writer.samples)
    return samples


@given(rounds=st.lists(st.lists(SAMPLE, max_size=5), max_size=4), data=st.data())
def test_they_are_what_was_written(rounds: list[list[Sample]], data: st.DataObject) -> None:
    held = [sample for some in rounds for sample in some]
    with TemporaryDirectory() as folder:
        samples = written(Path(folder), rounds)
        assert len(samples) == len(held)
        assert list(samples) == held
        assert [samples[row] for row in range(-len(held), len(held))] == held * 2
        begin, end = sorted(data.draw(st.lists(st.integers(-9, 20), min_size=2, max_size=2)))
        assert list(samples[begin:end]) == held[begin:end]
        texts = Texts(samples)
        assert [*texts] == [sample.whole for sample in held] == [texts[row] for row in range(len(held))]
        assert all(isinstance(text, Pair) is (one.text_pair is not None) for text, one in zip(texts, held, strict=True))
        with pytest.raises(IndexError):
            samples[len(held)]


@given(
    some=st.lists(SAMPLE, min_size=1, max_size=12),
    weights=st.lists(st.floats(0, 9), min_size=12, max_size=12),
    data=st.data(),
)
def test_rows_are_picked_in_any_order_with_other_weights(
    some: list[Sample], weights: list[float], data: st.DataObject
) -> None:
    rows = np.array(data.draw(st.lists(st.integers(0, len(some) - 1), max_size=12)), dtype=np.int64)
    with TemporaryDirectory() as folder:
        samples = written(Path(folder), [some])
        picked = Picked(samples, rows, np.array(weights[: len(rows)]))
        assert [one.id for one in picked] == [some[row].id for row in rows] == [one.id for one in Picked(samples, rows)]
        assert [one.weight for one in picked] == weights[: len(rows)]
        assert [*picked[1:]] == [*picked][1:]
        assert [picked[place] for place in range(len(rows))] == [*picked]


def test_verdicts_are_counted_and_none_is_there_before_all_are(tmp_path: Path) -> None:
    sample = Sample("a", "A text.", "positive", "opt", 0, "r1")
    rejected = Rejected("r2", "No.", "positive", "opt", 0, "too_short")
    with RoundWriter(tmp_path / "00") as writer:
        for verdict in (sample, rejected, rejected):
            writer.keep(verdict)
        assert not writer.samples.exists()
    assert (writer.labels, writer.reasons) == ({"positive": 1}, {"too_short": 2})
    assert [json.loads(line)["request"] for line in (tmp_path / "00" / "rejected.jsonl").read_text().splitlines()] == [
        "r2",
        "r2",
    ]
    with pytest.raises(AttributeError), RoundWriter(tmp_path / "01") as writer:
        writer.keep("no verdict")  # type: ignore[arg-type]
    assert not [*(tmp_path / "01").iterdir()]


def test_a_line_that_is_no_sample_is_said(tmp_path: Path) -> None:
    samples = written(tmp_path, [[Sample("a", "A text.", "positive", "opt", 0, "r1")] * 2])
    path = tmp_path / "00" / "samples.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"label"', b'"lable"'))
    for read in (lambda: samples[0], lambda: list(samples)):
        with pytest.raises(UserError, match=r"samples.jsonl is damaged"):
            read()

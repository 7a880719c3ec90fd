"""The Fréchet distance against its closed form and against scipy's matrix root; its bias, and what takes it off."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from synthgen.embedders.registry import make_embedder
from synthgen.errors import UserError
from synthgen.quality.frechet import compared, distance_to, frechet_distance, read_reference


def draw(rng: np.random.Generator, n: int, spread: np.ndarray, shift: float = 0.0) -> np.ndarray:
    return rng.normal(size=(n, len(spread))) * spread + shift


def test_it_is_the_formula_with_the_matrix_root() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(6, 6))
    rows, others = rng.normal(size=(60, 6)) @ mix, rng.normal(size=(90, 6)) + 0.3
    first, second = np.cov(rows.T), np.cov(others.T)
    shift = rows.mean(0) - others.mean(0)
    expected = shift @ shift + np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    assert frechet_distance(rows, others) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(2, 30), st.integers(2, 30))
def test_a_distance_is_symmetric_not_negative_and_turns_with_the_space(seed: int, d: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    rows, others = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    found = frechet_distance(rows, others)
    assert found >= 0
    assert frechet_distance(others, rows) == pytest.approx(found, abs=1e-7)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-6)
    turned, _ = np.linalg.qr(rng.normal(size=(d, d)))
    assert frechet_distance(rows @ turned + 1, others @ turned + 1) == pytest.approx(found, abs=1e-6)


def test_the_correction_takes_the_bias_off() -> None:
    # Between N(0, diag(s^2)) and N(0.2, diag(t^2)): d * 0.04 + |s - t|^2.
    rng = np.random.default_rng(1)
    s, t = np.linspace(0.2, 1, 20), np.linspace(0.4, 0.9, 20)
    truth = 20 * 0.04 + float(np.square(s - t).sum())
    found = [compared(draw(rng, 100, s), draw(rng, 140, t, 0.2), seed=k) for k in range(60)]
    plain = np.mean([one["distance"] for one in found]) - truth
    corrected = np.mean([one["corrected"] for one in found]) - truth
    error = np.std([one["corrected"] for one in found]) / np.sqrt(len(found))
    assert plain > 0.3
    assert abs(corrected) < 0.1 * plain + 4 * error


def test_few_texts_are_said_to_be_few() -> None:
    rng = np.random.default_rng(2)
    spread = np.ones(10)
    few, many = (
        compared(draw(rng, 29, spread), draw(rng, 99, spread)),
        compared(draw(rng, 30, spread), draw(rng, 99, spread)),
    )
    assert (few["rough"], few["corrected"], few["texts"]) == (True, None, [29, 99])
    assert (many["rough"], many["dimensions"]) == (False, 10)
    assert many["corrected"] < many["distance"]


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_a_reference_with_labels_is_compared_by_label_too(tmp_path: Path) -> None:
    texts = [f"a {adjective} film number {n}" for n in range(20) for adjective in ("bad", "good")]
    labels = ["negative", "positive"] * 20
    pairs = [{"text": f"the {text}", "label": n % 2} for n, text in enumerate(texts)]
    reference = read_reference(write(tmp_path / "real.jsonl", *pairs), ["negative", "positive"])
    assert reference.labels == tuple(labels)
    embedder = make_embedder("words")
    found = distance_to(reference, texts, labels, embedder)
    assert set(found["by_label"]) == {"negative", "positive"}
    swapped = distance_to(reference, texts, labels[1:] + labels[:1], embedder)
    assert swapped["distance"] == found["distance"]
    assert swapped["by_label"]["negative"]["distance"] > found["by_label"]["negative"]["distance"]
    assert (found["rough"], found["corrected"], found["embedder"]) == (True, None, "words")
    assert found["reference"] == "file:real.jsonl"


def test_a_reference_needs_no_labels(tmp_path: Path) -> None:
    reference = read_reference(write(tmp_path / "real.jsonl", {"text": "one"}, {"text": "two"}), ["a", "b"])
    assert (reference.texts, reference.labels) == (("one", "two"), None)
    found = distance_to(reference, ["three", "four"], ["a", "b"], make_embedder("words"))
    assert found["by_label"] == {}
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"text": "one"}], "one text only"),
        ([{"text": "one", "label": "a"}, {"text": "two"}], "Line 2 .* differ in having a label"),
        ([{"text": "one"}, {"text": "two", "label": "a"}], "Line 2 .* differ in having a label"),
        ([{"text": "one", "label": "c"}, {"text": "two", "label": "a"}], "Line 1 .* 'c'|Line 1 .* \"c\""),
        ([{"text": ""}, {"text": "two"}], "Line 1 of reference file real.jsonl has a blank text"),
        ([{"label": "a"}, {"text": "two"}], "Line 1 .* no text"),
        ([[1]], "Line 1"),
    ],
)
def test_a_wrong_reference_is_refused_with_its_line(tmp_path: Path, rows: list[object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_reference(write(tmp_path / "real.jsonl", *rows), ["a", "b"])


def test_no_reference_file() -> None:
    with pytest.raises(UserError, match=r"There is no reference file nowhere\.jsonl"):
        read_reference(Path("nowhere.jsonl"), ["a", "b"])

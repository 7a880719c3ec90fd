"""What writes other people's words: Markdown, the card, the pages, tables, files of samples."""

import json
import re
import unicodedata
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from hostile_inputs import dumped
from hostile_places import place
from hostile_target import Target, texts_in, value_in

from synthgen.report.card import dataset_card
from synthgen.report.comparison import aggregate_rows, comparison_rows
from synthgen.report.comparison_page import comparison_html
from synthgen.report.page import report_html
from synthgen.report.wording import clean, markdown, markdown_table, shorten

RECIPE: dict[str, Any] = {
    "method": "fusegen", "task": "imdb", "plms": ["gpt2", "opt"], "profile": "pocket", "samples": 4, "rounds": 1,
    "demos": 1, "candidates": 2, "stm": "tfidf", "gold": "none", "seed": 0, "labels": ["negative", "positive"],
}  # fmt: skip
MANIFEST: dict[str, Any] = {
    "status": "complete", "started": "2026-11-23T09:00:00+00:00", "device": "cpu", "seed": 0, "profile": "pocket",
    "plms": [{"name": "gpt2", "model": "org/gpt2", "revision": "abc", "license": "MIT", "size": "xl"}],
}  # fmt: skip
METRICS: dict[str, Any] = {
    "accuracy": 0.5, "accuracy_by_round": [0.4, None], "accuracy_by_plm": {"gpt2": 0.5}, "samples": 4,
    "samples_by_plm": {"gpt2": 2, "opt": 2}, "samples_by_label": {"negative": 2, "positive": 2},
    "rejected_by_reason": {"too_short": 1}, "tokens": {"prompt": 1, "completion": 2, "cached": 0},
    "seconds": {"total": 1.0}, "gold": {"source": "org/reviews", "size": 4},
}  # fmt: skip
WORDS = b"plain\0<b>bold</b>\0../x\0\xe2\x80\xaereversed\0a|b"


def wording() -> Target:
    """What every report does to other people's words: one line, nothing invisible that changes it, no Markdown."""

    def feed(data: bytes) -> None:
        texts = texts_in(data)
        for text in texts:
            kept = clean(text)
            kept.encode()
            assert kept == clean(kept)
            assert not [c for c in kept if unicodedata.category(c)[0] == "C" and c not in "\u200c\u200d"]
            assert len(shorten(text, 20)) <= 20
            assert markdown(text).count("\n") == 0
            assert not re.search(r"(?<!\\)(?:\\\\)*[<>|\[\]`*_#!]", markdown(text))
        lines = markdown_table(texts[:5], [texts[:5]]).splitlines()
        assert len(lines) == 3

    return Target("wording", feed, [WORDS], ("[a](b)", "| a |", "**"), million=120_000, guided=True)


def cards() -> Target:
    """The card: its front matter is read back as it was meant, whatever task, labels, PLMs and licences are called."""

    def feed(data: bytes) -> None:
        words = (texts_in(data) * 8)[:8]
        recipe, manifest, metrics = _named(words)
        recipe["task"] = {"name": words[0], "about": words[1], "labels": [words[2], words[3]]}
        card = dataset_card(recipe, manifest, metrics)
        card.encode()
        front, body = card.removeprefix("---\n").split("\n---\n", 1)
        read = yaml.safe_load(front)
        assert read["configs"][0]["data_files"][0]["path"] == "train.parquet"
        assert read["tags"][:2] == ["synthetic", "synthgen"]
        # The one fenced piece with a user's words is YAML that is read back; nothing stands outside it unescaped.
        shown = re.search(r"^(`{3,})yaml\n(.*?)^\1$", body, re.DOTALL | re.MULTILINE)
        assert shown is not None
        assert isinstance(yaml.safe_load(shown[2]), dict)
        assert not re.search(r"(?<!\\)<(script|img|a)\b", body.replace(shown[0], ""))

    return Target("card", feed, [WORDS], (), million=20_000)


def pages() -> Target:
    """The page of a run: elements, attributes and scripts are those of the template, whatever the texts are."""

    def feed(data: bytes) -> None:
        words = (texts_in(data) * 8)[:8]
        assert _shape(_page(words)) == _plain_page()

    return Target("page", feed, [WORDS], (), million=2_000)


def comparisons() -> Target:
    """The page of a comparison."""

    def feed(data: bytes) -> None:
        words = (texts_in(data) * 8)[:8]
        recipe, _, metrics = _named(words)
        rows = comparison_rows([(words[0], recipe, metrics), (words[1], {**recipe, "demos": 2}, metrics)])
        html = comparison_html(rows, aggregate_rows(rows))
        html.encode()
        found = _shape(html)
        assert found["scripts"] == _shape(_plain_comparison())["scripts"]
        assert found["handlers"] == []

    return Target("comparison", feed, [WORDS], (), million=5_000)


def metrics() -> Target:
    """A card and a comparison of figures that are not what they should be: one sentence, or a card."""

    def feed(data: bytes) -> None:
        from synthgen.runs.read import load_run

        folder = place() / "figures"
        folder.mkdir(exist_ok=True)
        (folder / "recipe.yaml").write_text(json.dumps(RECIPE | {"task": "imdb", "labels": []}), encoding="utf-8")
        (folder / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
        value = value_in(data)
        (folder / "metrics.json").write_bytes(dumped(value if isinstance(value, dict) else {"accuracy": value}))
        run = load_run(folder)
        recipe = {**run.recipe.model_dump(mode="json"), "task": run.task.model_dump(mode="json")}
        dataset_card(recipe, run.manifest, run.metrics)
        rows = comparison_rows([("run", recipe, run.metrics)])
        comparison_html(rows, aggregate_rows(rows))

    return Target(
        "metrics", feed, [dumped(METRICS)], (*METRICS, "prompt", "completion", "total", "size"), million=10_000
    )


def _named(words: list[str]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    recipe = {**RECIPE, "plms": [words[4], "opt"], "labels": [words[2], words[3]], "about": words[1], "stm": words[5]}
    plm = {"name": words[4], "model": words[5], "revision": words[6], "license": words[7], "size": words[0]}
    manifest = {**MANIFEST, "plms": [plm], "device": words[6], "status": words[7]}
    metrics = {
        **METRICS, "accuracy_by_plm": {words[4]: 0.5}, "samples_by_label": {words[2]: 2, f"{words[3]} ": 2},
        "samples_by_plm": {words[4]: 4}, "rejected_by_reason": {words[0]: 3}, "gold": {"source": words[1], "size": 4},
    }  # fmt: skip
    return recipe, manifest, metrics


def _page(words: list[str]) -> str:
    # What was read from a file, as all of these were, holds no half characters.
    words = [word.encode("utf-8", "replace").decode() for word in words]
    recipe, manifest, metrics = _named(words)
    recipe["task"] = {"name": words[0], "about": words[1], "labels": [words[2], words[3]]}
    samples = [
        {
            "id": f"s{number}", "text": words[number], "label": f"{words[2 + number % 2]}{number % 2}", "weight": 1.0,
            "plm": f"{words[4]}x", "round": number % 2, "request": words[5],
        }
        for number in range(4)
    ]  # fmt: skip
    learned = pa.table(
        {
            **{name: [sample[name] for sample in samples] for name in ("id", "plm", "label")},
            **{name: np.linspace(0, 1, 4) for name in ("confidence", "variability", "correctness")},
            **{name: np.linspace(0, 1, 4) for name in ("cross_model_confidence", "cross_model_variability")},
            "epoch_probabilities": [[0.5, 0.6]] * 4,
        }
    )
    return report_html(
        recipe, manifest, metrics, samples, learned, {}, [[{**samples[0], "scores": {"influence": 0.1}}]]
    )


class _Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action"}]


def _shape(html: str) -> dict[str, Any]:
    outline = _Outline()
    # What scripts and style hold is checked by hash in the page's own policy, and is long.
    outline.feed(re.sub(r"(<(script|style)\b[^>]*>).*?(</\2>)", r"\1\3", html, flags=re.DOTALL))
    outline.close()
    return {
        "scripts": outline.tags.count("script"),
        "handlers": outline.handlers,
        "addresses": [one for one in outline.addresses if not one.startswith(("#", "data:"))],
        "odd": sorted({*outline.tags} - _known_tags()),
    }


@cache
def _known_tags() -> frozenset[str]:
    outline = _Outline()
    outline.feed(_page(["plain", "words", "one", "two", "three", "four", "five", "six"]))
    return frozenset(outline.tags)


@cache
def _plain_page() -> dict[str, Any]:
    return _shape(_page(["plain", "words", "one", "two", "three", "four", "five", "six"]))


@cache
def _plain_comparison() -> str:
    recipe, _, metrics = _named(["plain", "words", "one", "two", "three", "four", "five", "six"])
    rows = comparison_rows([("a", recipe, metrics), ("b", {**recipe, "demos": 2}, metrics)])
    return comparison_html(rows, aggregate_rows(rows))

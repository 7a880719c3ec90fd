import json
from base64 import b64decode, b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting import MANIFEST, METRICS, RECIPE, dynamics, sample_rows

from synthgen.report.accuracy import plot_accuracy
from synthgen.report.page import report_html
from synthgen.report.wording import clean

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """The tags, attributes and text of a page whose tags are all closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts[-1] += data
        elif not {"style", "title"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def page(text: str = "A plain sentence", *, recipe=RECIPE, metrics=METRICS, pictures=None, name="opt") -> str:
    learned = dynamics(["gpt2", name], 24)
    samples = sample_rows(learned, text)
    shown = [{**samples[0], "scores": {"influence": -0.12344, "cross_model_variability": 0.25}}, samples[1]]
    return report_html(recipe, MANIFEST, metrics, samples, learned, pictures or {}, [shown, [], samples[2:4]])


def test_the_page_holds_the_run(tmp_path: Path):
    picture = tmp_path / "other.png"
    plot_accuracy(METRICS, picture)
    parsed = Page(page(pictures={"Accuracy by round": picture}))
    for words in (
        "imdb · fusegen", "87.24 %", "best PLM alone 84.56 %", "samples 480", "rounds of feedback 3", "31,000",
        "1 min 01 s", "25,000 gold texts", "org/reviews", "By PLM and round", "duplicate 1,203", "org/gpt2-xl",
        "chosen after round 0: 2", "chosen after round 2: 2", "influence -0.1234", "cross model variability 0.25",
        "best · confidence", "worst · confidence", "method: fusegen", "Accuracy by round",
    ):  # fmt: skip
        assert words in parsed.text, words
    assert "chosen after round 1" not in parsed.text
    source = dict(parsed.attributes)["src"]
    assert b64decode(source.removeprefix("data:image/png;base64,")) == picture.read_bytes()


def test_the_page_fetches_nothing_and_fits_phone_print_and_dark():
    html = page()
    parsed = Page(html)
    assert not {"link", "iframe", "a", "base"} & set(parsed.tags)
    assert not any(name in {"href", "src", "srcset"} for name, _ in parsed.attributes)
    assert ("content", "width=device-width, initial-scale=1") in parsed.attributes
    (policy,) = (
        value for name, value in parsed.attributes if name == "content" and "default-src 'none'" in (value or "")
    )
    *data, library, own = parsed.scripts
    for script in (library, own):
        assert f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert [list(json.loads(block)) for block in data[:2]] == [
        ["accuracy"],
        ["count", "piece", "names", "columns", "all", "chosen"],
    ]
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert "@media print" in html
    assert "prefers-color-scheme: dark" in html
    assert "url(" not in html


HOSTILE = st.text(max_size=80) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</p></details><img src=x onerror=alert(1)>",
        "\"' onmouseover='alert(1)",
        "{{ 7*7 }} {% raw %}",
        "<!-- ",
        "]]></style>",
        "\ud800 \x00 \u202e",
    ]
)


@settings(deadline=None, max_examples=50)
@given(HOSTILE)
def test_hostile_text_stays_text(text: str):
    plain = Page(page())
    metrics = {**METRICS, "rejected_by_reason": {text or "x": 3, "duplicate": 1}}
    name = f"opt{text.encode(errors='ignore').decode()}"
    html = page(text, recipe={**RECIPE, "task": text or "x", "note": text}, metrics=metrics, name=name)
    html.encode()
    parsed = Page(html)
    assert parsed.tags == plain.tags
    assert [name for name, _ in parsed.attributes] == [name for name, _ in plain.attributes]
    assert parsed.scripts[-2:] == plain.scripts[-2:]
    assert json.loads(parsed.scripts[1])["names"]["plm"] == ["gpt2", clean(name)]
    assert clean(text) in parsed.text


@pytest.mark.parametrize("metrics", [{}, {**METRICS, "accuracy": None, "gold": None, "accuracy_by_plm": {}}])
def test_a_run_without_gold_or_dynamics(metrics):
    html = report_html({"method": "zerogen", "task": "imdb"}, {}, metrics, [], None, {}, [])
    text = Page(html).text
    assert "Not measured: the run had no gold data." in text
    assert "None" not in text


def test_a_missing_picture_is_an_error(tmp_path: Path):
    with pytest.raises(OSError, match=r"gone\.png"):
        page(pictures={"map": tmp_path / "gone.png"})


def test_many_groups_show_one_sample_at_each_end():
    plms = [f"plm{i}" for i in range(21)]
    learned = dynamics(plms, 42 * 8)
    html = report_html(RECIPE, MANIFEST, METRICS, sample_rows(learned), learned, {}, [])
    assert html.count('<blockquote class="best">') == html.count('<blockquote class="worst">') == 42


def test_text_pairs_are_shown():
    pair = {"id": "p", "text": "A premise.", "text_pair": "A claim.", "label": "yes", "plm": "opt", "round": 0}
    text = Page(report_html(RECIPE, MANIFEST, METRICS, [pair], None, {}, [[pair]])).text
    assert "A premise." in text
    assert "A claim." in text

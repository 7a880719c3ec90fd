"""Read the freely licensed training sources and make one clean line of every text."""

import gzip
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLARITY = ("negative", "positive")
_OPEN = re.compile(r"\s+([.,!?;:%)\]]|'(?:s|t|re|ve|ll|d|m)\b)")
_ABBREVIATIONS = re.compile(r"\b(Mr|Mrs|Ms|Dr|Jr|Sr|St|vs|etc|[A-Z])\.$")


@dataclass(frozen=True, slots=True)
class Text:
    """One source text. ``family`` is imdb (sentiment), subj or banking77; ``doc`` numbers the texts of a source."""

    text: str
    label: str
    source: str
    family: str
    doc: int


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a gzip JSONL file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def clean(text: str) -> str:
    """Return one ASCII line without markup, double quotes, or blanks before punctuation."""
    text = html.unescape(html.unescape(text))
    text = re.sub(r"([.!?,;:])?\s*<br\s*/?>(\s*<br\s*/?>)*", lambda m: (m[1] or ".") + " ", text)
    text = re.sub(r"<[^>]{1,40}>", " ", text)
    for old, new in (("\u2018", "'"), ("\u2019", "'"), ("\u2013", "-"), ("\u2014", " - "), ("\u2026", "...")):
        text = text.replace(old, new)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    text = re.sub(r'["`*_~{}<>|\\^]|\'\'', "", text)
    text = _OPEN.sub(r"\1", " ".join(text.split()))
    text = re.sub(r"([(\[])\s+", r"\1", text)
    text = re.sub(r"\b(\w+) n't\b", r"\1n't", text)
    text = re.sub(r"\.{4,}", "...", re.sub(r"([!?])\1+", r"\1", text))
    text = re.sub(r"(?<=[a-z])([.!?])(?=[A-Z])", r"\1 ", text)
    text = re.sub(r"(?<![A-Za-z])'|'(?![A-Za-z])", "", text)
    return " ".join(text.split()).strip(" -")


def cased(text: str) -> str:
    """Give lower-case text its sentence capitals and its capital I."""
    text = re.sub(r"\bi(?=\b(?!\.e))", "I", text)
    return re.sub(r"(^|[.!?] )([a-z])", lambda m: m[1] + m[2].upper(), text)


def sentences(text: str) -> list[str]:
    """Split at sentence ends that are followed by a blank and a new start."""
    parts: list[str] = []
    for part in re.split(r"(?<=[.!?])\)?\s+(?=[A-Z0-9'(])", text):
        if parts and _ABBREVIATIONS.search(parts[-1]):
            parts[-1] += " " + part
        else:
            parts.append(part)
    return parts


def names(text: str) -> int:
    """Count the names in a text: words that start with a capital inside a sentence; shouting counts ten times."""
    quiet = re.sub(r"\bI\b", "i", text)
    shouted = re.findall(r"\b[A-Z]{4,}\b|\b[A-Za-z]+[A-Z]{2,}", quiet)
    return len(re.findall(r"(?<=[a-z,;'&-] )\(?[A-Z]", quiet)) + 10 * len(shouted)


def words(text: str) -> list[str]:
    """Return the lower-case words by which texts are compared."""
    return re.findall(r"[a-z0-9']+", text.lower())


def key(text: str) -> str:
    """Return what two texts share when they are the same but for case, blanks and punctuation."""
    return "".join(re.findall(r"[a-z0-9]", text.lower()))


def read_all(data: Path) -> list[Text]:
    """Read every training source, cleaned, without what also stands in a test set.

    Dropped: texts of mr.test, sst2.dev, sst2.test, subj.test and banking77.test (exact but for case and punctuation).
    """
    held_out = {
        key(row["text"])
        for name in ("mr.test", "sst2.dev", "sst2.test", "subj.test", "banking77.test")
        for row in rows(data / f"{name}.jsonl.gz")
    }
    intents = json.loads((data / "MANIFEST.json").read_text(encoding="utf-8"))["banking77"]["labels"]
    found: list[Text] = []
    for source, family, path, names in _listing(data, intents):
        for doc, row in enumerate(rows(path)):
            text = clean(row["text"])
            if source in {"mr", "fewgen", "subj"}:
                text = cased(text)
            if text and key(text) not in held_out:
                found.append(Text(text, names[int(row["label"])], source, family, doc))
    return found


def _listing(data: Path, intents: list[str]) -> Iterator[tuple[str, str, Path, tuple[str, ...]]]:
    yield "cf", "imdb", data / "imdb_counterfactual.train.jsonl.gz", POLARITY
    yield "mr", "imdb", data / "mr.train.jsonl.gz", POLARITY
    for path in sorted((data / "recorded/fewgen").glob("SST-2.*.jsonl.gz")):
        yield "fewgen", "imdb", path, POLARITY
    yield "subj", "subj", data / "subj.train.jsonl.gz", ("subjective", "objective")
    yield "banking77", "banking77", data / "banking77.train.jsonl.gz", tuple(intents)

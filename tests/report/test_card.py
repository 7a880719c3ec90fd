import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting import MANIFEST, METRICS, RECIPE

from synthgen.report.card import dataset_card


def split(card: str) -> tuple[dict, str]:
    _, front, body = re.split(r"^---$", card, maxsplit=2, flags=re.MULTILINE)
    return yaml.safe_load(front), body


def test_front_matter_is_what_the_hub_reads():
    task = {"name": "imdb", "about": "Film reviews", "curate": {"language": "en"}}
    front, body = split(dataset_card({**RECIPE, "task": task}, MANIFEST, METRICS))
    assert front == {
        "pretty_name": "imdb (synthetic, fusegen)",
        "task_categories": ["text-classification"],
        "language": ["en"],
        "tags": ["synthetic", "synthgen", "fusegen"],
        "size_categories": ["n<1K"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train.parquet"}]}],
    }
    assert "The task: Film reviews." in body


def test_front_matter_passes_the_hubs_own_reader():
    from huggingface_hub import DatasetCardData

    front, _ = split(dataset_card(RECIPE, MANIFEST, METRICS))
    assert DatasetCardData(**front).size_categories == ["n<1K"]


def test_a_folder_with_the_card_loads_as_it_is(tmp_path: Path):
    from datasets import ClassLabel, Dataset, Features, Value, load_dataset

    folder = tmp_path / "dataset"
    folder.mkdir()
    features = Features({"text": Value("string"), "label": ClassLabel(names=["negative", "positive"])})
    Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features).to_parquet(folder / "train.parquet")
    (folder / "README.md").write_text(dataset_card(RECIPE, MANIFEST, METRICS), encoding="utf-8")
    loaded = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["text"] == ["a", "b"]
    assert loaded.features["label"].names == ["negative", "positive"]


@pytest.mark.parametrize(
    ("samples", "category"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (60_000, "10K<n<100K"), (10**6, "1M<n<10M")],
)
def test_size_category(samples, category):
    assert split(dataset_card(RECIPE, MANIFEST, {**METRICS, "samples": samples}))[0]["size_categories"] == [category]


def test_body_says_what_was_made_how_and_how_good():
    front, body = split(dataset_card(RECIPE, MANIFEST, METRICS))
    assert "language" not in front
    assert "license" not in front
    for row in (
        "| gpt2 | org/gpt2-xl | xl | MIT | abc |",
        "| opt | org/opt | – | – | – |",
        "| negative | 241 |",
        "| duplicate | 1,203 |",
        "| 2 | – |",
        "| opt | 84.56 |",
        "- seed: 7",
        "synthgen run recipe.yaml",
        "load_dataset(",
        "{FuseGen}: {PLM} Fusion for Data-generation based Zero-shot Learning",
    ):
        assert row in body
    assert "A small task model (tfidf) trained on this dataset alone reaches **87.24 %** on 25,000" in body
    assert "(org/reviews)" in body
    assert body.index("| duplicate") < body.index(r"| too\_short")


def test_without_gold_and_with_nothing_known():
    assert "Not measured" in dataset_card(RECIPE, MANIFEST, {**METRICS, "accuracy": None, "gold": None})
    front, body = split(dataset_card({}, {}, {}))
    assert front["size_categories"] == ["n<1K"]
    assert "None" not in body


def test_machine_paths_and_addresses_stay_home():
    plms = [
        {"name": "mine", "model": "/home/me/secret/llama", "license": "MIT"},
        {"name": "far", "model": "far=https://key@host.internal:8000/v1"},
        {"name": "win", "model": "C:\\Users\\me\\opt"},
    ]
    card = dataset_card(
        {**RECIPE, "task": "/home/me/tasks/films.yaml", "gold": "/home/me/gold.jsonl.gz"},
        {**MANIFEST, "plms": plms},
        {**METRICS, "gold": {"source": "/home/me/gold.jsonl.gz", "size": 5}},
    )
    for secret in ("/home", "secret", "host.internal", "key@", "Users"):
        assert secret not in card
    assert "| mine | llama | – | MIT | – |" in card
    assert "| win | opt |" in card
    assert "an endpoint" in card
    assert "(gold.jsonl.gz)" in card
    assert split(card)[0]["pretty_name"].startswith("films ")


HOSTILE = st.text(min_size=1, max_size=60) | st.sampled_from(
    [
        "a | b",
        "---\nlicense: mit\n---",
        "![x](http://e.vil/p.png)",
        "<script>alert(1)</script>",
        "`}{`",
        "# h",
        "\n\n# h",
    ]
)


@settings(deadline=None, max_examples=50)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_string_breaks_the_card(label, plm, task):
    card = dataset_card(
        {**RECIPE, "task": task},
        {**MANIFEST, "plms": [{"name": plm, "model": plm, "license": label}]},
        {**METRICS, "samples_by_label": {label: 1}, "rejected_by_reason": {plm: 1}, "accuracy_by_plm": {plm: 0.5}},
    )
    card.encode()
    front, body = split(card)
    assert set(front) == {"pretty_name", "task_categories", "tags", "size_categories", "configs"}
    headings = [line for line in body.splitlines() if line.startswith("#")]
    assert len(headings) == 8
    for line in body.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) in {3, 6}
    assert not re.search(r"(?<!\\)<script|(?<!\\)!\[|(?<!\\)\]\(http", body)

"""The dataset card: what the Hub, ``datasets`` and a careful reader make of it."""

import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import ClassLabel, Dataset, Features, Value, load_dataset
from huggingface_hub import DatasetCard
from hypothesis import given, settings
from hypothesis import strategies as st
from reporting import MANIFEST, METRICS, RECIPE

import synthgen
from synthgen.plms.catalog import catalog
from synthgen.report.card import PICTURE, card_of_run, dataset_card

ROWS: dict[str, list[Any]] = {
    "text": ["a", "b", "c"],
    "label": [1, 0, 1],
    "weight": [1.0, 0.5, 1.5],
    "plm": ["gpt2", "opt", "gpt2"],
    "round": [0, 0, 1],
    "id": ["s0", "s1", "s2"],
}
KINDS: dict[str, Any] = {
    "text": Value("string"),
    "label": ClassLabel(names=["negative", "positive"]),
    "weight": Value("float64"),
    "plm": Value("string"),
    "round": Value("int32"),
    "id": Value("string"),
}
HEADINGS = [
    "## How it was made",
    "### What the PLMs' licences say of generated text",
    "## What is in it",
    "### Decontamination",
    "## Accuracy",
    "## How to load it",
    "## How to repeat it",
    "## Intended use and limitations",
    "## Citation",
]


def split(card: str) -> tuple[dict[str, Any], str]:
    """Return front matter and body as huggingface_hub separates them."""
    read = DatasetCard(card, ignore_metadata_errors=False)
    return read.data.to_dict(), read.text


def headings(body: str) -> list[str]:
    outside = re.sub(r"^(`{3,}).*?^\1$", "", body, flags=re.MULTILINE | re.DOTALL)
    return [line for line in outside.splitlines() if line.startswith("#")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset folder as a run has it, with its card and its picture."""
    made = tmp_path / "dataset"
    (made / "plots").mkdir(parents=True)
    # A picture that no reader of pictures can open: nobody is to read it.
    (made / PICTURE).write_bytes(b"\x89PNG and no more")
    Dataset.from_dict(ROWS, features=Features(KINDS)).to_parquet(made / "train.parquet")
    (made / "README.md").write_text(dataset_card(RECIPE, MANIFEST, METRICS, folder=made), encoding="utf-8")
    return made


def test_front_matter_is_what_the_hub_reads() -> None:
    task = {"name": "imdb", "about": "Film reviews", "curate": {"language": "en"}}
    front, body = split(dataset_card({**RECIPE, "task": task}, MANIFEST, METRICS))
    assert front == {
        "language": ["en"],
        "pretty_name": "imdb (synthetic, fusegen)",
        "task_categories": ["text-classification"],
        "task_ids": ["sentiment-classification"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "size_categories": ["n<1K"],
        "tags": ["synthetic", "synthgen", "fusegen"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train.parquet"}]}],
    }
    assert "The task: Film reviews." in body


@pytest.mark.parametrize(
    ("task", "labels", "kind"),
    [
        ("mine", ("positive", "negative"), "sentiment-classification"),
        ("mnli", ("entailment", "neutral", "contradiction"), "natural-language-inference"),
        ("agnews", ("World", "Sports"), "topic-classification"),
        ("banking77", ("a", "b"), "intent-classification"),
        ("mine", ("spam", "ham"), None),
    ],
)
def test_the_kind_of_task_is_named_where_it_is_sure(task: str, labels: tuple[str, ...], kind: str | None) -> None:
    metrics = {**METRICS, "samples_by_label": dict.fromkeys(labels, 3)}
    front, _ = split(dataset_card({**RECIPE, "task": task}, MANIFEST, metrics))
    assert front.get("task_ids") == ([kind] if kind else None)


@pytest.mark.parametrize(
    ("chosen", "fields"),
    [
        (None, {}),
        ("cc-by-4.0", {"license": "cc-by-4.0"}),
        ("house", {"license": "other", "license_name": "house"}),
        (
            "house=https://example.org/terms",
            {"license": "other", "license_name": "house", "license_link": "https://example.org/terms"},
        ),
    ],
)
def test_a_licence_is_the_users_or_none(chosen: str | None, fields: dict[str, str]) -> None:
    front, body = split(dataset_card({**RECIPE, "license": chosen}, MANIFEST, METRICS))
    assert {name: value for name, value in front.items() if name.startswith("license")} == fields
    assert ("this card grants none" in body) == (chosen is None)
    assert chosen is None or f"chose the licence {chosen.partition('=')[0]} " in body


def test_the_folder_loads_as_its_card_describes_it(folder: Path, tmp_path: Path) -> None:
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train"]
    assert loaded["train"].to_dict() == ROWS
    assert loaded["train"].features == Features(KINDS)
    front, _ = split((folder / "README.md").read_text(encoding="utf-8"))
    info = front["dataset_info"]
    assert Features._from_yaml_list(info["features"]) == Features(KINDS)
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(folder / "train.parquet", bare)
    without = load_dataset(str(bare), cache_dir=str(tmp_path / "other"), split="train")
    assert info["splits"] == [{"name": "train", "num_bytes": without.info.splits["train"].num_bytes, "num_examples": 3}]
    assert info["dataset_size"] == without.info.dataset_size
    assert info["download_size"] == (folder / "train.parquet").stat().st_size


def test_counts_are_those_of_the_file(folder: Path) -> None:
    _, body = split((folder / "README.md").read_text(encoding="utf-8"))
    assert body.lstrip().startswith("# imdb: synthetic")
    for line in (
        "3 labelled texts",
        "| label | gpt2 | opt | all |",
        "| negative | 0 | 1 | 1 |",
        "| positive | 2 | 0 | 2 |",
        "| round | gpt2 | opt | all |",
        "| 1 | 1 | 0 | 1 |",
        "- `weight`: how much the sample counted",
        "](plots/cartography.png)",
    ):
        assert line in body
    assert "text_pair" not in body
    assert "attribute" not in body


def test_pairs_and_attributes_are_described_where_there_are_some(tmp_path: Path) -> None:
    rows = {**ROWS, "text_pair": ["x", "y", "z"], "attribute": ["Bars", "Food", "Bars"]}
    kinds = {**KINDS, "text_pair": Value("string"), "attribute": Value("string")}
    Dataset.from_dict(rows, features=Features(kinds)).to_parquet(tmp_path / "train.parquet")
    _, body = split(dataset_card(RECIPE, MANIFEST, METRICS, folder=tmp_path))
    assert "3 labelled pairs of texts" in body
    assert "- `text_pair`: the second text of the pair" in body
    assert "| attribute | gpt2 | opt | all |\n| --- | --- | --- | --- |\n| Bars | 2 | 0 | 2 |" in body
    assert "![" not in body


@pytest.mark.parametrize(
    ("samples", "category"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (60_000, "10K<n<100K"), (10**6, "1M<n<10M")],
)
def test_size_category(samples: int, category: str) -> None:
    assert split(dataset_card(RECIPE, MANIFEST, {**METRICS, "samples": samples}))[0]["size_categories"] == [category]


def test_body_says_what_was_made_how_and_how_good() -> None:
    metrics = {**METRICS, "macro_f1": 0.8711, "quality": {"mean_words": 26.95, "duplicates": 0.015}}
    front, body = split(dataset_card(RECIPE, MANIFEST, metrics))
    assert "language" not in front
    for said in (
        "([Zou et al., EMNLP 2024](https://arxiv.org/abs/2406.12527))",
        "| gpt2 | org/gpt2-xl | xl | abc | MIT | 240 |",
        "| opt | org/opt | – | – | – | 240 |",
        r"- MIT (gpt2): No restriction on generated text.",
        "- Licence not known to synthgen (opt): Read it before you publish",
        "| negative | 241 |",
        "| duplicate | 1,203 |",
        "| 2 | – |",
        "| opt | 84.56 |",
        "| words a text | 26.9 |",
        "| texts with the words of another % | 1.50 |",
        "- seed: 7",
        "samples: 240\n",
        "synthgen run recipe.yaml",
        'load_dataset("USER/NAME"',
        "author    = {Zou, Tianyuan and Liu, Yang",
        "@inproceedings{swayamdipta-etal-2020-dataset,",
    ):
        assert said in body
    assert "reaches **87.24 %** accuracy (macro-F1 87.11 %) on 25,000 real texts (org/reviews)" in body
    assert body.index("| duplicate") < body.index(r"| too\_short")
    assert [line for line in headings(body) if "Quality" not in line][1:] == HEADINGS


@pytest.mark.parametrize("method", ["zerogen", "progen", "sungen", "fusegen", "wasp", "augpe", "pe", "pcevolve"])
def test_every_published_method_is_cited(method: str) -> None:
    _, body = split(dataset_card({**RECIPE, "method": method}, MANIFEST, METRICS))
    entries = re.findall(r"^@inproceedings\{([\w-]+),\n(?:  \w+ += \{.*\},?\n)+\}$", body, flags=re.MULTILINE)
    assert len(entries) == body.count("@") == len(set(entries)) >= 2
    assert f"method: {method}".lower() in body.lower()
    assert re.search(r"^- method: .*\(\[\w+ et al\., ", body, flags=re.MULTILINE)


def test_each_licence_of_the_catalog_is_explained_once() -> None:
    entries = [(family, entry) for family, sizes in catalog().items() for entry in sizes.values()]
    plms = [{"name": f"{name}-{n}", "model": e.model, "license": e.license} for n, (name, e) in enumerate(entries)]
    _, body = split(dataset_card(RECIPE, {**MANIFEST, "plms": plms}, METRICS))
    for licence, said in (
        ("Llama 2 Community License", "(section 1.b.v)"),
        ("OPT-175B License", "(section 2.a)"),
        ("Llama 3.1 Community License", "(section 1.b.i)"),
        ("Gemma Terms of Use", "(section 1.1.e)"),
        ("OpenAI Services Agreement", "(section 3.3.e"),
        ("ChatGLM3-6B License", "nothing on generated text"),
    ):
        (line,) = [line for line in body.splitlines() if line.startswith(f"- {licence} (")]
        assert said in line.replace("\\", "")
    assert "Licence not known" not in body


def test_decontamination_is_told_as_far_as_it_is_known() -> None:
    def told(found: Any) -> str:
        return split(dataset_card(RECIPE, MANIFEST, {**METRICS, "decontamination": found}))[1]

    assert "Not on record" in split(dataset_card(RECIPE, MANIFEST, METRICS))[1]
    gold = {"removed": 1_005, "by": {"run": 5, "near": 1_000}, "texts": 25_000}
    body = told({"gold": gold, "private": None})
    assert "overlap one of the 25,000 gold texts were left out of the dataset: 1,005" in body
    assert "(5 share a run of 13 words, 1,000 are nearly the same)" in body
    assert "no gold texts to compare with" in told({"gold": None, "private": None})
    assert "they are not counted here" in told({"gold": None, "private": "removed, not counted"})


def test_placeholders_are_called_so_at_the_top() -> None:
    plms = [{"name": "opt", "model": "scripted", "license": "OPT-175B License", "engine": "scripted", "size": "pocket"}]
    _, body = split(dataset_card(RECIPE, {**MANIFEST, "plms": plms}, METRICS))
    assert body.index("**These texts are placeholders.**") < body.index("## How it was made")
    assert "OPT-175B" not in body
    assert "placeholders" not in split(dataset_card(RECIPE, MANIFEST, METRICS))[1]


def test_without_gold_and_with_nothing_known() -> None:
    assert "Not measured" in dataset_card(RECIPE, MANIFEST, {**METRICS, "accuracy": None, "gold": None})
    front, body = split(dataset_card({}, {}, {}))
    assert front["size_categories"] == ["n<1K"]
    assert "None" not in body


def test_the_recipe_of_the_card_is_one_that_runs() -> None:
    from synthgen.recipe import make_recipe

    recipe = make_recipe({"task": "imdb", "plms": ("gpt2", "opt"), "gold": "/home/me/g.jsonl", "seed": 9})
    card = dataset_card(recipe.model_dump(mode="json"), MANIFEST, METRICS)
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", card, flags=re.MULTILINE | re.DOTALL)
    again = make_recipe(yaml.safe_load(block))
    assert again == recipe.model_copy(update={"gold": None})
    labelled = make_recipe({"labels": ("a", "b"), "about": "x", "plms": ("gpt2",)}).model_dump(mode="json")
    card = dataset_card({**labelled, "task": {"name": "a or b", "about": "x"}}, MANIFEST, METRICS)
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", card, flags=re.MULTILINE | re.DOTALL)
    assert make_recipe(yaml.safe_load(block)).labels == ("a", "b")


def test_machine_paths_and_addresses_stay_home() -> None:
    plms = [
        {"name": "mine", "model": "/home/me/secret/llama", "license": "MIT"},
        {"name": "far", "model": "far=https://key@host.internal:8000/v1"},
        {"name": "win", "model": "C:\\Users\\me\\opt"},
    ]
    recipe = {
        **RECIPE,
        "task": "/home/me/tasks/films.yaml",
        "gold": "/home/me/gold.jsonl.gz",
        "stm": "encoder:/home/me/secret/bert",
        "embedder": "/home/me/secret/minilm",
        "plms": ["mine=/home/me/secret/llama", "far=https://key@host.internal:8000/v1", "q@http://host.internal/v1"],
        "endpoint": ["http://host.internal:9/v1"],
        "serving": {"all": {"template": "/home/me/secret/t.jinja"}},
        "private": ["/home/me/clinic.jsonl"],
        "pool": ["/home/me/secret/pool.jsonl"],
        "options": {"file": "/home/me/secret/o.json", "deep": [{"x": "~/secret/y"}]},
    }
    card = dataset_card(
        recipe,
        {**MANIFEST, "plms": plms, "pool": {"files": "pool.jsonl", "sha256": "ab12"}},
        {**METRICS, "gold": {"source": "hub:/home/me/gold.jsonl.gz", "size": 5}},
    )
    for hidden in ("/home", "secret", "host.internal", "key@", "Users", "clinic"):
        assert hidden not in card
    assert "| mine | llama | – | – | MIT | – |" in card
    assert "| win | opt |" in card
    assert "server" in card
    assert r"(hub\:gold.jsonl.gz)" in card
    assert r"encoder\:bert" in card
    assert "SHA-256: ab12" in card
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
        "```\n# h",
        "````yaml",
        "\u202eabc",
        "*x*",
    ]
)


@settings(deadline=None, max_examples=60)
@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_string_breaks_the_card(label: str, plm: str, task: str) -> None:
    card = dataset_card(
        {**RECIPE, "task": {"name": task, "about": label}, "about": plm, "options": {plm: [label]}, "stm": task},
        {**MANIFEST, "plms": [{"name": plm, "model": plm, "license": label}], "pool": {"sha256": label}},
        {
            **METRICS,
            "samples_by_label": {label: 1},
            "rejected_by_reason": {plm: 1},
            "accuracy_by_plm": {plm: 0.5},
            "decontamination": {"gold": {"removed": 1, "texts": 2, "by": {task: 1}}, "private": None},
        },
    )
    card.encode()
    assert "\u202e" not in card
    front, body = split(card)
    assert "license" not in front
    assert front["pretty_name"].endswith("(synthetic, fusegen)")
    assert headings(body)[1:] == HEADINGS
    blocks = re.findall(r"^(`{3,})yaml\n(.*?)^\1$", body, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    assert yaml.safe_load(blocks[0][1])["method"] == "fusegen"
    for line in body.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) in {3, 7}
    outside = re.sub(r"^(`{3,}).*?^\1$", "", body, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"(?<!\\)<script|(?<!\\)!\[|(?<!\\)\]\(http://", outside)


def test_the_card_of_a_real_run_from_its_folder(tmp_path: Path) -> None:
    run = synthgen.fusegen(
        "imdb", ["llama2", "opt"], engine="scripted", samples=20, rounds=1, demos=2, candidates=6, out=tmp_path / "run"
    )
    front, body = split(card_of_run(run, chosen_license="cc0-1.0"))
    assert front["license"] == "cc0-1.0"
    assert front["dataset_info"]["splits"][0]["num_examples"] == run.metrics["samples"]
    assert front["language"] == ["en"]
    assert str(tmp_path) not in body
    assert "license" not in split(card_of_run(run))[0]


@settings(deadline=None, max_examples=30)
@given(st.lists(HOSTILE, min_size=2, max_size=4, unique=True))
def test_any_label_names_survive_the_front_matter(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("labels")
    kinds = {**KINDS, "label": ClassLabel(names=names)}
    schema = Features(kinds).arrow_schema
    pq.write_table(pa.table(ROWS, schema=schema), folder / "train.parquet")
    front, body = split(dataset_card(RECIPE, MANIFEST, METRICS, folder=folder))
    assert Features._from_yaml_list(front["dataset_info"]["features"])["label"].names == names
    assert headings(body)[1:] == HEADINGS

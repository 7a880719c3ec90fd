"""The sections of a dataset card, each from what a run knows of itself."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from synthgen.plms.catalog import POOL
from synthgen.report.citations import CARTOGRAPHY, papers_of
from synthgen.report.counts import Counts
from synthgen.report.facts import PlmFacts, RunFacts, settings_of
from synthgen.report.wording import count, markdown, markdown_table, percent

PLACEHOLDERS = (
    "> **These texts are placeholders.** They were put together by `--engine scripted`, a deterministic fake that "
    "tries out the machinery. No language model wrote them, the figures below mean nothing, and nothing should be "
    "trained on them."
)
_COLUMNS = {
    "text": "what was written; of a pair, the first text",
    "text_pair": "the second text of the pair",
    "label": "the label that was asked for (a ClassLabel: a number with a name)",
    "attribute": "what else was asked for besides the label",
    "weight": (
        "how much the sample counted when the last small model was trained, relative to the others; all are equal "
        "where the method learns no weights, and samples that a method gave no weight are not in the dataset"
    ),
    "plm": "who wrote it, by the names in the table above",
    "round": "when it was written: round 0 first; where the method feeds back, later ones after that",
    "id": "the sample's name in the run",
}


def made(facts: RunFacts, metrics: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Return the method with its paper and the settings that matter most."""
    tokens = metrics.get("tokens") or {}
    papers = "; ".join(paper.reference() for paper in papers_of(facts.method))
    pool = manifest.get("pool") or {}
    known = [
        ("rounds of feedback" if facts.feedback else "further rounds", facts.rounds),
        ("small task model (STM) that judged samples", facts.stm),
        ("seed", facts.seed),
        ("profile", facts.profile),
        ("tokens written", count(tokens["completion"]) if tokens.get("completion") is not None else None),
        ("taken from texts that existed before (a pool), SHA-256", pool.get("sha256")),
        ("written with", f"synthgen {facts.version}" if facts.version else None),
    ]
    lines = [f"- method: {markdown(facts.how)}{f' ({papers})' if papers else ''}"]
    return "\n".join([*lines, *(f"- {name}: {markdown(value)}" for name, value in known if value is not None)])


def plm_table(facts: RunFacts, metrics: Mapping[str, Any]) -> str:
    """Return one line a PLM: model, revision, licence, how many samples it gave."""
    wrote = metrics.get("samples_by_plm") or {}
    head = ("PLM", "model", "size", "revision", "licence", "samples")
    return markdown_table(
        head,
        [
            (plm.name, _model(plm), plm.size, plm.revision, plm.licence, count(wrote.get(plm.name)))
            for plm in facts.plms
        ],
    )


def terms(facts: RunFacts) -> str:
    """Return one line a licence: which PLMs are under it and what it says of the texts they wrote."""
    if facts.scripted:
        return "No PLM wrote these texts, so no PLM's licence is about them."
    groups: dict[tuple[str, str], list[str]] = {}
    for plm in facts.plms:
        licence = f"{plm.licence}" if plm.licence else "Licence not known to synthgen"
        said = plm.terms or "Read it before you publish these texts or train on them."
        groups.setdefault((licence, said), []).append(plm.name)
    lines = [
        f"- {markdown(licence)} ({', '.join(markdown(name) for name in names)}): {markdown(said)}"
        for (licence, said), names in groups.items()
    ]
    note = (
        "This is a summary to find the clause by, not legal advice. Texts of several PLMs are under the terms of all."
    )
    return "\n".join([*lines, "", note]) if lines else "No PLM is on record."


def columns(counts: Counts) -> str:
    """Return what each column means."""
    names = counts.columns or tuple(name for name in _COLUMNS if name not in {"text_pair", "attribute"})
    return "\n".join(f"- `{name}`: {_COLUMNS[name]}" for name in names if name in _COLUMNS)


def decontamination(metrics: Mapping[str, Any]) -> str:
    """Return what was left out because it overlaps gold or private texts."""
    if "decontamination" not in metrics:
        return "Not on record: this run did not compare its samples with the gold texts."
    found = metrics["decontamination"] or {}
    gold = found.get("gold")
    said = "There were no gold texts to compare with."
    if gold:
        kinds = {"run": "share a run of 13 words", "near": "are nearly the same"}
        by = ", ".join(f"{count(n)} {kinds.get(kind, markdown(kind))}" for kind, n in (gold.get("by") or {}).items())
        said = (
            f"Samples that overlap one of the {count(gold.get('texts'))} gold texts were left out of the dataset: "
            f"{count(gold.get('removed'))}{f' ({by})' if by else ''}."
        )
    private = found.get("private")
    if isinstance(private, Mapping):
        said += f" Samples that overlap a private text were left out as well: {count(private.get('removed'))}."
    elif private:
        said += " Samples that overlap a private text were left out as well; they are not counted here."
    return said


def accuracy(facts: RunFacts, metrics: Mapping[str, Any]) -> list[str]:
    """Return how well a small model does that learned from this dataset alone."""
    if metrics.get("accuracy") is None:
        return ["Not measured: the run had no gold data."]
    stm = f"A small task model ({markdown(facts.stm)})" if facts.stm else "A small task model"
    gold = markdown(facts.gold) if facts.gold else "gold data"
    macro = metrics.get("macro_f1")
    alone = [(name, percent(value)) for name, value in (metrics.get("accuracy_by_plm") or {}).items()]
    rounds = [(str(index), percent(value)) for index, value in enumerate(metrics.get("accuracy_by_round") or ())]
    return [
        f"{stm} trained on this dataset alone reaches **{percent(metrics['accuracy'])} %** accuracy"
        f"{f' (macro-F1 {percent(macro)} %)' if macro is not None else ''} on {count(facts.gold_size)} real texts "
        f"({gold}). Gold data were read after the last choice: they measure, and chose no demonstration, weight or "
        "setting.",
        "By round all samples so far count alike; this dataset has the method's last weights and choice.",
        markdown_table(("after round", "accuracy %"), [*rounds, ("this dataset", percent(metrics["accuracy"]))]),
        markdown_table(("samples of one PLM", "accuracy %"), alone),
    ]


def quality(metrics: Mapping[str, Any]) -> list[str]:
    """Return the figures of the dataset itself, in which gold has no part."""
    found = metrics.get("quality") or {}
    if not found:
        return []
    known = [
        ("words a text", _number(found.get("mean_words"), 1)),
        ("different words", count(found.get("types")) if found.get("types") is not None else None),
        ("different words in 10,000 running ones", _number(found.get("types_per_10k"), 0)),
        ("self-BLEU-4 (low is varied)", _number(_at(found.get("self_bleu"), 3), 3)),
        ("different word pairs, per word", _number(_at(found.get("distinct"), 1), 3)),
        ("texts with the words of another %", _share(found.get("duplicates"))),
        ("the same words under two labels %", _share(found.get("two_labels"))),
        ("nearly the same as another %", _share(found.get("near_duplicates"))),
    ]
    table = markdown_table(("figure", "value"), [(name, value) for name, value in known if value is not None])
    return ["### Quality besides accuracy", table] if table else []


def loading(counts: Counts) -> str:
    """Return how to read the dataset from the Hub or a folder."""
    weights = ", sample_weight=data['weight']" if "weight" in counts.columns or not counts.columns else ""
    return (
        "```python\nfrom datasets import load_dataset\n\n"
        'data = load_dataset("USER/NAME", split="train")  # the repository, or the path of this folder\n'
        'names = data.features["label"].names\n```\n\n'
        f"Train with the weights where your model takes them (scikit-learn: `fit(…{weights})`)."
    )


def repeating(facts: RunFacts, recipe: Mapping[str, Any], *, private: bool, protected: bool) -> str:
    """Return the recipe and what it takes besides."""
    shown = yaml.safe_dump(settings_of(recipe), sort_keys=False, allow_unicode=True, width=1_000)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    said = (
        "Addresses of servers, and where files are, were left out; a task, model or gold file of one's own has to be "
        "named again. The same recipe, versions and machine give the same texts."
    )
    if private:
        said = "The private files have to be named with `private:`."
        if protected:
            said += (
                " A repetition asks them again: it spends the same budget once more, and its noise makes another "
                "dataset."
            )
    return f"{fence}yaml\n{shown}{fence}\n\nSaved as `recipe.yaml`: `synthgen run recipe.yaml`. {said}"


def limitations(facts: RunFacts, chosen: str | None) -> str:
    """Return what the dataset is for, what it is not for, and what is wrong with it."""
    lines = [
        "It is meant for training small classifiers of this task, and for research on synthetic data. It is no "
        "benchmark, no source of facts, and no picture of what people write or think.",
        "Labels are what a PLM was asked for. Some are wrong; a low `weight` marks those that small models doubted, "
        "where the method learns weights.",
        "The texts repeat the biases and mistakes of the PLMs that wrote them, and perhaps passages that these were "
        "trained on. Names, facts and quotations may be invented.",
        "They are plainer and more alike than what people write: a model trained on them should be measured on real "
        "texts before it is used.",
    ]
    if any(plm.size == "pocket" for plm in facts.plms) and not facts.scripted:
        lines.append(
            "The PLMs called pocket are tiny models that ship with synthgen; their texts are short and simple."
        )
    licence = (
        f"The publisher chose the licence {markdown(chosen.partition('=')[0])} for this dataset; the PLMs' terms above "
        "hold beside it."
        if chosen
        else "No licence was chosen for this dataset: this card grants none. The PLMs' terms above hold in any case."
    )
    return "\n".join(f"- {line}" for line in [*lines, licence])


def cited(facts: RunFacts) -> str:
    """Return the BibTeX of the method's papers and of the dataset map's."""
    entries = "\n\n".join(paper.bibtex() for paper in (*papers_of(facts.method), CARTOGRAPHY))
    return f"The method's papers, and the one that dataset maps come from:\n\n```bibtex\n{entries}\n```"


def _model(plm: PlmFacts) -> str:
    return (
        "none: scripted"
        if plm.engine == "scripted"
        else "texts that existed before"
        if plm.engine == POOL
        else plm.model
    )


def _at(values: Sequence[float] | None, place: int) -> float | None:
    return values[place] if values and len(values) > place else None


def _number(value: float | None, digits: int) -> str | None:
    return None if value is None else f"{value:,.{digits}f}"


def _share(value: float | None) -> str | None:
    return None if value is None else percent(value)

import json

from synthgen.downstream.registry import make_stm
from synthgen.embedders.registry import make_embedder
from synthgen.quality.frechet import Reference
from synthgen.quality.measure import measure

TEXTS = [f"a {('poor', 'fine')[n % 2]} film with scene {n} in it" for n in range(40)]
LABELS = ["negative", "positive"] * 20
NAMES = ("negative", "positive")


def test_everything_is_plain_json() -> None:
    reference = Reference(tuple(TEXTS[:10]), tuple(LABELS[:10]), "file:real.jsonl")
    found = measure(
        TEXTS,
        LABELS,
        label_names=NAMES,
        plms=["gpt2", "gpt2", "opt", "opt"] * 10,
        stm=make_stm("tfidf", seed=0),
        embedder=make_embedder("words"),
        reference=reference,
    )
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["by_plm"]) == {"gpt2", "opt"}
    assert found["by_plm"]["opt"]["sampled"] == 20
    assert found["label_noise"]["share"] == 0
    assert set(found["frechet"]["by_label"]) == set(NAMES)


def test_what_was_not_asked_for_is_absent() -> None:
    found = measure(TEXTS, LABELS, label_names=NAMES, plms=["opt"] * 40)
    assert (found["label_noise"], found["frechet"], found["by_plm"]) == (None, None, {})
    assert found["sampled"] == 40

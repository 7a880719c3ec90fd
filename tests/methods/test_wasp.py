"""WASP's own decisions, where the votes are known, and whole small runs."""

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthgen
from synthgen import execute
from synthgen.downstream.registry import make_stm
from synthgen.errors import UserError
from synthgen.methods.base import Learned
from synthgen.methods.wasp import Wasp
from synthgen.privacy.vault import Vault
from synthgen.recipe import make_recipe
from synthgen.records import Sample
from synthgen.tasks.registry import load_task

MakeVault = Callable[..., Vault]
PLMS = ("gpt2", "llama2")
TASK = load_task("imdb")
OPEN: dict[str, Any] = {"enabled": False, "epsilon": math.inf}
PRIVATE = [("a warm and tender film about friends", 1), ("dull grey noise without a plot", 0)]
NOTHING: Any = Learned(None, {}, {})  # type: ignore[arg-type]


def wasp(vault: Vault, **settings: Any) -> Wasp:
    options = {"release": "votes", **settings.pop("options", {})}
    given = {"task": "imdb", "plms": PLMS, "samples": 60, "rounds": 2, "demos": 4, "method": "wasp", **settings}
    recipe = make_recipe({**given, "options": options})
    return Wasp(recipe, TASK, list(recipe.plms), make_stm("tfidf", seed=0), vault)


def pool() -> list[Sample]:
    """Per PLM and label ten samples; llama2's share more and more words with the private ones, gpt2's none."""
    made = []
    for plm in PLMS:
        for text, label in PRIVATE:
            words = text.split()
            for n in range(10):
                own = words[: n // 2] if plm == "llama2" else []
                made.append(Sample(f"{plm}{label}{n}", " ".join([*own, f"x{n}", plm]), TASK.labels[label], plm, 0, ""))
    return made


def test_demonstrations_are_the_nearest_and_the_furthest_of_each_label(make_vault: MakeVault) -> None:
    method = wasp(make_vault(PRIVATE, **OPEN))
    chosen = method.select(0, pool(), NOTHING)
    assert Counter((one.sample.label, one.scores["role"]) for one in chosen) == {
        (label, role): 4 for label in TASK.labels for role in ("bad", "good")
    }
    for label in TASK.labels:
        good = [one for one in chosen if one.sample.label == label and one.scores["role"] == "good"]
        # One private sample a label: Q = 8 votes of 1, 1/2, 1/4, 1/8 on its nearest.
        assert [one.scores["votes"] for one in good] == [1.0, 0.5, 0.25, 0.125]
        assert {one.sample.plm for one in good} == {"llama2"}


def test_prompts_show_bad_before_good_and_only_of_the_label(make_vault: MakeVault) -> None:
    method = wasp(make_vault(PRIVATE, **OPEN))
    assert set(method.plan(0, []).prompts["negative"]) == {TASK.zero_shot("negative")}
    chosen = method.select(0, pool(), NOTHING)
    plan = method.plan(1, chosen)
    for label in TASK.labels:
        prompts = plan.prompts[label]
        assert len(prompts) == 6
        assert len(set(prompts)) > 1
        texts = {
            role: [c.sample.text for c in chosen if (c.sample.label, c.scores["role"]) == (label, role)]
            for role in ("bad", "good")
        }
        for prompt in prompts:
            places = {
                role: [prompt.index(f": {text}\n") for text in texts[role] if f": {text}\n" in prompt] for role in texts
            }
            assert [len(places["bad"]), len(places["good"])] == [2, 2]
            assert max(places["bad"]) < min(places["good"])


def test_plms_whose_samples_are_nearer_write_more(make_vault: MakeVault, tmp_path: Path) -> None:
    method = wasp(make_vault(PRIVATE, **OPEN), samples=600)
    chosen = method.select(0, pool(), NOTHING)
    written = {plm: sum(quota.values()) for plm, quota in method.plan(1, chosen).quotas.items()}
    # llama2 holds nearly all near votes and half the samples: scores 2 and 0, softmax e^2 : 1 over 400 samples.
    share = math.e**2 / (1 + math.e**2)
    assert sum(written.values()) == 400
    assert written["llama2"] == pytest.approx(400 * share, abs=5)
    saved = json.loads((tmp_path / "run" / "rounds" / "00" / "votes.json").read_text())["plm_weights"]
    assert saved["llama2"] == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    "options",
    [
        {"plm_weights": False},
        {"contrast": False},
        {"votes": 1},
        {"histogram": "two"},
        {"plm_share": 0},
        {"release": "sum"},
        {"release": "sum", "contrast": False},
        {"release": "sum", "plm_weights": False},
    ],
)
def test_variants_take_a_part_away(make_vault: MakeVault, options: dict[str, Any]) -> None:
    method = wasp(make_vault(PRIVATE, **OPEN), options=options)
    chosen = method.select(0, pool(), NOTHING)
    roles = {one.scores["role"] for one in chosen}
    assert roles == ({"good"} if options.get("contrast") is False else {"good", "bad"})
    counts = {plm: sum(quota.values()) for plm, quota in method.plan(1, chosen).quotas.items()}
    assert (len(set(counts.values())) == 1) == (options.get("plm_weights") is False)
    assert sum(counts.values()) == 40


def test_no_votes_are_cast_after_the_last_round(make_vault: MakeVault, tmp_path: Path) -> None:
    method = wasp(make_vault(PRIVATE))
    for number in range(3):
        assert bool(method.select(number, pool(), NOTHING)) == (number < 2)
    releases = json.loads((tmp_path / "run" / "ledger.json").read_text())["releases"]
    assert [one["name"] for one in releases] == ["00 votes", "00 owners", "01 votes", "01 owners"]


def test_the_sum_is_asked_for_once(make_vault: MakeVault, tmp_path: Path) -> None:
    method = wasp(make_vault(PRIVATE), options={"release": "sum"})
    for number in range(3):
        assert bool(method.select(number, pool(), NOTHING)) == (number < 2)
    ledger = json.loads((tmp_path / "run" / "ledger.json").read_text())
    assert [one["name"] for one in ledger["releases"]] == ["00 sums", "00 owners", "01 owners"]
    assert ledger["spent"]["epsilon"] == pytest.approx(4.0, rel=1e-6)


def test_the_sum_finds_what_is_like_the_private_samples(make_vault: MakeVault) -> None:
    method = wasp(make_vault(PRIVATE, **OPEN), options={"release": "sum"})
    chosen = method.select(0, pool(), NOTHING)
    good = {one.sample.id for one in chosen if one.scores["role"] == "good"}
    bad = {one.sample.plm for one in chosen if one.scores["role"] == "bad"}
    assert {"llama219", "llama209"} <= good
    assert "gpt2" in bad


def test_the_noise_is_the_tight_one(make_vault: MakeVault) -> None:
    """fusegen-wasp.md 1B.6: sigma 3.531 for both histograms, add-remove, Q = 8, T = 4; 4.994 replace."""
    vault = make_vault(PRIVATE)
    both = {"histogram": "two", "plm_weights": False}

    def sigma(vault: Vault, **options: Any) -> float:
        ballots = wasp(vault, samples=100, rounds=4, options=options).ballots
        assert ballots
        return ballots.sigma

    assert sigma(vault, **both) == pytest.approx(3.531, abs=1e-3)
    assert sigma(vault, plm_weights=False) == pytest.approx(3.531, abs=1e-3)
    assert sigma(vault) == pytest.approx(3.531 / 0.8**0.5, abs=2e-3)
    assert sigma(make_vault(PRIVATE, adjacency="replace-one", opened=False), **both) == pytest.approx(4.994, abs=1e-3)


def test_settings_that_make_no_sense_are_refused(make_vault: MakeVault) -> None:
    with pytest.raises(UserError, match="at least one round"):
        wasp(make_vault(PRIVATE), rounds=0)
    with pytest.raises(UserError, match="--demos 2"):
        wasp(make_vault(PRIVATE), demos=1)
    with pytest.raises(UserError, match="nothing of the PLMs"):
        wasp(make_vault(PRIVATE), options={"release": "sum", "plm_share": 0})


def private_file(folder: Path, count: int = 30) -> Path:
    path = folder / "seeds.jsonl"
    rows = [{"text": f"{PRIVATE[n % 2][0]} number {n}", "label": ("positive", "negative")[n % 2]} for n in range(count)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(folder: Path, out: str, **settings: Any) -> Any:
    recipe = make_recipe(
        {
            "method": "wasp",
            "task": "imdb",
            "plms": PLMS,
            "samples": 40,
            "rounds": 2,
            "demos": 4,
            "candidates": 4,
            "engine": "scripted",
            "private": (str(private_file(folder)),),
            **settings,
        }
    )
    return execute(recipe, out=folder / out, resume="if-possible")


def test_a_whole_run_and_its_promise(tmp_path: Path) -> None:
    made = run(tmp_path, "run")
    assert made.metrics["samples"] == 80
    ledger = json.loads((made.path / "ledger.json").read_text())
    assert ledger["spent"]["epsilon"] == pytest.approx(4.0, rel=1e-6)
    assert ledger["promised"]["epsilon"] == 4.0
    assert made.manifest["privacy"]["adjacency"] == "add-remove one record"
    assert [len(chosen) > 0 for chosen in made.demonstrations()] == [True, True, False]
    card = (made.path / "dataset" / "README.md").read_text()
    assert "differential privacy" in card
    assert "epsilon 4" in card.lower()
    first = json.loads((made.path / "rounds" / "00" / "votes.json").read_text())
    assert set(first) == {"releases", "plm_weights", "crc32"}
    assert set(first["releases"]) == {"sums", "owners"}
    values = np.array(first["releases"]["owners"]["values"])
    assert all(value * 2**30 % 1 for value in values), "raw shares are multiples of 2^-30"


def test_from_python_with_nothing_but_the_file(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"samples": 20, "rounds": 1, "demos": 2, "engine": "scripted", "gold": "none"}
    told = synthgen.wasp([private_file(tmp_path)], PLMS, out=tmp_path / "told", **settings)
    assert told.recipe.task == "imdb"
    made = synthgen.wasp([private_file(tmp_path)], PLMS, about="films", out=tmp_path / "made", **settings)
    assert (made.recipe.task, made.recipe.labels) == ("", ("negative", "positive"))


def test_seeded_noise_repeats_a_run_and_secret_noise_does_not(tmp_path: Path) -> None:
    seeded = [run(tmp_path, name, privacy={"noise": "insecure-test"}) for name in ("a", "b")]
    assert seeded[0].samples() == seeded[1].samples()
    secret = [run(tmp_path, name) for name in ("c", "d")]
    released = [(one.path / "rounds" / "00" / "votes.json").read_text() for one in (*seeded, *secret)]
    assert released[0] == released[1]
    assert len(set(released)) == 3


def test_a_run_taken_up_again_spends_nothing_more(tmp_path: Path) -> None:
    first = run(tmp_path, "run")
    ledger = (first.path / "ledger.json").read_bytes()
    (first.path / "metrics.json").unlink()
    again = run(tmp_path, "run")
    assert again.samples() == first.samples()
    assert (first.path / "ledger.json").read_bytes() == ledger

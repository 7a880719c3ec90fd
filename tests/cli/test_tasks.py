"""``synthgen tasks``: list, show, new, check."""

import json
from pathlib import Path

import pytest
from cli.conftest import Cli

from synthgen.plms.catalog import catalog
from synthgen.plms.engines.prompts import Prompts
from synthgen.plms.formats import format_of, formats
from synthgen.plms.resolve import resolve_plm
from synthgen.records import Request
from synthgen.tasks.registry import load_task, task_names


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_fits_and_names_every_task(cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ran = cli("tasks")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= columns
    # A heading of two lines, two a task, and where to look next.
    assert len(lines) == 2 * len(task_names()) + 3
    assert [line.split()[0] for line in lines[2:-1:2]] == task_names()
    for name, line in zip(task_names(), lines[3:-1:2], strict=True):
        task = load_task(name)
        assert line.strip().startswith(task.about)
        assert (task.gold.hub if task.gold else "--gold FILE") in line


def test_the_list_as_json(cli: Cli) -> None:
    told = {row["task"]: row for row in json.loads(cli("tasks", "--json").out)["tasks"]}
    assert list(told) == task_names()
    assert told["qnli"]["labels"] == ["entailment", "not_entailment"]
    assert told["qnli"]["pair"] is True
    assert told["yelp-rating"]["attributes"]["name"] == "field"
    assert told["openreview-area"]["gold"] is None


def test_prompts_are_shown_as_they_are_sent(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shown = cli("tasks", "show", "qnli").out
    assert 'Information: "<a first sentence>"\nA question on the same matter that this information answers: "' in shown
    assert "A weak pair. Information: <its text_pair> Question: <a chosen text>\nA strong pair." in shown
    assert shown.count("every label · first.prompt") == 1
    assert shown.count(" · paraphrase") == 2
    many = cli("tasks", "show", "agnews").out
    assert "World · zero_shot" in many
    assert "Business · zero_shot" not in many
    assert "1 star, 2 stars, 3 stars" in cli("tasks", "show", "yelp-category").out


def test_chosen_labels_and_all_prompts_as_json(cli: Cli) -> None:
    ran = cli("tasks", "show", "imdb", "--label", "positive", "--json")
    told = json.loads(ran.out)
    assert told["labels"] == ["negative", "positive"]
    assert list(told["prompts"]) == ["positive"]
    assert told["prompts"]["positive"]["zero_shot"] == 'A movie review that is positive in tone reads: "'
    assert set(told["prompts"]["positive"]) == {
        *("contexts.prompt", "contexts.zero_shot", "zero_shot", "few_shot", "contrastive", "paraphrase")
    }


def test_a_chat_plm_is_shown_its_format(cli: Cli) -> None:
    base = json.loads(cli("tasks", "show", "imdb", "--plm", "gpt2", "--json").out)["prompts"]
    assert base == json.loads(cli("tasks", "show", "imdb", "--json").out)["prompts"]
    chat = cli("tasks", "show", "imdb", "--plm", "qwen3").out
    assert '<|im_start|>user\nA movie review that is negative in tone reads: "<|im_end|>\n' in chat


def test_the_pocket_chat_plm_is_sent_what_is_shown() -> None:
    """The real tokenizer renders its own template to the same words."""
    from transformers import AutoTokenizer

    plm = resolve_plm("vicuna:pocket", "pocket")
    tokenizer = AutoTokenizer.from_pretrained(plm.location)
    prompts = Prompts(plm, tokenizer, readable=len(tokenizer), context=1024, room_for_text=True)
    prompt = load_task("imdb").zero_shot("positive")
    shown = tokenizer(format_of("vicuna:pocket").sent(prompt), add_special_tokens=False)["input_ids"]
    assert list(prompts.sent(Request("0", plm.name, 0, "positive", prompt, 0)).tokens) == shown


def test_every_plm_has_one_format() -> None:
    named = [plm for form in formats() for plm in form.plms]
    assert sorted(named) == sorted(f"{family}:{size}" for family, sizes in catalog().items() for size in sizes)
    for form in formats():
        assert 'reads: "' in form.sent('A review reads: "')
        assert form.chat or form.sent("as it is") == "as it is"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "imbd"], "There is no task 'imbd'; did you mean imdb?"),
        (["show", "imdb", "--label", "good"], "Task imdb has no label 'good'; its labels are negative, positive."),
        (["show", "imdb", "--plm", "lama2"], "There is no PLM family 'lama2'; did you mean llama2?"),
        (["show", "imdb", "--plm", "opt:huge"], "The family opt has no size 'huge'; it has pocket, small, paper."),
        (["show", "gone.yaml"], "There is no task file gone.yaml."),
        (["check", "gone.yaml"], "There is no task file gone.yaml."),
        (["new", "mine.txt"], "A task file ends in .yaml; call it mine.yaml."),
        (["new", "nowhere/mine.yaml"], "nowhere/mine.yaml cannot be written: No such file or directory."),
        (["new", "mine.yaml", "--labels", "one"], "A task needs at least two labels that differ"),
        (["new", "mine.yaml", "--labels", "a,b,a"], "The label 'a' stands twice; name every label once."),
        (["new", "mine.yaml", "--labels", "a,,b"], "A label name is blank; name every label."),
    ],
)
def test_a_mistake_is_one_sentence(cli: Cli, arguments: list[str], said: str) -> None:
    ran = cli("tasks", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"Error: {said}")
    assert ran.err.count("\n") == 1
    assert not Path("mine.yaml").exists()


@pytest.mark.parametrize("pairs", [[], ["--pairs"]])
def test_a_new_task_is_written_checked_shown_and_run(cli: Cli, pairs: list[str]) -> None:
    ran = cli("tasks", "new", "mine.yaml", "--labels", "good, poor", "--about", "hotel reviews", *pairs)
    assert ran.code == 0, ran.err
    assert "synthgen tasks check mine.yaml" in ran.out
    checked = cli("tasks", "check", "mine.yaml")
    assert checked.code == 0
    assert checked.out.splitlines()[-1] == "mine.yaml: OK, 1 warning"
    assert "hotel reviews" in cli("tasks", "show", "mine.yaml").out
    run = "--engine scripted --plms llama2,opt --samples 8 --rounds 1 --demos 2 --candidates 4 --gold none"
    made = cli("fusegen", "--task", "mine.yaml", *run.split(), "--out", "run")
    assert made.code == 0, made.err
    assert json.loads(Path("run/metrics.json").read_text())["samples_by_label"] == {"good": 8, "poor": 8}
    again = cli("tasks", "new", "mine.yaml")
    assert again.code == 2
    assert again.err == "Error: mine.yaml is there already; choose another name, or delete it first.\n"


BROKEN = "name: x\nabout: y\nlabels: [yes, late]\ncolour: red\nprompts: {zero_shot: 'A {lable}'}\n"


def test_a_check_says_everything_by_line_and_exits_2(cli: Cli) -> None:
    Path("mine.yaml").write_text(BROKEN, encoding="utf-8")
    ran = cli("tasks", "check", "mine.yaml")
    assert ran.code == 2
    lines = ran.out.splitlines()
    assert lines[0] == "mine.yaml:3:10: error: YAML reads yes as a truth value; put it in quotes: 'yes'"
    assert "mine.yaml:4:1: error: there is no setting colour" in lines
    assert "mine.yaml:5:22: error: prompts.zero_shot has an unknown slot {lable}; did you mean {label}?" in lines
    assert lines[-1] == f"mine.yaml: {len(lines) - 1} errors"
    told = json.loads(cli("tasks", "check", "mine.yaml", "--json").out)
    assert told["ok"] is False
    assert told["examples"] == []
    assert [
        f"mine.yaml:{one['line']}:{one['column']}: {one['severity']}: {one['said']}" for one in told["problems"]
    ] == (lines[:-1])


def test_a_check_shows_a_prompt_for_every_way_to_read_it(cli: Cli) -> None:
    ran = cli("tasks", "check", "imdb", "--no-gold")
    assert ran.code == 0
    for way in ("gpt2 (pocket, small, paper)", "vicuna (paper): each is asked in its chat format", "USER: A movie"):
        assert way in ran.out
    told = json.loads(cli("tasks", "check", "imdb", "--no-gold", "--json").out)
    assert (told["ok"], told["problems"]) == (True, [])
    assert len(told["examples"]) == len(formats())
    assert all('negative in tone reads: "' in one["prompt"] for one in told["examples"])


def test_a_wrong_task_file_stops_any_command_with_its_first_mistake(cli: Cli) -> None:
    Path("mine.yaml").write_text(BROKEN, encoding="utf-8")
    for command in ("fusegen", "plan fusegen", "tasks show"):
        arguments = ["mine.yaml"] if command == "tasks show" else ["--task", "mine.yaml"]
        ran = cli(*command.split(), *arguments)
        assert (ran.code, ran.out) == (2, "")
        (said,) = [line for line in ran.err.splitlines() if not line.startswith("Profile:")]
        assert said.startswith("Error: Task file mine.yaml is wrong in line 3, column 10: YAML reads yes as a truth")

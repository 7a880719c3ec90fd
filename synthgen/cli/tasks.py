"""``tasks``: list them, show their prompts, write a new one, check it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from synthgen.errors import UserError
from synthgen.tasks.task import Task

if TYPE_CHECKING:
    from synthgen.tasks.check import Checked

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Named = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A bundled task's name, or a task file (.yaml).")]
LABELS = 36
"""Letters of the labels and of the gold data's name that fit into a line of 80 beside what a task is about."""

tasks_app = typer.Typer(
    invoke_without_command=True, help="List the tasks; show, write and check their files.\n\nExample: synthgen tasks"
)


@tasks_app.callback()
def tasks(context: typer.Context, json_: Json = False) -> None:
    """List the tasks with their labels and gold data; with a command: show, write and check task files."""
    if context.invoked_subcommand is not None:
        return
    from synthgen.tasks.registry import load_task, task_names

    found = [(name, load_task(name)) for name in task_names()]
    if json_:
        sys.stdout.write(json.dumps({"tasks": [_as_data(name, task) for name, task in found]}) + "\n")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold underline")
    table.add_column("task\n  about", overflow="fold")
    table.add_column("labels\n  gold", overflow="fold")
    for name, task in found:
        table.add_row(
            Text.assemble((name, "bold"), "\n  ", (task.about, "dim")),
            Text.assemble(_labels(task), "\n  ", (_gold(task), "dim")),
        )
    console = Console()
    console.print(table)
    console.print(Text("Its prompts: synthgen tasks show NAME", style="dim"), soft_wrap=True)


@tasks_app.command()
def show(
    task: Named,
    label: Annotated[
        list[str] | None, typer.Option(help="Show this label's prompts; repeat it for more. Else the first two's.")
    ] = None,
    plm: Annotated[
        str | None,
        typer.Option(
            metavar="FAMILY", help="Show them as this pre-trained language model (PLM) reads them, in its format."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Show the prompts of a task as they are sent, with placeholders where a run puts what it chose.

    Example: synthgen tasks show imdb --plm llama2
    """
    from synthgen.plms.formats import format_of
    from synthgen.tasks.preview import LABELLESS, attribute_note, prompts_of
    from synthgen.tasks.registry import load_task

    loaded = load_task(task)
    reads = format_of(plm) if plm else None
    prompts = {
        name: {kind: reads.sent(prompt) if reads else prompt for kind, prompt in prompts_of(loaded, name).items()}
        for name in label or loaded.labels[:2]
    }
    if json_:
        told = {**_as_data(loaded.name, loaded), "plm": reads.plms[0] if reads else None, "prompts": prompts}
        sys.stdout.write(json.dumps(told) + "\n")
        return
    console = Console()
    _line(console, f"{loaded.name}: {loaded.about}", "bold")
    _line(console, f"labels: {', '.join(loaded.labels)}")
    _line(console, f"gold: {_gold(loaded)}")
    if note := attribute_note(loaded):
        _line(console, note)
    if reads:
        _line(console, f"{reads.plms[0]} {reads.said}")
    for name, kinds in prompts.items():
        for kind, prompt in kinds.items():
            for_all = kind in LABELLESS
            if not for_all or name == next(iter(prompts)):
                _line(console, f"\n{'every label' if for_all else name} · {kind}", "bold cyan")
                _line(console, prompt)


@tasks_app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The task file to write (.yaml).")],
    labels: Annotated[str, typer.Option(help="Label names, separated by commas.")] = "negative,positive",
    about: Annotated[str, typer.Option(help="What the texts are, in a few words.")] = "product reviews",
    pairs: Annotated[bool, typer.Option("--pairs", help="Texts are pairs of sentences: one is given.")] = False,
) -> None:
    """Write a task file to start from, with a comment beside everything that is to be decided.

    Example: synthgen tasks new hotels.yaml --labels negative,positive --about "hotel reviews"
    """
    from synthgen.tasks.scaffold import write_scaffold

    write_scaffold(file, [name.strip() for name in labels.split(",")], about, pairs=pairs)
    console = Console()
    _line(console, f"Wrote {file}. Look through it, then: synthgen tasks check {file}")


@tasks_app.command()
def check(
    task: Named,
    gold: Annotated[
        bool, typer.Option(help="Look whether the gold data (real labelled texts) can be had and fit.")
    ] = True,
    json_: Json = False,
) -> None:
    """Check a task file: all that is wrong, by line, and an example prompt for every way in which it is read.

    Exits 2 where something must be mended, 0 where there are warnings only.

    Example: synthgen tasks check hotels.yaml
    """
    from synthgen.plms.formats import smallest_context
    from synthgen.tasks.check import check_file
    from synthgen.tasks.registry import task_file

    checked = check_file(task_file(task), context=smallest_context(), gold=gold)
    if json_:
        sys.stdout.write(json.dumps(_report(checked)) + "\n")
    else:
        _print_checked(Console(), checked)
    if checked.errors:
        raise typer.Exit(UserError.exit_code)


def _print_checked(console: Console, checked: "Checked") -> None:
    for problem in checked.problems:
        colour = "red" if problem.severity == "error" else "yellow"
        line = Text.assemble(f"{checked.path}:{problem.line}:{problem.column}: ", (problem.severity, colour))
        console.print(line.append(f": {problem.said}"), soft_wrap=True, highlight=False)
    if checked.task is None:
        _line(console, _verdict(checked), "bold red")
        return
    for plms, said, prompt in _examples(checked.task):
        _line(console, f"\n{_names(plms)}: each {said}", "bold cyan")
        _line(console, prompt)
    _line(console, f"\n{_verdict(checked)}", "bold red" if checked.errors else "bold green")


def _verdict(checked: "Checked") -> str:
    counts = ((len(checked.errors), "error"), (len(checked.warnings), "warning"))
    said = ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count)
    return f"{checked.path}: {said or 'OK'}" if checked.errors or not said else f"{checked.path}: OK, {said}"


def _examples(task: Task) -> list[tuple[tuple[str, ...], str, str]]:
    """Return, for every way to read a prompt, the PLMs, the way in words, and the zero-shot prompt so read."""
    from synthgen.plms.formats import formats

    prompt = task.as_sent(task.zero_shot(task.labels[0]))
    return [(form.plms, form.said, form.sent(prompt)) for form in formats()]


def _names(plms: tuple[str, ...]) -> str:
    """Return the PLMs' names, the sizes of a family together."""
    sizes: dict[str, list[str]] = {}
    for plm in plms:
        family, _, size = plm.partition(":")
        sizes.setdefault(family, []).append(size)
    return ", ".join(f"{family} ({', '.join(known)})" for family, known in sizes.items())


def _report(checked: "Checked") -> dict[str, Any]:
    examples = _examples(checked.task) if checked.task else []
    return {
        "file": str(checked.path),
        "ok": not checked.errors,
        "problems": [
            {"line": one.line, "column": one.column, "severity": one.severity, "said": one.said}
            for one in checked.problems
        ],
        "examples": [{"plms": plms, "how": said, "prompt": prompt} for plms, said, prompt in examples],
    }


def _as_data(name: str, task: Task) -> dict[str, Any]:
    return {
        "task": name,
        "about": task.about,
        "labels": task.labels,
        "pair": task.first is not None,
        "attributes": task.attributes.model_dump() if task.attributes else None,
        "gold": task.gold.model_dump(exclude_defaults=True) if task.gold else None,
    }


def _labels(task: Task) -> str:
    """Return as many labels as fit, and how many there are where that is not all."""
    whole = ", ".join(task.labels)
    if len(whole) <= LABELS:
        return whole
    end, fitting = f"… ({len(task.labels)})", ""
    for label in task.labels:
        if len(fitting) + len(label) + 2 + len(end) > LABELS:
            break
        fitting += f"{label}, "
    return fitting + end


def _gold(task: Task) -> str:
    if task.gold is None:
        return "yours, with --gold FILE"
    if task.gold.path:
        return task.gold.path
    config = f" {task.gold.config}" if task.gold.config else ""
    return f"{task.gold.hub}{config} {task.gold.split}"


def _line(console: Console, said: str, style: str = "") -> None:
    """Print text as it is: no markup, no wrapping of what a PLM gets on one line."""
    console.print(Text(said, style=style), soft_wrap=True, highlight=False)

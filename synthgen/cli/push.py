"""``push``: a run becomes a dataset on the Hugging Face Hub."""

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from synthgen.hub.push import Pushed


def push(
    run: Annotated[Path, typer.Argument(help="A complete run's folder.")],
    repo: Annotated[str, typer.Option(help="Where to: user/name, or a name of your own.")],
    private_repo: Annotated[bool, typer.Option("--private-repo", help="Make the repository private.")] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Branch to push to; made where it is missing. Default: main.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would go, and write nothing.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print what went where as one JSON object on stdout.")] = False,
) -> None:
    """Publish a run's dataset on the Hugging Face Hub; a second push of the same content changes nothing.

    Wants a token that may write (`hf auth login`, or HF_TOKEN).

    Example: synthgen push runs/a --repo user/name --dry-run
    """
    from synthgen.hub.push import push as push_run

    with _Bar() as bar:
        pushed = push_run(run, repo, private_repo=private_repo, revision=revision, dry_run=dry_run, observe=bar)
    if json_:
        sys.stdout.write(json.dumps(pushed.to_row()) + "\n")
        return
    console = Console()
    if dry_run:
        console.print(_table(pushed))
    for line in (*pushed.notes, *_lines(pushed, private_repo)):
        console.print(Text(line), soft_wrap=True)


class _Bar:
    """One bar on stderr for each file that is sent, where it is a terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "_Bar":
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, path: str, sent: int, size: int) -> None:
        if path not in self._tasks:
            self._tasks[path] = self._bars.add_task(path, total=size)
        self._bars.update(self._tasks[path], completed=sent)


def _table(pushed: "Pushed") -> Table:
    words = {"new": "not there", "changed": "there, other content", "same": "there", "not asked": "not asked"}
    table = Table("file", "bytes", "sha256", "on the Hub")
    table.columns[1].justify = "right"
    for file in pushed.files:
        table.add_row(Text(file.path), f"{file.size:,}", file.sha256[:8], words[file.state])
    for path in pushed.removed:
        table.add_row(Text(path), "", "", "would be removed")
    return table


def _lines(pushed: "Pushed", private: bool) -> list[str]:
    sent = [file for file in pushed.files if file.state != "same"]
    went = f"{len(sent)} of {len(pushed.files)} files, {sum(file.size for file in sent):,} bytes,"
    where = f"{pushed.repo}{f', branch {pushed.revision}' if pushed.revision else ''}"
    if private if pushed.private is None else pushed.private:
        where += " (private)"
    nothing = not sent and not pushed.removed
    if pushed.dry_run and nothing:
        return [f"{where} holds all of this run; a push would make no commit."]
    if pushed.dry_run:
        return [f"{went} would go to {where}; nothing was written."]
    said = f"{where} holds all of this run already; no commit was made."
    if pushed.commit:
        gone = f"; {len(pushed.removed)} of an earlier run are gone" if pushed.removed else ""
        said = f"{went} went to {where} in commit {pushed.commit[:8]}{gone}."
    branch = f', revision="{pushed.revision}"' if pushed.revision else ""
    return [said, pushed.url, f'load_dataset("{pushed.repo}"{branch}, split="train")']

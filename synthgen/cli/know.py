"""``plms``: what there is, and what of it this machine can run."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from synthgen.cli import complete
from synthgen.errors import UserError
from synthgen.plms.catalog import PLM, Entry, catalog, plm_of
from synthgen.plms.serving import Serving
from synthgen.text import nearest

if TYPE_CHECKING:
    from synthgen.plms.hardware import GPU

Family = Annotated[
    str | None,
    typer.Argument(
        help="One family, with its licence's terms and its quirks in full.", autocompletion=complete.families
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether this machine runs a PLM as it is now, through which engine, and on what condition or why not."""

    runs: bool
    engine: str | None
    said: str


Row = tuple[str, Entry, Verdict]


def plms(family: Family = None, json_: Json = False) -> None:
    """List the families of pre-trained language models (PLMs), their sizes, and what this machine can run.

    Example: synthgen plms llama2
    """
    from synthgen.plms.engines.vllm.find import vllm_python
    from synthgen.plms.hardware import gpus, host_memory

    known = catalog()
    if family is not None and family not in known:
        raise UserError(
            f"There is no PLM family {family!r}{nearest(family, list(known))} `synthgen plms` lists all; "
            "any Hub id, model folder or server's URL works as a PLM too."
        )
    machine, (_, free), vllm = gpus(), host_memory(), vllm_python() is not None
    rows: dict[str, list[Row]] = {
        name: [
            (f"{name}:{size}", entry, judge(plm_of(name, entry, size), machine, free)) for size, entry in sizes.items()
        ]
        for name, sizes in known.items()
        if family in {None, name}
    }
    if json_:
        here = {"gpus": [asdict(gpu) for gpu in machine], "memory": free, "vllm": vllm}
        sys.stdout.write(json.dumps({"machine": here, "plms": _as_data(rows)}) + "\n")
        return
    console = Console()
    if family is not None:
        console.print(_in_full(rows[family]))
        return
    console.print(_table(rows))
    console.print(Text("The licences' terms, and quirks: synthgen plms FAMILY", style="dim"), soft_wrap=True)


def judge(plm: PLM, gpus: Sequence["GPU"], host: float) -> Verdict:
    """Say whether a PLM of the catalog runs on ``gpus``, or without any in ``host`` gigabytes of memory."""
    from synthgen.plms.choose import choose_engine
    from synthgen.plms.engines.server.keys import key_for
    from synthgen.plms.pocket import check_pocket

    if plm.urls:
        found = key_for(plm.name, plm.urls[0]) is not None
        return Verdict(found, "server", f"{'yes, ' if found else ''}with OPENAI_API_KEY")
    trusted = replace(plm, serving=Serving(trust_remote_code=True))
    trust = ", and only if you trust its code" if plm.remote_code else ""
    try:
        if plm.size == "pocket":
            check_pocket(plm)
        engine = choose_engine(trusted, "auto", gpu=bool(gpus)).engine
    except UserError as error:
        if plm.engine == "vllm":
            return Verdict(False, "vllm", f"no: with vLLM only{trust}")
        return Verdict(False, None, f"no: {error}")
    if lacking := _lacking(plm, engine, gpus, host):
        return Verdict(False, engine, f"no: {lacking}")
    return Verdict(True, engine, f"{', '.join(_conditions(plm, slow=not gpus))}{trust}")


def _lacking(plm: PLM, engine: str, gpus: Sequence["GPU"], host: float) -> str | None:
    """Return the memory that is missing, in words; None where there is enough."""
    from synthgen.plms.arrange import need_of
    from synthgen.plms.placement import DoesNotFitError, place

    try:
        place([need_of(plm, engine, gpu=bool(gpus))], gpus, host)
    except DoesNotFitError as error:
        return f"needs {error.need:.3g} GB{'' if gpus else ' on a CPU'}, has {error.have:.3g} GB"
    return None


def _conditions(plm: PLM, *, slow: bool) -> list[str]:
    """Return "yes" and what must come first, in a reader's order."""
    if plm.size == "pocket":
        return ["yes"]
    said = ["yes, slowly" if slow and (plm.parameters or 0) >= 1 else "yes"]
    if not _downloaded(plm):
        said.append("once you have access (gated)" if plm.gated else "once downloaded")
    return said


def _downloaded(plm: PLM) -> bool:
    """Return whether the Hub's cache holds weights of the PLM."""
    from huggingface_hub import try_to_load_from_cache

    names = [f"{stem}{end}" for stem in ("model.safetensors", "pytorch_model.bin") for end in ("", ".index.json")]
    return any(isinstance(try_to_load_from_cache(plm.model, name, revision=plm.revision), str) for name in names)


def _as_data(rows: Mapping[str, list[Row]]) -> list[dict[str, Any]]:
    return [
        {"plm": plm, "family": name, "size": plm.rpartition(":")[2], **entry.model_dump(), "here": asdict(verdict)}
        for name, sizes in rows.items()
        for plm, entry, verdict in sizes
    ]


def _table(rows: Mapping[str, list[Row]]) -> Table:
    """Return two lines a PLM, the second dim, so that 80 columns are enough and nothing but verdicts is folded."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold underline")
    table.add_column("PLM\nmodel", no_wrap=True)
    table.add_column("parameters\ncontext", justify="right", no_wrap=True)
    table.add_column("needs\nengine", justify="right", no_wrap=True)
    table.add_column("runs here\nlicence", overflow="fold")
    for sizes in rows.values():
        for plm, entry, verdict in sizes:
            table.add_row(
                Text.assemble((plm, "bold"), "\n", (entry.model, "dim")),
                Text.assemble(_parameters(entry), "\n", (_context(entry), "dim")),
                Text.assemble(_needs(entry), "\n", (_engine(verdict), "dim")),
                Text.assemble(_coloured(verdict), "\n", (entry.license, "dim")),
            )
        table.add_row()
    return table


def _in_full(sizes: list[Row]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for plm, entry, verdict in sizes:
        facts: dict[str, str | Text | None] = {
            plm: entry.model,
            "runs here": _coloured(verdict),
            "engine": _engine(verdict),
            "parameters": _parameters(entry),
            "context": f"{entry.context:,} tokens" if entry.context else "no limit (relative positions)",
            "needs": f"{_needs(entry)} in {entry.dtype}" if entry.memory else "nothing here",
            "kind": f"{entry.architecture}, {'chat' if entry.chat else 'continues a text'}",
            "licence": entry.license,
            "terms": entry.terms,
            "quirk": entry.quirk,
        }
        for name, fact in facts.items():
            if fact:
                table.add_row(name, fact)
        table.add_row()
    return table


def _engine(verdict: Verdict) -> str:
    return "vLLM" if verdict.engine == "vllm" else verdict.engine or "–"


def _coloured(verdict: Verdict) -> Text:
    return Text(verdict.said, style="green" if verdict.runs else "yellow")


def _parameters(entry: Entry) -> str:
    if entry.parameters is None:
        return "unknown"
    if entry.parameters < 1:
        return f"{entry.parameters * 1000:.3g} M"
    return f"{entry.parameters:.3g} B"


def _context(entry: Entry) -> str:
    return f"{entry.context:,}" if entry.context else "no limit"


def _needs(entry: Entry) -> str:
    return f"{entry.memory:g} GB" if entry.memory else "–"

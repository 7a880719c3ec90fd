"""How PLMs of the catalog read a prompt: as it is, or inside a chat format. No tokenizer is loaded."""

from dataclasses import dataclass
from functools import cache
from typing import NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM, catalog, plm_of, template_file
from synthgen.text import nearest


@dataclass(frozen=True, slots=True)
class Format:
    """One way to read prompts and the PLMs that have it (``family:size``).

    ``template`` is a chat template in Jinja, or None for prompts that are read as they are, and for those of chat PLMs
    whose template comes with their model: ``chat`` tells the two apart.
    """

    plms: tuple[str, ...]
    chat: bool
    template: str | None

    @property
    def said(self) -> str:
        """Return the format in words, to stand after a PLM's name."""
        if not self.chat:
            return "continues the prompt as it is"
        return "is asked in its chat format" if self.template else "is asked in a chat format that comes with its model"

    def sent(self, prompt: str) -> str:
        """Return what such a PLM reads, but for the tokenizer's own first token; of unknown formats the user's turn."""
        if self.template is None:
            return prompt
        try:
            return (
                _environment()
                .from_string(self.template)
                .render(
                    messages=[{"role": "user", "content": prompt}],
                    add_generation_prompt=True,
                    enable_thinking=False,
                    bos_token="",
                    eos_token="",
                )
            )
        except TemplateError as error:
            raise UserError(f"The chat template of {self.plms[0]} cannot be used ({error}).") from None


def formats() -> list[Format]:
    """Return the formats of the catalog, each with the PLMs that read it, in the catalog's order."""
    found: dict[tuple[bool, str | None], list[str]] = {}
    for family, sizes in catalog().items():
        for size, entry in sizes.items():
            plm = plm_of(family, entry, size)
            found.setdefault((plm.chat, _template(plm)), []).append(f"{family}:{size}")
    return [Format(tuple(plms), chat, template) for (chat, template), plms in found.items()]


def format_of(plm: str) -> Format:
    """Return how a PLM reads, given as ``family:size`` or as ``family``, which is its largest."""
    family, _, size = plm.partition(":")
    known = [*catalog().get(family, {})]
    if not known:
        raise UserError(
            f"There is no PLM family {family!r}{nearest(family, list(catalog()))} `synthgen plms` lists them."
        )
    if size and size not in known:
        raise UserError(f"The family {family} has no size {size!r}; it has {', '.join(known)}.")
    name = f"{family}:{size or known[-1]}"
    chat, template = next((one.chat, one.template) for one in formats() if name in one.plms)
    return Format((name,), chat, template)


def smallest_context() -> int:
    """Return how many tokens the PLM of the catalog with the least context reads."""
    return min(entry.context for sizes in catalog().values() for entry in sizes.values() if entry.context)


def _template(plm: PLM) -> str | None:
    """Return the chat template that ships with synthgen."""
    if not plm.chat:
        return None
    if plm.template:
        return template_file(plm.template).read_text(encoding="utf-8")
    if plm.size == "pocket":
        from pathlib import Path

        return (Path(plm.location) / "chat_template.jinja").read_text(encoding="utf-8")
    return None


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    # As transformers renders chat templates.
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)

    def raise_exception(message: str) -> NoReturn:
        raise TemplateError(message)

    made.globals["raise_exception"] = raise_exception
    return made

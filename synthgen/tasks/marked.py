"""YAML with the place of every value, so that a mistake can be pointed at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from synthgen.tasks.bounded import parse
from synthgen.tasks.problem import Problem

Path: TypeAlias = Sequence[str | int]

_TAGS = {"bool": "a truth value", "int": "a number", "float": "a number", "null": "nothing", "timestamp": "a date"}


@dataclass(frozen=True, slots=True)
class Marked:
    """What a YAML file holds (``data``), and the nodes it came from."""

    data: Any
    root: Node

    def at(self, path: Path, said: str, *, key: bool = False, warning: bool = False) -> Problem:
        """Return a problem at the value of ``path``, or at its key; of what is not there, where it would belong."""
        node: Node = self.root
        for depth, step in enumerate(path):
            found = _entry(node, step)
            if found is None:
                break
            node = found[0] if key and depth == len(path) - 1 else found[1]
        return problem_at(node, said, warning=warning)

    def node(self, path: Path) -> Node | None:
        """Return the node of a value, None where there is none."""
        node: Node = self.root
        for step in path:
            found = _entry(node, step)
            if found is None:
                return None
            node = found[1]
        return node

    def keys_and_entries(self) -> Iterator[tuple[Path, ScalarNode]]:
        """Yield every key and every entry of a list, with its path."""
        yield from _keys_and_entries(self.root, (), set())


def read_marked(text: str) -> tuple[Marked | None, list[Problem]]:
    """Read YAML. Keys that stand twice are problems; where it is no YAML at all, there is nothing but problems."""
    try:
        data, root = parse(text)
    except yaml.MarkedYAMLError as error:
        return None, _unreadable(error, text)
    except yaml.YAMLError as error:
        return None, [Problem(1, 1, f"the file is not valid YAML: {' '.join(str(error).split())}")]
    if root is None:
        return None, [Problem(1, 1, "the file is empty; `synthgen tasks new FILE` writes one to start from")]
    return Marked(data, root), list(_repeated(root, set()))


def problem_at(node: Node, said: str, *, warning: bool = False) -> Problem:
    """Return a problem where a node begins."""
    mark = node.start_mark
    return Problem(mark.line + 1, mark.column + 1, said, "warning" if warning else "error")


def read_as(node: Node) -> str | None:
    """Return what YAML takes a bare word for that was meant as text, in words; None where it takes it for text."""
    return _TAGS.get(node.tag.rpartition(":")[2]) if isinstance(node, ScalarNode) else None


def _entry(node: Node, step: str | int) -> tuple[Node, Node] | None:
    if isinstance(node, MappingNode):
        return next(((key, value) for key, value in reversed(node.value) if key.value == str(step)), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _repeated(node: Node, seen: set[int]) -> Iterator[Problem]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for entry in node.value:
            yield from _repeated(entry, seen)
    if isinstance(node, MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, ScalarNode) and key.value in first:
                yield problem_at(
                    key, f"{key.value} stands twice, first in line {first[key.value]}; keep one of the two"
                )
            elif isinstance(key, ScalarNode) and key.value != "<<":
                first[key.value] = key.start_mark.line + 1
            yield from _repeated(value, seen)


def _keys_and_entries(node: Node, path: tuple[str | int, ...], seen: set[int]) -> Iterator[tuple[Path, ScalarNode]]:
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for place, entry in enumerate(node.value):
            if isinstance(entry, ScalarNode):
                yield (*path, place), entry
            yield from _keys_and_entries(entry, (*path, place), seen)
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                yield (*path, key.value), key
            yield from _keys_and_entries(value, (*path, str(key.value)), seen)


def _unreadable(error: yaml.MarkedYAMLError, text: str) -> list[Problem]:
    lines = text.splitlines()
    tabs = [number for number, line in enumerate(lines, 1) if "\t" in line[: len(line) - len(line.lstrip())]]
    if tabs and "\\t" in str(error.problem):
        said = "the line is indented with a tab, which YAML does not allow; use spaces"
        return [Problem(number, 1, said) for number in tabs]
    mark = error.problem_mark or error.context_mark
    said = f"not valid YAML: {' '.join(str(error.problem or error.context).split())}"
    if error.problem == "mapping values are not allowed here":
        said += "; a text with a colon in it needs quotes around it"
    return [Problem(mark.line + 1, mark.column + 1, said) if mark else Problem(1, 1, said)]

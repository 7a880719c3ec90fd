"""YAML within bounds: data and nothing else, in time and memory that its file's size bounds."""

from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from synthgen.tasks.names import encodes

LONGEST = 4_000_000
"""Characters of a file of settings; the longest bundled one has a thousandth of it."""
DEEPEST = 50
DIGITS = 400
MOST = 200_000
"""Values, one that an alias repeats as often as it does."""


class Loader(yaml.SafeLoader):
    """Plain data only, nested no deeper than ``DEEPEST``."""

    _depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        """Compose one value. Raises ``yaml.MarkedYAMLError`` where it is nested too deep."""
        if self._depth > DEEPEST:
            raise yaml.MarkedYAMLError(
                problem=f"values are nested more than {DEEPEST} deep",
                problem_mark=self.get_mark(),
            )
        self._depth += 1
        try:
            composed: Node | None = super().compose_node(parent, index)
        finally:
            self._depth -= 1
        return composed


def parse(text: str) -> tuple[Any, Node | None]:
    """Return what a YAML text holds, and its root node, None where it is empty.

    Tags that would make anything but data are refused, as are aliases that stand for too much. Raises
    ``yaml.YAMLError`` for whatever is wrong, with its place where that is known.
    """
    if len(text) > LONGEST:
        raise yaml.YAMLError(f"it is longer than {LONGEST:,} characters")
    try:
        loader = Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None, None
        _count(root, {}, [])
        return loader.construct_document(root), root
    # Dates, numbers and escaped characters that there are not are no YAMLError.
    except (ValueError, OverflowError, TypeError, RecursionError) as error:
        if isinstance(error, yaml.YAMLError):
            raise
        raise yaml.YAMLError(str(error)) from None


def _count(node: Node, counted: dict[int, int], above: list[int]) -> int:
    """Return how many values ``node`` stands for.

    Raises ``yaml.MarkedYAMLError`` where they are too many, or endless, or no file could hold one of them.
    """
    if isinstance(node, ScalarNode):
        if not encodes(node.value):
            raise yaml.MarkedYAMLError(problem="half a surrogate pair is no character", problem_mark=node.start_mark)
        if len(node.value) > DIGITS and node.tag.endswith((":int", ":float")):
            raise yaml.MarkedYAMLError(problem=f"a number has more than {DIGITS} signs", problem_mark=node.start_mark)
        return 1
    if id(node) in above:
        raise yaml.MarkedYAMLError(problem="an alias stands for what it is part of", problem_mark=node.start_mark)
    if id(node) not in counted:
        inner: list[Node] = []
        if isinstance(node, SequenceNode):
            inner = node.value
        elif isinstance(node, MappingNode):
            inner = [one for pair in node.value for one in pair]
        counted[id(node)] = 1 + sum(_count(one, counted, [*above, id(node)]) for one in inner)
        if counted[id(node)] > MOST:
            raise yaml.MarkedYAMLError(problem=f"it stands for more than {MOST:,} values", problem_mark=node.start_mark)
    return counted[id(node)]

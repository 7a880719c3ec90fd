"""Pools: texts generated before, by these or other PLMs, that stand in for what the PLMs would write zero-shot."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from synthgen.curate.curator import Curator
from synthgen.errors import UserError
from synthgen.generate import Harvest, Keep, Order
from synthgen.plms.catalog import catalog
from synthgen.plms.resolve import can_name
from synthgen.prompt import Prompt
from synthgen.records import Completion, Request
from synthgen.seeds import derive_seed
from synthgen.tasks.labelled import check_labels, label_names, label_of, rows_of, text_of
from synthgen.tasks.task import ATTRIBUTE, Task
from synthgen.text import Pair

T = TypeVar("T")
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Pool:
    """Texts by PLM and label (names), in the order of their files; ``digest`` is a hash of the files' bytes.

    ``attributes`` has one for each text, None where its row has none, or nothing where no row has any.
    """

    texts: Mapping[tuple[str, str], tuple[str, ...]]
    source: str
    digest: str
    attributes: Mapping[tuple[str, str], tuple[str | None, ...]] = field(default_factory=dict)

    @property
    def plms(self) -> tuple[str, ...]:
        """The PLMs that wrote something, in order of first appearance."""
        return tuple(dict.fromkeys(plm for plm, _ in self.texts))

    def __len__(self) -> int:
        return sum(map(len, self.texts.values()))


def read_pool(paths: Sequence[str], task: Task) -> Pool:
    """Read run folders, whose samples are a pool, and JSONL files, plain or ``.gz``.

    Every object has ``text``, ``label`` (a name or a task id), ``plm``, and for a task of pairs ``text_pair``.
    Raises ``UserError`` with file and line for what is wrong, labels the task does not have and texts that name no PLM
    among it, and where all have one label.
    """
    found: dict[tuple[str, str], list[str]] = {}
    attributes: dict[tuple[str, str], list[str | None]] = {}
    digest = sha256()
    labels, name_of = task.labels, label_names(task.labels)
    for path in _files(paths):
        place = f"pool file {path.name}"
        for number, row in rows_of(path, "pool", seen=digest.update):
            where = f"Line {number} of {place}"
            label = label_of(row.get("label"), name_of, labels, where)
            if not isinstance(row.get("plm"), str) or not row["plm"].strip():
                raise UserError(f'{where} has no plm; say who wrote each text, such as "plm": "gpt2".')
            if not can_name(plm := row["plm"].strip()):
                raise UserError(
                    f"{where} has the plm {plm[:40]!r}; files are called by it: use letters, digits, '-', '_' and '.'."
                )
            text = text_of(row, "text", where)
            if task.first:
                text = Pair(text, text_of(row, "text_pair", where))
            elif row.get("text_pair") is not None:
                raise UserError(f"{where} has a text_pair, and task {task.name} has single texts; leave it out.")
            found.setdefault((plm, label), []).append(text)
            attributes.setdefault((plm, label), []).append(_attribute(row.get("attribute"), task, where))
    names = ", ".join(Path(path).name for path in paths)
    check_labels([label for _, label in found], f"pool {names}")
    return Pool(_frozen(found), names, digest.hexdigest(), _frozen(attributes))


def _frozen(found: Mapping[Key, Sequence[T]]) -> dict[Key, tuple[T, ...]]:
    return {key: tuple(values) for key, values in found.items()}


def _attribute(value: object, task: Task, where: str) -> str | None:
    if task.attributes is None or value is None:
        return None
    if value not in task.attributes.values:
        shown = ", ".join(task.attributes.values[:20])
        raise UserError(f"{where} has an attribute that the task does not have; its {task.attributes.name} is {shown}.")
    return str(value)


def _files(paths: Sequence[str]) -> Iterator[Path]:
    for path in map(Path, paths):
        yield from sorted(path.glob("rounds/*/samples.jsonl")) if (path / "recipe.yaml").is_file() else [path]


def plms_of(pool: Pool) -> tuple[str, ...]:
    """Return the PLMs of a pool as specs: families of the catalog as they are, others as ones that write no more."""
    return tuple(plm if plm in catalog() else f"{plm}=pool" for plm in pool.plms)


class Reserve:
    """The texts of a pool that a run has not taken yet, in an order drawn from the run's seed."""

    def __init__(self, pool: Pool, task: Task, seed: int) -> None:
        self._task = task
        self._left = {
            key: _shuffled(key, texts, pool.attributes.get(key) or [None] * len(texts), seed)
            for key, texts in pool.texts.items()
        }

    @property
    def left(self) -> dict[str, int]:
        """How many texts are left, by PLM and label, ``plm/label``."""
        return {"/".join(key): len(waiting) for key, waiting in self._left.items()}

    def skip_to(self, left: Mapping[str, int]) -> None:
        """Leave out what was taken when so many texts were ``left``."""
        for key, waiting in self._left.items():
            del waiting[left["/".join(key)] :]

    def fill(self, order: Order, curator: Curator, keep: Keep) -> tuple[Harvest, Order]:
        """Take texts for ``order`` as long as there are some; return what came of it, and the order that is left.

        Every text is judged as a completion would be, but for the closing quote: it ends where it ends.
        """
        result, left = Harvest(), dict(order.quota)
        began = perf_counter()
        for label in sorted(order.quota):
            waiting = self._left.get((order.plm, label), [])
            while left[label] and waiting:
                some = [waiting.pop() for _ in range(min(left[label], len(waiting)))]
                for verdict in curator.judge_all(self._as_answer(order, label, *row) for row in some):
                    left[label] -= result.take(verdict, keep)
        result.curate_seconds = perf_counter() - began
        return result, replace(order, quota=left)

    def _as_answer(
        self, order: Order, label: str, number: int, text: str, attribute: str | None
    ) -> tuple[Request, Completion]:
        name = f"pool-{order.plm}-{label}-{number:05d}"
        given = self._task.given_of(text) | ({ATTRIBUTE: attribute} if attribute else {})
        sampling = replace(order.sampling, stop="")
        request = Request(name, order.plm, order.round, label, Prompt("", given=given), 0, sampling)
        return request, Completion(name, self._task.written(text), "stop", 0, 0)


def _shuffled(
    key: Key, texts: Sequence[str], attributes: Sequence[str | None], seed: int
) -> list[tuple[int, str, str | None]]:
    rows = zip(range(len(texts)), texts, attributes, strict=True)
    return sorted(rows, key=lambda row: derive_seed(seed, "pool", *key, row[0]))

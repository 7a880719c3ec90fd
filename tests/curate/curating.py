"""Judge a text in one line."""

from functools import cache

from synthgen.curate.curator import Curator
from synthgen.records import Completion, FinishReason, Rejected, Request, Sample
from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task


@cache
def task(name: str = "imdb", **rules: object) -> Task:
    loaded = load_task(name)
    return loaded.model_copy(update={"curate": loaded.curate.model_copy(update=rules)})


def judge(
    curator: Curator, text: str, label: str = "positive", finish: FinishReason = "stop", request: str = "r1"
) -> Sample | Rejected:
    asked = Request(request, "opt", 2, label, "prompt", 1)
    return curator.judge(asked, Completion(request, text, finish, 10, 20))


def outcome(verdict: Sample | Rejected) -> str:
    return verdict.reason if isinstance(verdict, Rejected) else "accepted"

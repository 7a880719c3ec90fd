import re
from collections import Counter
from itertools import pairwise

import pytest

from synthgen.errors import UserError
from synthgen.tasks.gold import Gold, load_gold
from synthgen.tasks.registry import load_task
from synthgen.tasks.task import Task

pytestmark = pytest.mark.usefixtures("unreachable")
SIZES = {"imdb": (120, 25, 140), "sst2": (100, 8, 28)}


def bundled(name: str) -> Gold:
    gold = load_gold(load_task(name), None, pocket=True)
    assert gold is not None
    return gold


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


@pytest.mark.parametrize("name", SIZES)
def test_balanced_and_of_the_promised_length(name: str) -> None:
    gold = bundled(name)
    each, shortest, longest = SIZES[name]
    assert gold.source == f"bundled:{name}"
    assert Counter(gold.labels) == {"negative": each, "positive": each}
    assert all(shortest <= len(text.split()) <= longest for text in gold.texts)
    # No run of one label long enough to tell that the file is sorted.
    assert sum(a != b for a, b in pairwise(gold.labels)) > each // 2


def test_no_two_texts_share_a_run_of_six_words_or_an_opening() -> None:
    texts = [words(text) for name in SIZES for text in bundled(name).texts]
    runs = Counter(run for text in texts for run in {tuple(text[i : i + 6]) for i in range(len(text) - 5)})
    assert max(runs.values()) == 1
    assert max(Counter(tuple(text[:4]) for text in texts).values()) == 1


def test_only_the_pocket_profile_falls_back() -> None:
    with pytest.raises(UserError, match="imdb cannot be reached; pass --gold FILE, or --gold none"):
        load_gold(load_task("imdb"), None, pocket=False)


def test_a_task_without_a_bundled_set_needs_a_file() -> None:
    with pytest.raises(UserError, match="--gold FILE"):
        load_gold(load_task("banking77"), None, pocket=True)


@pytest.mark.parametrize("change", [{"labels": ("bad", "good")}, {"name": "films", "gold": None}])
def test_another_task_does_not_get_the_set_of_its_namesake(change: dict[str, object]) -> None:
    task = Task.model_validate({**load_task("imdb").model_dump(), **change})
    with pytest.raises(UserError, match="--gold FILE"):
        load_gold(task, None, pocket=True)

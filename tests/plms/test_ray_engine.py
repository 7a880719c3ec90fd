"""The engine ray makes what the engine inside it makes, whatever dies meanwhile, and leaves nothing behind."""

import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ray_processes import kill, processes
from waiting import wait_until

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines import open_engine
from synthgen.plms.engines.ray import cluster, table, writer
from synthgen.plms.engines.ray.engine import RayEngine
from synthgen.plms.engines.ray.stream import tables_of
from synthgen.plms.engines.vllm.flags import Slot
from synthgen.plms.resolve import resolve_plm
from synthgen.prompt import Prompt
from synthgen.records import Completion, Request, Sampling
from synthgen.seeds import derive_seed

PLMS = {"scripted": PLM("any", "any", "hub"), "transformers": resolve_plm("opt", "pocket")}


def opened(plm: PLM, inner: str) -> RayEngine:
    engine = open_engine(plm, f"ray:{inner}", slot=Slot(), log=Path(), tell=lambda seconds: None)
    assert isinstance(engine, RayEngine)
    return engine


def requests(count: int, tokens: int = 12) -> list[Request]:
    shown = "One review: it rained.\n"
    prompts = [Prompt(shown + 'A review reads: "', [(0, len(shown))]), 'A bad review reads: "', 'x: "']
    counters = ('A good review reads: "',)
    return [
        Request(
            f"r{n:04d}",
            "opt",
            0,
            "positive",
            prompts[n % 3],
            derive_seed("t", n),
            Sampling(max_tokens=tokens, debias=5.0 if n % 5 == 0 else 0.0),
            counters if n % 5 == 0 else (),
        )
        for n in range(count)
    ]


def by_request(completions: Iterator[Completion]) -> dict[str, Completion]:
    found = list(completions)
    told = {completion.request: completion for completion in found}
    assert len(told) == len(found)
    return told


def test_a_killed_writer_loses_nothing(ray_cluster: Any) -> None:
    asked = requests(3000)
    with closing(open_engine(PLMS["scripted"], "scripted")) as alone:
        wanted = by_request(alone.generate(asked))
    with closing(opened(PLMS["scripted"], "scripted")) as engine:
        assert engine.writers == 2
        coming = engine.generate(asked)
        found = [next(coming)]
        kill(processes(ray_cluster, "ray::Writer")[-1:])
        assert by_request(iter([*found, *coming])) == wanted
        # Both at once: nobody is left to take over until one is back.
        kill(processes(ray_cluster, "ray::Writer"))
        assert by_request(engine.generate(asked)) == wanted


def test_batches_wait_for_writers_but_not_for_ever(ray_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that only one node had room for, and that node is gone: Ray goes on looking for another."""
    import ray

    monkeypatch.setattr(writer, "PATIENCE", 2.0)
    node = ray_cluster.add_node(num_cpus=1, resources={"rare": 1}, object_store_memory=100 * 2**20)
    lost = ray.remote(max_restarts=-1, num_cpus=0, resources={"rare": 1})(writer.Writer).remote(
        PLMS["scripted"], "scripted", 1
    )
    others = {one.pid for one in processes(ray_cluster, "ray::Writer")}
    ray.get(lost.ready.remote())
    there = [one for one in processes(ray_cluster, "ray::Writer") if one.pid not in others]
    ray_cluster.remove_node(node, allow_graceful=False)
    kill(there)  # what its node's end has not reached yet
    wait_until(lambda: not any(one.is_running() for one in there))
    (answer,) = table.answers_of(writer.ask(table.asked([requests(3)]), [lost], "opt"))
    assert answer.failed == "The cluster has lost all that wrote for opt; go on with --resume."
    ray.kill(lost, no_restart=True)
    (answer,) = table.answers_of(writer.ask(table.asked([requests(3)]), [lost], "opt"))
    assert answer.failed == "opt was stopped at its work; go on with --resume."


def test_a_pipeline_that_fails_is_one_sentence(ray_cluster: Any) -> None:
    import ray.data

    def fail(given: Any) -> Any:
        raise RuntimeError("several\nlines")

    with pytest.raises(SynthgenError, match=r"^The cluster failed at the work \(.*several.*go on with --resume\.$"):
        list(tables_of(lambda: ray.data.range(4).map_batches(fail)))


@pytest.fixture(scope="module")
def pocket(ray_cluster: Any) -> Iterator[RayEngine]:
    with closing(opened(PLMS["transformers"], "transformers")) as engine:
        yield engine


def test_completions_are_those_of_the_inner_engine(pocket: RayEngine) -> None:
    asked = requests(150)
    with closing(open_engine(PLMS["transformers"], "transformers")) as alone:
        assert pocket.batches(asked) == alone.batches(asked)
        assert by_request(pocket.generate(asked)) == by_request(alone.generate(asked))


def test_what_the_inner_engine_refuses_is_refused_in_its_words(ray_cluster: Any, pocket: RayEngine) -> None:
    with pytest.raises(UserError, match="more than the context of opt"):
        list(pocket.generate([Request("r0", "opt", 0, "positive", "word " * 5000, 1)]))
    with pytest.raises(UserError, match="cannot be the name of a model"):
        opened(PLM("gone", "pocket/gone", "pocket"), "transformers")
    assert processes(ray_cluster, "ray::Writer")


def test_a_closed_iterator_stops_the_work(ray_cluster: Any, pocket: RayEngine) -> None:
    coming = pocket.generate(requests(60_000, tokens=200))
    next(coming)
    # Between two tasks a process has no task's name, so that seeing one once, and none for long, is what tells.
    wait_until(lambda: bool(processes(ray_cluster, "ray::MapBatches")))
    coming.close()
    quiet = 0

    def stopped() -> bool:
        nonlocal quiet
        quiet = 0 if processes(ray_cluster, "ray::MapBatches") else quiet + 1
        return quiet == 40

    wait_until(stopped, 120)  # work that is not stopped goes on for longer
    assert len(by_request(pocket.generate(requests(40)))) == 40


def test_closing_ends_a_generate_in_another_thread_and_the_writers(ray_cluster: Any) -> None:
    before = len(processes(ray_cluster, "ray::Writer"))
    engine = opened(PLMS["scripted"], "scripted")
    coming = engine.generate(requests(5000))
    next(coming)
    threading.Thread(target=engine.close).start()
    with pytest.raises(SynthgenError, match="stopped at its work"):
        list(coming)
    wait_until(lambda: len(processes(ray_cluster, "ray::Writer")) <= before)


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:x", "127.0.0.1:1", "127.0.0.1:99999"])
def test_a_wrong_address_is_one_sentence(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    with pytest.raises(UserError, match="Ray cluster"):
        cluster._reach(address)


def test_without_ray_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'synthgen\[ray\]'"):
        opened(PLMS["scripted"], "scripted")

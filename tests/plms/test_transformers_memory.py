"""A batch that does not fit the memory is halved, and nothing else changes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.devices import Placement, dtype_of, place
from synthgen.plms.engines.load import load
from synthgen.plms.engines.transformers import TransformersEngine
from synthgen.plms.serving import Serving
from synthgen.records import Request, Sampling
from synthgen.seeds import derive_seed

GB = 10**9


def ask(count: int) -> list[Request]:
    prompts = ["x: ", "a longer prompt that needs no padding: ", "another: "]
    return [
        Request(f"r{n:03d}", "p", 0, "a", prompts[n % 3], derive_seed(n), Sampling(max_tokens=30)) for n in range(count)
    ]


def engine_of(
    folder: Path, told: list[str], *, rows: int | None, fails: type[Exception] = torch.OutOfMemoryError
) -> Any:
    """Open an engine whose model holds only so many rows."""
    plm = PLM("tiny", str(folder), "local", serving=Serving(batch_size=32))
    model, tokenizer = load(plm, told.append)

    def weigh(module: Any, args: Any, given: dict[str, Any]) -> None:
        shape = given["input_ids" if given.get("input_ids") is not None else "decoder_input_ids"].shape
        if rows is not None and shape[0] > rows:
            raise fails("DefaultCPUAllocator: can't allocate memory: you tried to allocate 123 bytes.")

    model.register_forward_pre_hook(weigh, with_kwargs=True)
    return TransformersEngine(plm, model, tokenizer, told.append)


@pytest.mark.parametrize("kind", ["llama", "t5"])
@pytest.mark.parametrize("fails", [torch.OutOfMemoryError, RuntimeError, MemoryError])
def test_halves_answer_as_the_whole_does(kind: str, fails: type[Exception], tiny_model: Callable[[str], Path]) -> None:
    asked, told = ask(70), list[str]()
    roomy = engine_of(tiny_model(kind), told, rows=None)
    tight = engine_of(tiny_model(kind), told, rows=9, fails=fails)
    whole = {answer.request: answer.text for answer in roomy.generate(asked)}
    assert told == []
    before = tight.batches(asked)
    assert {answer.request: answer.text for answer in tight.generate(asked)} == whole
    assert told == ["tiny did not fit 32 rows; batches have 8 now."]
    assert tight.batches(asked) == before == roomy.batches(asked)


def test_answers_come_back_batch_by_batch_even_in_parts(tiny_model: Callable[[str], Path]) -> None:
    engine = engine_of(tiny_model("llama"), [], rows=5)
    asked = ask(70)
    order = [request.id for batch in engine.batches(asked) for request in batch]
    assert [answer.request for answer in engine.generate(asked)] == order


def test_one_row_that_does_not_fit_is_told(tiny_model: Callable[[str], Path]) -> None:
    with pytest.raises(SynthgenError, match="runs out of memory with a single prompt of") as caught:
        list(engine_of(tiny_model("llama"), [], rows=0).generate(ask(3)))
    assert caught.value.exit_code == 1


def test_other_errors_are_not_taken_for_memory(tiny_model: Callable[[str], Path]) -> None:
    with pytest.raises(KeyError):
        list(engine_of(tiny_model("llama"), [], rows=0, fails=KeyError).generate(ask(3)))


REAL = """
import resource, sys
import torch
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.transformers import open_transformers
from synthgen.plms.serving import Serving
from synthgen.records import Request, Sampling

torch.set_num_threads(1)
plm = PLM("tiny", sys.argv[1], "local", serving=Serving(batch_size=4096))
# Prompts that begin alike would be kept once, and fit.
prompts = ["a review of a film: " * 8, "one review of a film: " * 8]
asked = [Request(f"r{n:04d}", "p", 0, "a", prompts[n % 2], n, Sampling(max_tokens=6)) for n in range(1500)]
notes = []
engine = open_transformers(plm, notes.append)
free = {answer.request: answer.text for answer in engine.generate(asked)}
assert notes == [], notes
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
engine.close()
engine = open_transformers(plm, notes.append)
list(engine.generate(asked[:2]))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 60_000_000, resource.RLIM_INFINITY))
tight = {answer.request: answer.text for answer in engine.generate(asked)}
assert tight == free
print(*notes)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs an address space that can be limited")
def test_memory_that_really_runs_out(tiny_model: Callable[[str], Path]) -> None:
    command = [sys.executable, "-W", "error", "-c", REAL, str(tiny_model("llama"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tiny did not fit 1500 rows; batches have ")


def test_weights_that_fit_nowhere_are_told_before_they_are_loaded(
    tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    from transformers import AutoTokenizer, LlamaConfig

    LlamaConfig(
        hidden_size=65536, intermediate_size=262144, num_hidden_layers=60, num_attention_heads=64
    ).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_model("llama")).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"huge needs 1\d{4}\.\d GB for its weights, and [\d.]+ GB of .* free"):
        load(PLM("huge", str(tmp_path), "local"), print)


def served(**serving: Any) -> PLM:
    return PLM("p", "m", "hub", dtype="bfloat16", serving=Serving(**serving))


def test_one_gpu_where_it_fits_more_where_it_does_not() -> None:
    told: list[str] = []
    two = {0: 20 * GB, 1: 24 * GB}
    assert place(served(), 10 * GB, {}, 12 * GB, told.append) == Placement({"": "cpu"})
    assert place(served(), 10 * GB, two, 0, told.append) == Placement({"": 1})
    assert place(served(), None, {0: GB}, 0, told.append) == Placement({"": 0})
    shared = place(served(tensor_parallel_size=2), 10 * GB, two, GB, told.append)
    assert (shared.device_map, list(shared.max_memory or {})) == ("auto", [1, 0, "cpu"])
    assert place(served(), 30 * GB, two, GB, told.append).device_map == "auto"
    assert told == []
    assert place(served(), 30 * GB, {0: 20 * GB}, 64 * GB, told.append).device_map == "auto"
    assert told == ["p does not fit the GPU memory; part of it stays in main memory, which is slow."]
    with pytest.raises(UserError, match=r"p needs 90\.0 GB for its weights, and 44\.0 GB of GPU memory and 9\.0 GB"):
        place(served(), 90 * GB, two, 9 * GB, told.append)
    with pytest.raises(UserError, match=r"and 8\.0 GB of main memory are free"):
        place(served(), 10 * GB, {}, 8 * GB, told.append)


def test_formats() -> None:
    assert dtype_of(served(), gpu=False) == torch.float32
    assert dtype_of(served(dtype="bfloat16"), gpu=False) == torch.bfloat16
    assert dtype_of(served(), gpu=True) == torch.bfloat16
    assert dtype_of(served(), gpu=True, bfloat16=False) == torch.float16
    assert dtype_of(served(dtype="float32"), gpu=True) == torch.float32
    assert dtype_of(PLM("p", "m", "hub"), gpu=True) == torch.bfloat16
    with pytest.raises(UserError, match=r"serving\.p\.dtype is 'int3'"):
        dtype_of(served(dtype="int3"), gpu=False)


def test_the_users_format_is_the_models(tiny_model: Callable[[str], Path]) -> None:
    plm = PLM("tiny", str(tiny_model("llama")), "local", serving=Serving(dtype="bfloat16"))
    model, tokenizer = load(plm, print)
    assert model.dtype == torch.bfloat16
    assert len(list(TransformersEngine(plm, model, tokenizer).generate(ask(4)))) == 4


def test_a_model_that_is_spread_answers_the_same(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    """Accelerate's hooks bring the second layer in from disk, as they do between GPUs and main memory."""
    from transformers import AutoModelForCausalLM

    folder = tiny_model("llama")
    plm = PLM("tiny", str(folder), "local")
    whole, tokenizer = load(plm, print)
    names = ("model.embed_tokens", "model.layers.0", "model.norm", "model.rotary_emb", "lm_head")
    device_map = {**dict.fromkeys(names, "cpu"), "model.layers.1": "disk"}
    spread = AutoModelForCausalLM.from_pretrained(folder, device_map=device_map, offload_folder=tmp_path)
    assert len(set(spread.hf_device_map.values())) == 2
    asked = ask(12)
    answers = [list(TransformersEngine(plm, model, tokenizer).generate(asked)) for model in (whole, spread)]
    assert answers[0] == answers[1]

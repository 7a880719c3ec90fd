import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM, catalog, plm_of
from synthgen.plms.engines.vllm.find import vllm_python
from synthgen.plms.engines.vllm.flags import LAUNCHER, LONGEST_BY_DEFAULT, Slot, command, environment
from synthgen.plms.resolve import resolve_plm, resolve_plms
from synthgen.plms.serving import Serving

GPU = Slot((0,), 0.4)
CPU = Slot()
CATALOG = [plm_of(family, entry, size) for family, sizes in catalog().items() for size, entry in sizes.items()]


def served(serving: Mapping[str, Any], **plm: Any) -> PLM:
    """Return a PLM of the Hub with these settings, as a run resolves it."""
    return replace(resolve_plms(["m=org/model"], "paper", serving={"m": serving})[0], **plm)


def flags(plm: PLM, slot: Slot = GPU) -> dict[str, list[str]]:
    """Return flag -> its values, checking that none is there twice."""
    found: dict[str, list[str]] = {}
    last: list[str] = []
    for token in command(plm, python="python", port=8000, slot=slot)[3:]:
        if not token.startswith("--"):
            last.append(token)
            continue
        name, equals, value = token.partition("=")
        assert name not in found
        assert f"--no-{name[2:]}" not in found
        last = found[name] = [value] if equals else []
    return found


def test_the_command_runs_the_launcher_on_this_machine_alone() -> None:
    asked = command(resolve_plm("llama2", "pocket"), python="/vllm/python", port=8123, slot=CPU)
    assert asked[:2] == ["/vllm/python", str(LAUNCHER)]
    assert (Path(asked[2]) / "config.json").is_file()
    found = flags(resolve_plm("llama2", "pocket"), CPU)
    assert found["--host"] == ["127.0.0.1"]
    assert found["--port"] == ["8000"]
    assert found["--served-model-name"] == ["llama2"]
    assert found["--dtype"] == ["float32"]


def test_a_cpu_gets_what_it_needs_and_a_gpu_does_not() -> None:
    plm = resolve_plm("llama2", "pocket")
    found, variables = flags(plm, CPU), environment(plm, CPU, {})
    assert found["--enforce-eager"] == []
    assert found["--gpu-memory-utilization"] == ["0.3"]
    assert variables["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert environment(plm, CPU, {"VLLM_CPU_KVCACHE_SPACE": "4"})["VLLM_CPU_KVCACHE_SPACE"] == "4"
    found, variables = flags(plm, GPU), environment(plm, GPU, {})
    assert "--enforce-eager" not in found
    assert found["--gpu-memory-utilization"] == ["0.4"]
    assert "VLLM_CPU_KVCACHE_SPACE" not in variables
    assert "--gpu-memory-utilization" not in flags(plm, Slot((0,)))


@pytest.mark.parametrize(
    ("context", "asked", "length"),
    [
        (131072, None, [str(LONGEST_BY_DEFAULT)]),
        (4096, None, None),
        (None, None, ["-1"]),
        (131072, 65536, ["65536"]),
        (4096, 1024, ["1024"]),
    ],
)
def test_long_contexts_are_cut_unless_the_user_says_more(context, asked, length) -> None:
    plm = served({"max_model_len": asked}, context=asked or context)
    assert flags(plm).get("--max-model-len") == length


def test_what_the_user_set_overrides_slot_and_catalog() -> None:
    plm = served(
        {
            "tensor_parallel_size": 2,
            "gpu_memory_utilization": 0.7,
            "dtype": "bfloat16",
            "quantization": "awq",
            "revision": "abc",
            "trust_remote_code": True,
            "template": "/chat.jinja",
            "keep_warm": True,
        }
    )
    found = flags(plm, Slot((0, 1), 0.4, 1))
    assert found["--tensor-parallel-size"] == ["2"]
    assert found["--gpu-memory-utilization"] == ["0.7"]
    assert found["--dtype"] == ["bfloat16"]
    assert found["--quantization"] == ["awq"]
    assert found["--revision"] == found["--tokenizer-revision"] == ["abc"]
    assert found["--trust-remote-code"] == []
    assert found["--chat-template"] == ["/chat.jinja"]
    assert found["--enable-sleep-mode"] == []
    assert environment(plm, GPU, {})["VLLM_SERVER_DEV_MODE"] == "1"
    assert "--enable-sleep-mode" not in flags(plm, CPU)
    assert "VLLM_SERVER_DEV_MODE" not in environment(plm, CPU, {})


def test_remote_code_is_run_only_when_the_user_says_so() -> None:
    plm = served({}, remote_code=True)
    assert "--trust-remote-code" not in flags(plm)
    assert environment(plm, GPU, {})["SYNTHGEN_OLD_TOKENIZER"] == "1"
    assert "SYNTHGEN_OLD_TOKENIZER" not in environment(served({}), GPU, {})


def test_flags_of_every_kind() -> None:
    kinds = {
        "hf_overrides": {"tie_word_embeddings": False},
        "enable_prefix_caching": False,
        "--max-num-seqs": 64,
        "swap": None,
        "stop_words": ["a", "b"],
        "no_enable_chunked_prefill": True,
        "enable-prompt-tokens-details": None,
    }
    found = flags(served({"flags": kinds}))
    assert json.loads(found["--hf-overrides"][0]) == {"tie_word_embeddings": False}
    assert found["--no-enable-prefix-caching"] == []
    assert found["--max-num-seqs"] == ["64"]
    assert found["--stop-words"] == ["a", "b"]
    assert found["--no-enable-chunked-prefill"] == []
    assert not {"--swap", "--enable-prompt-tokens-details"} & set(found)


@pytest.mark.parametrize("name", ["port", "--host", "served-model-name", "model"])
def test_flags_that_would_lose_the_server_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=f"synthgen's to set; take '{name}' out"):
        flags(served({"flags": {name: "x"}}))


@pytest.mark.parametrize("value", [[], object()])
def test_a_value_no_flag_can_carry_is_refused(value: object) -> None:
    with pytest.raises(UserError, match="--seed cannot be"):
        flags(served({"flags": {"seed": value}}))


names = st.sampled_from(["enforce-eager", "enable-prefix-caching", "dtype", "max-model-len", "gpu-memory-utilization"])
spelt = names.flatmap(lambda name: st.sampled_from([name, name.replace("-", "_"), f"--{name}"]))
values = st.none() | st.booleans() | st.integers(0, 99) | st.text("abc", min_size=1)
chosen = st.dictionaries(spelt, values, max_size=5)


@given(catalogs=chosen, users=chosen, slot=st.sampled_from([CPU, GPU]))
def test_no_flag_is_there_twice_and_the_users_is_the_one(catalogs, users, slot) -> None:
    plm = PLM("m", "org/model", "hub", flags=catalogs, serving=Serving(flags=users))
    found = flags(plm, slot)
    last = {name.lstrip("-").replace("_", "-"): value for name, value in users.items()}
    for name, value in last.items():
        if value is None:
            assert f"--{name}" not in found
        elif isinstance(value, bool):
            assert found[f"--{name}" if value else f"--no-{name}"] == []
        else:
            assert found[f"--{name}"] == [str(value)]


@given(base=st.dictionaries(st.sampled_from(["OPENAI_API_KEY", "x_api_key", "HF_TOKEN", "PATH"]), st.text("ab")))
def test_no_key_reaches_vllm_but_the_hubs_token(base: dict[str, str]) -> None:
    plm = served({"environment": {"VLLM_LOGGING_LEVEL": "DEBUG", "DO_NOT_TRACK": "0"}})
    variables = environment(plm, GPU, {**base, "SYNTHGEN_API_KEY": "k", "VLLM_API_KEY": "k", "MY_API_KEY": "k"})
    assert not [name for name in variables if name.lower().endswith("_api_key")]
    assert variables["VLLM_LOGGING_LEVEL"] == "DEBUG"
    assert variables["DO_NOT_TRACK"] == "0"
    assert all(variables[name] == value for name, value in base.items() if name in {"HF_TOKEN", "PATH"})


def test_gpus_are_counted_among_the_visible_ones() -> None:
    plm = served({})
    assert environment(plm, Slot((0, 2)), {})["CUDA_VISIBLE_DEVICES"] == "0,2"
    assert environment(plm, Slot((1,)), {"CUDA_VISIBLE_DEVICES": "3, GPU-5f"})["CUDA_VISIBLE_DEVICES"] == "GPU-5f"
    assert "CUDA_VISIBLE_DEVICES" not in environment(plm, CPU, {})


def test_models_on_disk_are_served_without_the_hub(tmp_path: Path) -> None:
    assert environment(resolve_plm("gpt2", "pocket"), CPU, {})["HF_HUB_OFFLINE"] == "1"
    assert environment(resolve_plm(str(tmp_path), "pocket"), CPU, {})["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment(served({}), CPU, {})
    assert "--revision" not in flags(replace(resolve_plm("gpt2", "pocket"), revision="abc"))


PARSE = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
for asked in json.load(sys.stdin):
    parsed = parser.parse_args(asked[3:])
    assert parsed.generation_config == "vllm" and parsed.host == "127.0.0.1", parsed
print("parsed")
"""


def test_vllm_knows_every_flag() -> None:
    """vLLM's own parser reads the command of every PLM of the catalog, with every setting."""
    python = vllm_python()
    if python is None:
        pytest.skip("no interpreter with vLLM; set SYNTHGEN_VLLM_PYTHON")
    everything = served(
        {
            "tensor_parallel_size": 2,
            "max_model_len": 512,
            "dtype": "half",
            "quantization": "awq",
            "revision": "main",
            "trust_remote_code": True,
            "template": "/chat.jinja",
            "keep_warm": True,
            "flags": {"enable_prefix_caching": False, "hf_overrides": {"a": 1}, "middleware": ["a", "b"]},
        }
    )
    plms = [plm for plm in CATALOG if not plm.urls]
    asked = [command(plm, python=python, port=1, slot=slot) for plm in [*plms, everything] for slot in (CPU, GPU)]
    known = subprocess.run([python, "-c", PARSE], input=json.dumps(asked), capture_output=True, text=True)
    assert known.stdout.splitlines()[-1:] == ["parsed"], known.stderr[-2000:]

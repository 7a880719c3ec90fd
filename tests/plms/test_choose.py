"""Every engine that can be wanted, for every kind of PLM, with and without a GPU, with and without vLLM."""

import sys
from itertools import product

import pytest

from synthgen.errors import UserError
from synthgen.plms.choose import choose_engine
from synthgen.plms.engines.vllm.find import VARIABLE
from synthgen.plms.resolve import resolve_plms

KINDS = {
    "pocket": "gpt2:pocket",
    "pocket t5": "flan-t5:pocket",
    "paper": "llama2:paper",
    "hub": "org/model",
    "t5": "flan-t5:paper",
    "glm": "chatglm3:paper",
    "address": "mine=http://127.0.0.1:1/v1",
    "hosted": "gpt-4o",
}
WANTED = ["auto", "vllm", "transformers", "server", "scripted"]
ANYWHERE = {"address": "server", "hosted": "server"}


def expected(wanted: str, kind: str, *, gpu: bool, vllm: bool) -> str:
    """What the docstring promises: an engine, or the beginning of why not."""
    if wanted == "scripted":
        return "scripted"
    if kind in ANYWHERE:
        return "server"
    if wanted == "server":
        return "no: has no server"
    if kind in {"t5", "pocket t5"}:
        return "transformers"
    if kind == "glm":
        if wanted == "transformers":
            return "no: runs through vLLM only; take --engine auto"
        return "vllm" if vllm else "no: wants vLLM, which is not installed; pip install 'synthgen[vllm]'"
    if wanted == "vllm":
        return "vllm" if vllm else "no: wants vLLM, which is not installed; pip install 'synthgen[vllm]'"
    return "vllm" if wanted == "auto" and gpu and vllm and kind != "pocket" else "transformers"


def sentence(wanted: str, kind: str, engine: str, *, gpu: bool, vllm: bool) -> str | None:
    """What a user hears where the engine is not the one to expect."""
    if kind == "pocket t5":
        return "does not serve encoder-decoders" if wanted == "vllm" else None
    if kind == "t5":
        return "does not serve encoder-decoders" if wanted == "vllm" or (wanted == "auto" and gpu and vllm) else None
    slowly = wanted == "auto" and gpu and engine == "transformers" and kind != "pocket"
    return "transformers, slowly; for vLLM, pip install" if slowly else None


@pytest.mark.parametrize("vllm", [False, True])
@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize(("wanted", "kind"), list(product(WANTED, KINDS)))
def test_the_whole_table(monkeypatch: pytest.MonkeyPatch, wanted: str, kind: str, *, gpu: bool, vllm: bool) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if vllm:
        monkeypatch.setenv(VARIABLE, sys.executable)
    serving = {"chatglm3": {"trust_remote_code": True}} if kind == "glm" else {}
    (plm,) = resolve_plms([KINDS[kind]], "pocket", serving=serving)
    wants = expected(wanted, kind, gpu=gpu, vllm=vllm)
    if wants.startswith("no: "):
        with pytest.raises(UserError) as error:
            choose_engine(plm, wanted, gpu=gpu)
        assert wants.removeprefix("no: ") in str(error.value)
        return
    found = choose_engine(plm, wanted, gpu=gpu)
    assert found.engine == wants
    why = sentence(wanted, kind, wants, gpu=gpu, vllm=vllm) if wants == "transformers" else None
    if wants == "server" and wanted in {"vllm", "transformers"}:
        why = f"--engine {wanted} does nothing for it"
    assert (found.why is None) == (why is None)
    assert (why or "") in (found.why or "")


@pytest.mark.parametrize("wanted", ["auto", "vllm", "transformers"])
def test_code_from_a_repository_runs_only_where_the_user_says_so(wanted: str) -> None:
    (plm,) = resolve_plms(["glm=chatglm3:paper"], "pocket")
    with pytest.raises(UserError, match=r"--set serving\.glm\.trust_remote_code=true\.$"):
        choose_engine(plm, wanted, gpu=True)
    assert choose_engine(plm, "scripted", gpu=True).engine == "scripted"


def test_a_wrong_path_to_vllm_matters_only_where_vllm_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/no/such/python")
    pocket, paper, t5 = resolve_plms(["gpt2", "llama2:paper", "flan-t5"], "pocket")
    assert choose_engine(pocket, "auto", gpu=True).engine == "transformers"
    assert choose_engine(paper, "auto", gpu=False).engine == "transformers"
    assert choose_engine(paper, "transformers", gpu=True).engine == "transformers"
    assert choose_engine(t5, "auto", gpu=True).engine == "transformers"
    for plm, wanted in ((paper, "auto"), (pocket, "vllm")):
        with pytest.raises(UserError, match=f"{VARIABLE} names /no/such/python, which is no program"):
            choose_engine(plm, wanted, gpu=True)


def test_settings_that_do_nothing_behind_a_server_are_told() -> None:
    serving = {"all": {"keep_warm": True, "timeout": 5, "flags": {"x": 1}}}
    (plm,) = resolve_plms(["mine=http://host:8000/v1"], "pocket", serving=serving)
    why = choose_engine(plm, "auto", gpu=True).why
    assert why == "mine is behind a server: flags, keep_warm does nothing for it."

from pathlib import Path

import pytest

from synthgen.errors import UserError
from synthgen.plms.catalog import catalog, resolve_plm, resolve_plms


def test_the_papers_six_families_have_both_sizes() -> None:
    assert list(catalog()) == ["gpt2", "llama2", "vicuna", "opt", "chatglm3", "flan-t5"]
    for sizes in catalog().values():
        assert set(sizes) == {"pocket", "paper"}


def test_a_bare_family_follows_the_profile() -> None:
    assert resolve_plm("llama2", "pocket").model == "pocket/llama2"
    assert resolve_plm("llama2", "paper").model == "meta-llama/Llama-2-7b-chat-hf"
    assert resolve_plm("llama2:paper", "pocket").model == "meta-llama/Llama-2-7b-chat-hf"
    assert resolve_plm("vicuna", "pocket").chat


def test_hub_ids_and_folders_and_names(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    assert resolve_plm("org/model-7b", "pocket").name == "model-7b"
    assert resolve_plm(str(folder), "pocket").name == "mine"
    named = resolve_plm(f"other={folder}", "pocket")
    assert (named.name, named.model, named.location) == ("other", str(folder), str(folder))


def test_two_sizes_of_a_family_need_names() -> None:
    both = resolve_plms(["gpt2", "large=gpt2:paper"], "pocket")
    assert [plm.name for plm in both] == ["gpt2", "large"]
    with pytest.raises(UserError, match="Two PLMs are called 'gpt2'"):
        resolve_plms(["gpt2", "gpt2:paper"], "pocket")


@pytest.mark.parametrize(
    "spec", ["nothing", "llama2:huge", "./nowhere", "chatglm3:paper", "a/b/c", "", "http://host/v1"]
)
def test_what_is_no_plm_is_told(spec: str) -> None:
    with pytest.raises(UserError):
        resolve_plm(spec, "pocket")


@pytest.mark.parametrize("name", ["../up", "a b", ".hidden", "a/b"])
def test_names_that_make_bad_files_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot name a PLM"):
        resolve_plms([f"{name}=gpt2"], "pocket")

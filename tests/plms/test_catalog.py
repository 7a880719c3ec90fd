from pathlib import Path
from typing import Any

import pytest
import yaml
from transformers import PreTrainedTokenizerFast
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM, Entry, catalog, plm_of, pocket_folder, template_file
from synthgen.plms.resolve import resolve_plm, resolve_plms

PAPERS = ["gpt2", "llama2", "vicuna", "opt", "chatglm3", "flan-t5"]
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
ENTRIES = [(family, size, entry) for family, sizes in catalog().items() for size, entry in sizes.items()]
REAL = [row for row in ENTRIES if row[1] not in {"pocket", "hosted"}]
CLASSES = {
    *MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values(),
    *MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.values(),
}
TEMPLATES = sorted({entry.template for _, _, entry in ENTRIES if entry.template})


def named(rows: list[tuple[str, Any, Entry]]) -> Any:
    return pytest.mark.parametrize(("family", "size", "entry"), rows, ids=[f"{row[0]}:{row[1]}" for row in rows])


def test_the_papers_six_families_come_first_with_both_sizes() -> None:
    assert list(catalog())[:6] == PAPERS
    for family in PAPERS:
        assert {"pocket", "paper"} <= set(catalog()[family])
    assert {family for family, size, _ in ENTRIES if size == "pocket"} == set(PAPERS)


def test_sizes_go_up_and_models_are_listed_once() -> None:
    order = ["pocket", "small", "paper", "hosted"]
    for sizes in catalog().values():
        assert list(sizes) == sorted(sizes, key=order.index)
        memory = [entry.memory for entry in sizes.values()]
        assert memory == sorted(set(memory))
    models = [entry.model for _, _, entry in ENTRIES]
    assert len(models) == len(set(models))


@named(ENTRIES)
def test_every_entry_resolves(family: str, size: str, entry: Entry) -> None:
    plm = resolve_plm(f"{family}:{size}", "pocket")
    assert plm == plm_of(family, entry, size)
    assert (plm.model, plm.size, plm.license, plm.memory) == (entry.model, size, entry.license, entry.memory)
    assert plm.urls == ((entry.url,) if entry.url else ())


@pytest.mark.parametrize("profile", ["pocket", "paper"])
def test_every_family_resolves_in_every_profile(profile: Any) -> None:
    for family, sizes in catalog().items():
        assert resolve_plm(family, profile).size == (profile if profile in sizes else next(iter(sizes)))


@named([row for row in ENTRIES if row[1] != "pocket"])
def test_licences_say_what_they_mean_for_generated_text(family: str, size: str, entry: Entry) -> None:
    assert entry.license
    assert entry.terms
    assert entry.terms.endswith(".")
    free = entry.license in {"Apache-2.0", "MIT"}
    assert free == entry.terms.startswith("No restriction")
    assert entry.quirk is None or entry.quirk.endswith(".")


@named(REAL)
def test_real_models_have_their_facts(family: str, size: str, entry: Entry) -> None:
    assert entry.model.count("/") == 1
    assert entry.parameters is not None
    weights = entry.parameters * BYTES[entry.dtype]
    assert weights + 0.5 <= entry.memory <= 1.3 * weights + 4
    assert (entry.context is None) == (entry.architecture == "T5ForConditionalGeneration")
    assert entry.context is None or entry.context >= 1024


@named(REAL)
def test_architectures_are_ones_the_engines_know(family: str, size: str, entry: Entry) -> None:
    known = entry.architecture in CLASSES
    assert known == (entry.engine != "vllm")
    assert (entry.engine == "transformers") == (entry.architecture == "T5ForConditionalGeneration")
    assert entry.remote_code <= (entry.quirk is not None)


@named([row for row in ENTRIES if row[1] == "pocket"])
def test_pocket_entries_describe_the_bundled_files(family: str, size: str, entry: Entry) -> None:
    import json

    from safetensors import safe_open

    config = json.loads((pocket_folder(entry.model) / "config.json").read_text(encoding="utf-8"))
    assert [entry.architecture] == config["architectures"]
    assert entry.context == config.get("max_position_embeddings", config.get("n_positions"))
    assert entry.chat == (pocket_folder(entry.model) / "chat_template.jinja").is_file()
    with safe_open(pocket_folder(entry.model) / "model.safetensors", "np") as weights:
        counted = sum(weights.get_tensor(name).size for name in weights.keys())  # noqa: SIM118
    assert entry.parameters == pytest.approx(counted / 1e9, rel=0.01)


@named([row for row in ENTRIES if row[1] == "hosted"])
def test_hosted_models_need_nothing_but_an_address(family: str, size: str, entry: Entry) -> None:
    assert entry.engine == "server"
    assert entry.url
    assert entry.url.startswith("https://")
    assert entry.memory == 0
    assert entry.choices > 1


def test_chatglm3_is_vllms_with_its_override() -> None:
    plm = resolve_plm("chatglm3", "paper")
    assert (plm.engine, plm.remote_code) == ("vllm", True)
    assert plm.flags == {"hf_overrides": {"tie_word_embeddings": False}}


def rendered(template: str, *said: tuple[str, str], **settings: Any) -> str:
    """Render as transformers does, sandbox included, with the special tokens of Llama 2."""
    from tokenizers import Tokenizer, models

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1}, unk_token="<s>")),
        bos_token="<s>",
        eos_token="</s>",
    )
    messages = [{"role": role, "content": content} for role, content in said]
    text = template_file(template).read_text(encoding="utf-8")
    shown = tokenizer.apply_chat_template(messages, chat_template=text, tokenize=False, **settings)
    assert isinstance(shown, str)
    return shown


def test_every_template_is_used() -> None:
    assert sorted(path.name for path in template_file("").iterdir()) == TEMPLATES
    assert all(entry.chat for _, _, entry in ENTRIES if entry.template)
    assert Path(resolve_plm("vicuna", "paper").template or "").is_file()


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_keep_the_prompt_as_it_is_and_open_an_answer(template: str) -> None:
    prompt = 'The movie review in positive sentiment is: " {{ x }} <b>é</b>'
    asked = rendered(template, ("user", prompt), add_generation_prompt=True)
    assert asked.count(prompt) == 1
    assert "assistant" in asked.rpartition(prompt)[2].lower()
    assert asked.startswith(rendered(template, ("user", prompt)))
    assert rendered(template, ("user", prompt), add_generation_prompt=True) == asked
    told = rendered(template, ("system", "Be brief."), ("user", prompt), add_generation_prompt=True)
    assert told.index("Be brief.") < told.index(prompt)
    assert told.endswith(asked.rpartition(prompt)[2])


@pytest.mark.parametrize("template", TEMPLATES)
def test_templates_hold_a_whole_conversation_in_order(template: str) -> None:
    turns = [("user", "first"), ("assistant", "second"), ("user", "third")]
    shown = rendered(template, *turns, add_generation_prompt=True)
    assert shown.index("first") < shown.index("second") < shown.index("third")


def test_vicuna_speaks_its_documented_format() -> None:
    shown = rendered(
        "vicuna.jinja", ("user", "Hello!"), ("assistant", "Hi!"), ("user", "Who?"), add_generation_prompt=True
    )
    assert shown.startswith("<s>A chat between a curious user and an artificial intelligence assistant.")
    assert shown.endswith(" USER: Hello! ASSISTANT: Hi!</s>USER: Who? ASSISTANT:")
    with pytest.raises(Exception, match="Vicuna knows the roles"):
        rendered("vicuna.jinja", ("tool", "x"))


@pytest.mark.parametrize("template", ["qwen3.jinja", "smollm3.jinja"])
def test_models_that_think_are_told_not_to(template: str) -> None:
    asked = rendered(template, ("user", "Hello!"), add_generation_prompt=True)
    assert asked.rstrip("\n").endswith("<|im_start|>assistant\n<think>\n\n</think>")


def test_llama3_has_no_date_in_its_prompts() -> None:
    shown = rendered("llama3.jinja", ("user", "Hello!"), add_generation_prompt=True)
    header = "<|start_header_id|>{}<|end_header_id|>\n\n"
    assert shown == f"<s>{header.format('user')}Hello!<|eot_id|>{header.format('assistant')}"


def test_the_file_is_read_as_it_stands() -> None:
    import synthgen.plms.catalog as module

    text = Path(module.__file__).with_name("catalog.yaml").read_text(encoding="utf-8")
    assert list(yaml.safe_load(text)) == list(catalog())
    assert max(map(len, text.splitlines())) <= 120


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
    other: PLM = resolve_plm(f"other={folder}", "pocket")
    assert (other.name, other.model, other.location) == ("other", str(folder), str(folder))


def test_two_sizes_of_a_family_need_names() -> None:
    both = resolve_plms(["gpt2", "large=gpt2:paper"], "pocket")
    assert [plm.name for plm in both] == ["gpt2", "large"]
    with pytest.raises(UserError, match="Two PLMs are called 'gpt2'"):
        resolve_plms(["gpt2", "gpt2:paper"], "pocket")


@pytest.mark.parametrize("spec", ["nothing", "llama2:huge", "./nowhere", "a/b/c", ""])
def test_what_is_no_plm_is_told(spec: str) -> None:
    with pytest.raises(UserError):
        resolve_plm(spec, "pocket")


@pytest.mark.parametrize("name", ["../up", "a b", ".hidden", "a/b"])
def test_names_that_make_bad_files_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot name a PLM"):
        resolve_plms([f"{name}=gpt2"], "pocket")

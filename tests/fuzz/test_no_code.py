"""Nobody's file is ever run: no pickles, no code of models, no tags of YAML, no templates but our own."""

import ast
import json
import os
import pickle
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hostile_places import REPOSITORY

from synthgen.errors import SynthgenError, UserError
from synthgen.plms.catalog import PLM
from synthgen.plms.choose import choose_engine
from synthgen.plms.engines.vllm.flags import Slot, command
from synthgen.plms.serving import Serving, serving_of
from synthgen.recipe import make_recipe

PACKAGE = REPOSITORY / "synthgen"
POCKET = PACKAGE / "plms" / "pocket"
NEVER = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle", "imp", "code",
}  # fmt: skip
CALLS = {"eval", "exec", "compile", "__import__", "import_from_string", "get_class_from_dynamic_module"}
WHERE_CODE_MAY_BE_TRUSTED = {
    ("plms/engines/load.py", "plm.serving.trust_remote_code"),
    ("downstream/encoder/load.py", "False"),
    ("plms/engines/ray/llm.py", "plm.serving.trust_remote_code"),
    ("plms/engines/ray/llm.py", "True if serving.trust_remote_code else None"),
    ("plms/engines/vllm/flags.py", "True if serving.trust_remote_code else None"),
    # Asks which engine a PLM would have if it were trusted; nothing is loaded.
    ("cli/know.py", "True"),
}


def sources() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield name, node


def called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def keywords(node: ast.AST) -> dict[str, str]:
    return {word.arg or "**": ast.unparse(word.value) for word in node.keywords} if isinstance(node, ast.Call) else {}


def test_nothing_imports_what_unpickles_or_runs_text() -> None:
    found = []
    for name, node in sources():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
        found += [(name, one) for one in names if one.split(".")[0] in NEVER]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append((name, node.func.id))
    assert found == []


def test_what_could_unpickle_is_told_not_to() -> None:
    loads = {
        "torch.load": ("weights_only", "True"),
        "np.load": ("allow_pickle", "False"),
        "numpy.load": ("allow_pickle", "False"),
    }
    told = []
    for name, node in sources():
        if (call := called(node)) in loads:
            word, value = loads[call]
            assert keywords(node).get(word) == value, f"{name}: {ast.unparse(node)}"
            told.append(call)
        assert keywords(node).get("allow_pickle") in {None, "False"}, name
        assert keywords(node).get("weights_only") in {None, "True"}, name
        assert keywords(node).get("use_safetensors") != "False", name
        assert not re.fullmatch(
            r".*\b(read_pickle|loadtxt|fromfile|UnsafeLoader|FullLoader|unsafe_load|full_load)", call
        ), name
    assert {"torch.load", "np.load"} <= {*told}


def test_yaml_is_only_read_by_the_safe_loader() -> None:
    for name, node in sources():
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("yaml."):
            assert not re.search(
                r"yaml\.(load|load_all|unsafe_\w+|full_\w+|Loader|Full\w+|Unsafe\w+)$", ast.unparse(node)
            ), name


def test_subprocesses_have_no_shell() -> None:
    for name, node in sources():
        assert keywords(node).get("shell") in {None, "False"}, name
        assert called(node) not in {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}, name


def test_only_a_users_word_lets_code_of_a_model_run() -> None:
    found = set()
    for name, node in sources():
        if "trust_remote_code" in keywords(node):
            found.add((name, keywords(node)["trust_remote_code"]))
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            found |= {
                (name, ast.unparse(value))
                for key, value in pairs
                if isinstance(key, ast.Constant) and key.value == "trust_remote_code"
            }
    assert found <= WHERE_CODE_MAY_BE_TRUSTED
    assert Serving().trust_remote_code is False
    for path in [*(REPOSITORY / "recipes").glob("*.yaml"), PACKAGE / "plms" / "catalog.yaml"]:
        assert not re.search(r"trust.remote.code\W+true", path.read_text(encoding="utf-8"), re.IGNORECASE), path


def test_the_flag_goes_to_vllm_only_where_it_was_asked_for() -> None:
    plm = PLM("mine", "org/model", "hub", context=512)

    def asked(one: PLM) -> bool:
        return "trust-remote-code" in " ".join(command(one, python="python", port=8000, slot=Slot()))

    assert not asked(plm)
    assert asked(replace(plm, serving=Serving(trust_remote_code=True)))
    served = serving_of({"other": {"trust_remote_code": True}}, ["mine", "other"])
    assert (served["mine"].trust_remote_code, served["other"].trust_remote_code) == (False, True)
    with pytest.raises(UserError, match="runs code from its repository"):
        choose_engine(replace(plm, remote_code=True), "auto", gpu=True)


class Bomb:
    """Unpickled, it leaves a file behind."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


def test_the_bomb_is_one(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Bomb(tmp_path / "hacked")))
    assert (tmp_path / "hacked").exists()


def model_folder(tmp_path: Path) -> Path:
    """Return a copy of a pocket PLM's folder."""
    return Path(shutil.copytree(POCKET / "gpt2", tmp_path / "model"))


@pytest.mark.parametrize("whole", [True, False], ids=["zip", "old"])
def test_pickled_weights_are_refused_and_not_run(tmp_path: Path, whole: bool) -> None:
    from synthgen.plms.engines.load import load

    folder = model_folder(tmp_path)
    (folder / "model.safetensors").unlink()
    if whole:
        torch.save({"weight": Bomb(tmp_path / "hacked")}, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Bomb(tmp_path / "hacked")}))
    with pytest.raises(SynthgenError) as said:
        load(PLM("mine", str(folder), "local"), print)
    assert str(said.value)
    assert not (tmp_path / "hacked").exists()


def test_the_safe_weights_are_taken_where_there_are_both(tmp_path: Path) -> None:
    from synthgen.plms.engines.load import load

    folder = model_folder(tmp_path)
    torch.save({"weight": Bomb(tmp_path / "hacked")}, folder / "pytorch_model.bin")
    model, _ = load(PLM("mine", str(folder), "local"), print)
    assert model.num_parameters() > 0
    assert not (tmp_path / "hacked").exists()


CODE = "import os\nos.mkdir({place!r})\nclass Mine:\n    pass\n"


def test_a_model_folder_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    from synthgen.downstream.encoder.load import pretrained
    from synthgen.plms.engines.load import load

    folder = model_folder(tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine", "AutoModelForCausalLM": "mine.Mine"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "mine.py").write_text(CODE.format(place=str(tmp_path / "hacked")), encoding="utf-8")
    for read in (lambda: load(PLM("mine", str(folder), "local"), print), lambda: pretrained(str(folder))):
        with pytest.raises(UserError):
            read()
    assert not (tmp_path / "hacked").exists()


def test_a_sentence_encoder_with_code_is_refused_and_not_run(tmp_path: Path) -> None:
    """Before its version 6.0, sentence-transformers ran the code of any local folder."""
    from synthgen.embedders.sentence import load_encoder

    folder = model_folder(tmp_path)
    (folder / "mine.py").write_text(CODE.format(place=str(tmp_path / "hacked")), encoding="utf-8")
    modules = [{"idx": 0, "name": "0", "path": "", "type": "mine.Mine"}]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    with pytest.raises(UserError, match="cannot be loaded"):
        load_encoder(str(folder), wanted_by="A test")
    assert not (tmp_path / "hacked").exists()


def test_a_dataset_folder_with_a_script_is_not_run(tmp_path: Path) -> None:
    from synthgen.tasks.gold import load_gold
    from synthgen.tasks.registry import load_task

    folder = tmp_path / "gold"
    folder.mkdir()
    (folder / "gold.py").write_text(CODE.format(place=str(tmp_path / "hacked")), encoding="utf-8")
    task = load_task("imdb")
    assert task.gold is not None
    hostile = task.model_copy(update={"gold": task.gold.model_copy(update={"hub": str(folder)})})
    with pytest.raises(UserError):
        load_gold(hostile, None, pocket=False)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    "tag", ["object/apply:os.mkdir", "object/new:os.mkdir", "name:os.mkdir", "module:os", "object:os.x"]
)
def test_yaml_tags_make_nothing(tag: str, tmp_path: Path) -> None:
    from synthgen.tasks.bounded import parse

    place = tmp_path / "hacked"
    with pytest.raises(yaml.YAMLError):
        parse(f"about: !!python/{tag} [{place}]")
    assert not place.exists()


TEMPLATES = (
    "{x.__class__}", "{0}", "{{7*7}}", "{% for x in y %}{{ x }}{% endfor %}", "{first.__init__}", "{label!r:>99}",
    "%(label)s", "${label }", "{text.__globals__[os]}", "{demonstrations[0]}", "{label.__class__.__mro__}",
)  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
def test_prompts_fill_slots_and_run_nothing(template: str) -> None:
    from synthgen.tasks.registry import load_task

    task = load_task("imdb")
    prompts = task.prompts.model_copy(update={"zero_shot": f'{template} {{label}}: "'})
    mine = task.model_copy(update={"prompts": prompts, "describe": {"positive": template}})
    assert str(mine.zero_shot("positive")) == f'{template} {template}: "'
    assert template in str(mine.few_shot("positive", [template]))


def test_a_recipe_keeps_a_template_as_it_is() -> None:
    about = "".join(TEMPLATES)
    recipe = make_recipe({"labels": ("a", "b"), "about": about})
    assert make_recipe(yaml.safe_load(recipe.to_yaml())).about == about

import subprocess
import sys

import pytest

from synthgen.downstream.registry import make_stm, stm_names
from synthgen.errors import UserError


def test_names() -> None:
    assert stm_names() == ["tfidf", "embedding:<model>", "encoder:<model>"]
    assert make_stm("tfidf", seed=0).name == "tfidf"
    assert make_stm("embedding:org/model:rev", seed=0).name == "embedding:org/model:rev"


@pytest.mark.parametrize("spec", ["tfdf", "", "bert", "embedding", "embedding:", "tfidf:x", "tfidf:"])
def test_other_specs_are_the_users_mistake(spec: str) -> None:
    with pytest.raises(UserError, match=r"tfidf|embedding:<model>"):
        make_stm(spec, seed=0)


def test_a_near_miss_is_named() -> None:
    with pytest.raises(UserError, match="did you mean tfidf"):
        make_stm("tfdf", seed=0)


def test_tfidf_needs_neither_torch_nor_sklearn() -> None:
    code = (
        "import sys; from synthgen.downstream.registry import make_stm;"
        "make_stm('tfidf', seed=0).start(['a text']);"
        "assert not {'torch', 'sklearn', 'transformers', 'sentence_transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

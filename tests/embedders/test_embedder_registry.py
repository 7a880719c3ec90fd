import subprocess
import sys
from pathlib import Path

import pytest

from synthgen.embedders.registry import embedder_names, make_embedder
from synthgen.errors import UserError


def test_every_name_builds() -> None:
    for name in embedder_names():
        assert make_embedder(name).name == name


@pytest.mark.parametrize("spec", ["", "wrods", "minilm", "a/b/c", "no such/na me"])
def test_unknown_specs_name_what_there_is(spec: str) -> None:
    with pytest.raises(UserError, match=r"Write words, a Hub id") as raised:
        make_embedder(spec)
    assert "\n" not in str(raised.value)


def test_a_slip_is_recognised() -> None:
    with pytest.raises(UserError, match=r"did you mean words\?"):
        make_embedder("wrods")


def test_a_model_that_does_not_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for spec in ("nobody/such-a-model-exists", str(tmp_path)):
        with pytest.raises(UserError, match="cannot be loaded") as raised:
            make_embedder(spec).encode([])
        assert spec in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match=r"Embedder owner/name needs .* pip install 'synthgen\[embedding\]'"):
        make_embedder("owner/name").encode(["text"])


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import synthgen.embedders.registry", ("numpy", "scipy", "torch", "sentence_transformers")),
        (
            "from synthgen.embedders.registry import make_embedder; make_embedder('words').encode(['a film'])",
            ("torch", "transformers", "sentence_transformers", "sklearn"),
        ),
        (
            "from synthgen.embedders.registry import make_embedder; make_embedder('owner/name')",
            ("torch", "transformers", "sentence_transformers"),
        ),
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(code: str, unwanted: tuple[str, ...]) -> None:
    script = f"import sys\n{code}\nprint([name for name in {unwanted!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"

"""The shell completes tasks, PLMs and choices, without loading what a run needs."""

import os
import subprocess
import sys

import pytest

COMPLETE = """
import sys
from synthgen.cli import main
try:
    main()
finally:
    sys.stderr.write(" ".join({"torch", "transformers", "numpy", "datasets", "huggingface_hub"} & set(sys.modules)))
"""


def completed(line: str) -> list[str]:
    """Speak the protocol of bash's script: the words in COMP_WORDS, the place of the unfinished one in COMP_CWORD."""
    told = {"_SYNTHGEN_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", COMPLETE], env=os.environ | told, capture_output=True, text=True, check=True
    )
    assert done.stderr == "", "heavy libraries were loaded"
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("synthgen fuse", ["fusegen"]),
        ("synthgen fusegen --task im", ["imdb"]),
        ("synthgen evaluate --task banking77", ["banking77", "banking77-10"]),
        ("synthgen fusegen --plms ll", ["llama2", "llama3"]),
        ("synthgen plan wasp --plms llama2,op", ["llama2,opt"]),
        ("synthgen fusegen --profile p", ["pocket", "paper"]),
        ("synthgen fusegen --engine s", ["server", "scripted"]),
        ("synthgen zerogen --stm t", ["tfidf"]),
        ("synthgen plms ge", ["gemma3"]),
    ],
)
def test_values_are_offered(line: str, some: list[str]) -> None:
    assert sorted(completed(line)) == sorted(some)


def test_a_plm_that_is_named_is_not_offered_again() -> None:
    assert "llama2,llama2" not in completed("synthgen fusegen --plms llama2,")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_shown(shell: str) -> None:
    words = [sys.executable, "-m", "synthgen", "--show-completion", shell]
    # Else Typer looks which shell all this was started from, such as make's.
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = subprocess.run(words, env=os.environ | told, capture_output=True, text=True, check=True)
    assert "_SYNTHGEN_COMPLETE" in done.stdout

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from synthgen.downstream.encoder import together
from synthgen.downstream.encoder.fit import EncoderFit
from synthgen.downstream.registry import make_stm
from synthgen.downstream.stm import IntArray
from synthgen.errors import SynthgenError, UserError

Write = Callable[[int, int], tuple[list[str], IntArray]]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where job folders go in this test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def certain(tiny_bert: Path, tmp_path: Path) -> Path:
    """The tiny encoder without dropout: nothing is drawn during its training."""
    folder = tmp_path / "certain"
    shutil.copytree(tiny_bert, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_two_processes_train_as_one_does(certain: Path, reviews: Write, temporary: Path) -> None:
    texts, labels = reviews(123, 0)
    weights = np.random.default_rng(0).uniform(0.2, 1, 123)
    weights[[5, 61]] = 0

    def fitted(processes: int) -> EncoderFit:
        # Trained on are 121 less 12 held out: the last batch is one sample, of which one process has none.
        options = {"epochs": 4, "lr": 3e-3, "batch": 12, "patience": 1, "processes": processes}
        stm = make_stm(f"encoder:{certain}", seed=3, options=options)
        fit = stm.fit(stm.start(texts), labels, weights, n_labels=2)
        assert isinstance(fit, EncoderFit)
        return fit

    one, two = fitted(1), fitted(2)
    moved = np.abs(one.epoch_probabilities[-1] - one.epoch_probabilities[0]).max()
    assert moved > 0.05
    np.testing.assert_allclose(one.epoch_probabilities, two.epoch_probabilities, atol=moved / 100)
    assert not list(temporary.iterdir())


DYING = """
import os, pathlib, sys, time
pid = pathlib.Path(sys.argv[1]).parent.parent / "pid"
if os.environ["RANK"] == "0":
    pid.with_suffix(".new").write_text(str(os.getpid()))
    pid.with_suffix(".new").rename(pid)
    time.sleep(600)
while not pid.exists():
    time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("ends", "kind", "says"),
    [
        (
            "sys.exit('so\\nno more room')",
            SynthgenError,
            r"^Process 2 of 2 .* exit code 1 \(no more room\)\.$",
        ),
        ("os.kill(os.getpid(), 9)", SynthgenError, r"^Process 2 of 2 .* with signal 9 \(it said nothing\)\.$"),
        ("print('Choose another.', file=sys.stderr); sys.exit(2)", UserError, r"^Choose another\.$"),
    ],
)
def test_a_process_that_dies_takes_the_others_along(
    tiny_bert: Path,
    reviews: Write,
    temporary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: str,
    kind: type[SynthgenError],
    says: str,
) -> None:
    # The first process waits for the second one, which is what a real one would do.
    (tmp_path / "dying.py").write_text(DYING + ends)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(together, "_WORKER", "dying")
    stm = make_stm(f"encoder:{tiny_bert}", seed=3, options={"processes": 2})
    texts, labels = reviews(20, 0)
    with pytest.raises(SynthgenError, match=says) as info:
        stm.fit(stm.start(texts), labels, n_labels=2, short=True)
    assert type(info.value) is kind
    assert not list(temporary.iterdir())
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))

"""One run folder, two processes: the second is refused, and the first does not notice."""

from pathlib import Path

from nursery import Nursery, dataset_of
from preludes import NO_REPORT, when_opened


def test_the_second_process_is_refused(
    nursery: Nursery, recipe: Path, recipe_of: object, dataset: str, tmp_path: Path
) -> None:
    out, refused = tmp_path / "run", tmp_path / "refused"
    waits = f"import time\nwhile not os.path.exists({str(refused)!r}):\n    time.sleep(0.01)"
    first = nursery.start("run", recipe, "--out", out, prelude=when_opened("01/completions", waits) + NO_REPORT)
    assert first.wait_until((out / "rounds" / "00" / "completions").exists)
    before = (out / "manifest.json").read_bytes()
    for resume in ("always", "if-possible"):
        second = nursery.run("run", recipe, "--out", out, "--resume", resume)
        assert second.code == 2
        assert second.sentence == f"Another process is writing {out}; wait for it or choose another --out."
    assert (out / "manifest.json").read_bytes() == before
    assert not first.ended()
    refused.touch()
    ended = first.wait()
    assert ended.code == 0, ended.err
    assert dataset_of(out) == dataset


def test_several_that_start_together(nursery: Nursery, recipe: Path, dataset: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("run", recipe, "--out", out, "--resume", "if-possible")
    all_ended = [command.wait() for command in [nursery.start(*words, prelude=NO_REPORT) for _ in range(4)]]
    assert {ended.code for ended in all_ended} <= {0, 2}
    assert any(ended.code == 0 for ended in all_ended)
    for ended in all_ended:
        if ended.code:
            assert "Another process is writing" in ended.sentence
    assert dataset_of(out) == dataset

"""``synthgen push`` as a shell sees it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import Fault, Hub

from synthgen.cli import main


def shell(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["push", *map(str, arguments)])
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


def test_it_says_what_went_where_and_how_to_load_it(
    hub: Hub, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    code, out, err = shell(capsys, run, "--repo", "jane/imdb", "--private-repo", "--revision", "v2")
    assert (code, err) == (0, "")
    said, url, load = out.splitlines()
    size = sum(len(blob.data) for path, blob in hub.commits("jane/imdb", "v2")[-1].files.items() if path[0] != ".")
    assert said.startswith(f"6 of 6 files, {size:,} bytes, went to jane/imdb, branch v2 (private) in commit ")
    assert url == f"{hub.url}/datasets/jane/imdb/tree/v2"
    assert load == 'load_dataset("jane/imdb", revision="v2", split="train")'
    code, out, err = shell(capsys, run, "--repo", "jane/imdb", "--revision", "v2")
    assert out.splitlines()[0] == "jane/imdb, branch v2 (private) holds all of this run already; no commit was made."


def test_a_dry_run_lists_path_size_hash_and_what_the_hub_has(
    hub: Hub, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = shell(capsys, run, "--repo", "jane/imdb", "--dry-run", "--json")
    dry = json.loads(out)
    assert (code, err, dry["commit"], dry["dry_run"]) == (0, "", None, True)
    shell(capsys, run, "--repo", "jane/imdb")
    (run / "dataset" / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    code, out, err = shell(capsys, run, "--repo", "jane/imdb", "--dry-run")
    for file in dry["files"]:
        if file["path"] in {"train.parquet", "recipe.yaml"}:
            line = next(line for line in out.splitlines() if file["path"] in line)
            assert f"{file['size']:,}" in line
            assert file["sha256"][:8] in line
            assert line.split("│")[4].strip() == "there"
    assert "there, other content" in next(line for line in out.splitlines() if "README.md" in line)
    assert "would be removed" in next(line for line in out.splitlines() if "cartography.png" in line)
    assert out.splitlines()[-1] == "1 of 5 files, 21 bytes, would go to jane/imdb; nothing was written."


def test_a_mistake_is_one_sentence_and_exit_code_2_a_failure_1(
    hub: Hub, run: Path, capsys: pytest.CaptureFixture[str], waits: list[float]
) -> None:
    code, out, err = shell(capsys, run, "--repo", "jane/im db")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "cannot name a repository" in err
    hub.faults = [Fault("commit", status=503, times=1000)]
    code, out, err = shell(capsys, run, "--repo", "jane/imdb")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "run the same command again" in err


@pytest.mark.parametrize(
    "fault", [None, {"status": 403, "says": "Bearer hf_writer"}, {"status": 200, "says": "hf_writer"}]
)
@pytest.mark.parametrize("debug", ["0", "1"])
def test_the_token_is_in_no_output_traceback_or_address(
    hub: Hub, run: Path, tmp_path: Path, fault: dict[str, object] | None, debug: str
) -> None:
    if fault:
        hub.faults = [Fault("preupload", times=1000, **fault)]  # type: ignore[arg-type]
    home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_writer", "HF_DEBUG": debug}
    script = [sys.executable, "-m", "synthgen", "push", str(run), "--repo", "jane/imdb"]
    ran = subprocess.run(
        script, env={**os.environ, **home, "SYNTHGEN_DEBUG": "1"}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == (2 if fault and fault["status"] == 403 else 1 if fault else 0), ran.stderr
    assert "hf_writer" not in ran.stdout + ran.stderr + "".join(hub.asked)
    # HF_DEBUG asks the client to show every request, and is heard.
    assert debug == "1" or ran.stderr.count("\n") == bool(fault), ran.stderr
    for repo in hub.store.repos.values():
        for blob in repo.branches["main"][-1].files.values():
            assert b"hf_writer" not in blob.data

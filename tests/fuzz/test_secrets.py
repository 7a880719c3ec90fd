"""Keys and tokens: planted wherever they may be, and looked for in everything that a run says and writes."""

import os
import subprocess
import sys
import zipfile
import zlib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from re import findall

import pyarrow.parquet as pq
import pytest

from synthgen.cli import main
from synthgen.plms.engines.scripted import default_script
from synthgen.testing import Fault, ScriptedServer

MINE = "sk-mine-0a1b2c3d4e5f"
SECRETS = {
    "MINE_API_KEY": MINE,
    "SYNTHGEN_API_KEY": "sk-any-6a7b8c9d0e1f",
    "OPENAI_API_KEY": "sk-openai-112233445566",
    "HF_TOKEN": "hf_tokentokentokentoken",
    "HUGGING_FACE_HUB_TOKEN": "hf_oldoldoldoldold",
}
PASSWORD = "hunter2-in-the-address"
SMALL = (
    "fusegen --task imdb --profile pocket --samples 12 --rounds 1 --demos 2 --candidates 4 --gold none --out run"
).split()


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_TOKEN"))}
    return subprocess.run(
        [sys.executable, "-m", "synthgen", *SMALL, *arguments],
        cwd=folder, env={**environment, **SECRETS, **more}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def written(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield all that files hold, what is packed in them unpacked."""
    for path in sorted(folder.rglob("*")):
        yield str(path), str(path.relative_to(folder))
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield str(path), data.decode("utf-8", "replace")
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            yield str(path), f"{table.to_pylist()} {table.schema.metadata}"
        if path.suffix == ".html":
            for packed in findall(rb"[A-Za-z0-9+/]{60,}={0,2}", data):
                try:
                    yield str(path), zlib.decompress(b64decode(packed)).decode("utf-8", "replace")
                except (ValueError, zlib.error):
                    continue
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as held:
                for name in held.namelist():
                    yield f"{path}/{name}", held.read(name).decode("utf-8", "replace")


def assert_kept(folder: Path, ran: subprocess.CompletedProcess[str], *others: str) -> None:
    places = [("stdout", ran.stdout), ("stderr", ran.stderr), *written(folder)]
    told = [(where, secret) for where, said in places for secret in (*SECRETS.values(), *others) if secret in said]
    assert told == []


def test_a_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text(f"the key is {MINE}", encoding="utf-8")
    with pytest.raises(AssertionError):
        assert_kept(tmp_path, subprocess.CompletedProcess([], 0, "", ""))


def test_a_run_with_keys_everywhere(tmp_path: Path) -> None:
    """The server repeats the key that it was given in every text it writes."""
    script = lambda request: f"{default_script(request)} The key is {MINE}, and {SECRETS['HF_TOKEN']}."  # noqa: E731
    with ScriptedServer(models=["mine"], api_key=MINE, script=script) as server:
        ran = run(tmp_path, "--plms", f"mine={server.url}")
    assert ran.returncode == 0, ran.stderr
    assert "The key is …" in (tmp_path / "run" / "rounds" / "00" / "samples.jsonl").read_text(encoding="utf-8")
    assert_kept(tmp_path, ran)


def test_a_key_that_is_refused(tmp_path: Path) -> None:
    """The server's refusal repeats the key."""
    with ScriptedServer(models=["mine"], api_key="another") as server:
        ran = run(tmp_path, "--plms", f"mine={server.url}", SYNTHGEN_DEBUG="1")
    assert ran.returncode == 2
    assert "MINE_API_KEY" in ran.stderr
    assert_kept(tmp_path, ran)


def test_a_run_that_fails_on_the_way(tmp_path: Path) -> None:
    with ScriptedServer(models=["mine"], api_key=MINE, faults=[Fault("500")]) as server:
        ran = run(tmp_path, "--plms", f"mine={server.url}")
        assert server.seen
    assert ran.returncode == 1
    assert_kept(tmp_path, ran)


ADDRESSES = [
    f"mine=http://me:{PASSWORD}@127.0.0.1:9/v1",
    f"mine=http://127.0.0.1:9/v1?key={PASSWORD}",
    f"mine=http://127.0.0.1:9/v1#{PASSWORD}",
    f"mine=m@http://{PASSWORD}@127.0.0.1:9/v1",
    f"mine=ftp://me:{PASSWORD}@127.0.0.1:9/v1",
    f"mine=http://me:{PASSWORD}@[127.0.0.1/v1",
]
SETTINGS = ["environment.MY_TOKEN", "environment.aws_secret", "flags.api-key", "flags.api_key"]


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--plms", spec] for spec in ADDRESSES),
        *(["--plms", "gpt2", "--set", f"serving.gpt2.{name}={PASSWORD}"] for name in SETTINGS),
        ["--plms", "mine", "--endpoint", f"https://{PASSWORD}@127.0.0.1:9/v1"],
    ],
    ids=[*(spec.replace(PASSWORD, "PASSWORD") for spec in ADDRESSES), *SETTINGS, "--endpoint"],
)
def test_a_password_on_the_command_line_is_refused_and_not_repeated(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    with pytest.raises(SystemExit) as ended:
        main([*SMALL, *arguments])
    shown = capfd.readouterr()
    assert ended.value.code == 2
    assert "Error: " in shown.err
    assert_kept(tmp_path, subprocess.CompletedProcess([], 2, shown.out, shown.err), PASSWORD)
    assert [*tmp_path.iterdir()] == []

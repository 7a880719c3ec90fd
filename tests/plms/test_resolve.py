"""What a name on the command line means, and that nothing a person may type is answered with a traceback."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM, catalog
from synthgen.plms.resolve import LONGEST, resolve_plm, resolve_plms

URL = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("spec", "name", "model", "urls"),
    [
        (f"mine={URL}", "mine", "", (URL,)),
        (f"mine=org/model@{URL}", "mine", "org/model", (URL,)),
        (f"mine=llama3.1:8b@{URL}", "mine", "llama3.1:8b", (URL,)),
        (f"llama3.1:8b@{URL}", "llama3.1-8b", "llama3.1:8b", (URL,)),
        (f"org/Some.Model@{URL}/", "Some.Model", "org/Some.Model", (URL,)),
        (URL, "server", "", (URL,)),
        (f" mine = {URL}/ ", "mine", "", (URL,)),
        ("https://host/", "server", "", ("https://host",)),
        ("six=http://[::1]:8000/v1", "six", "", ("http://[::1]:8000/v1",)),
        ("http://[::1]:8000/v1", "server", "", ("http://[::1]:8000/v1",)),
        ("m@http://host/v1/a=b", "m", "m", ("http://host/v1/a=b",)),
        ("http://host/v1/a=b", "server", "", ("http://host/v1/a=b",)),
        ("mine=http://host/v1?", "mine", "", ("http://host/v1",)),
        (f"mine=a=b@{URL}", "mine", "a=b", (URL,)),
    ],
)
def test_addresses(spec: str, name: str, model: str, urls: tuple[str, ...]) -> None:
    (plm,) = resolve_plms([spec], "pocket")
    assert (plm.name, plm.model, plm.urls, plm.size) == (name, model, urls, "endpoint")


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("mine=http://", "must look like"),
        ("http://[::1", "must look like"),
        ("mine=http://[::1/v1", "must look like"),
        ("mine=http://host:port/v1", "must look like"),
        ("mine=http://host:99999/v1", "must look like"),
        ("http://℀.example/v1", "must look like"),
        ("mine=http://host/v1#there", "carries a user, a password, a query or a fragment"),
        ("mine=http://@host/v1", "carries a user"),
        (f"two words@{URL}".replace("http", "ftp"), "There is no PLM"),
        ("", "There is no PLM ''"),
        ("mine=", "There is no PLM ''"),
        ("llma2", "did you mean llama2"),
        ("llama2:huge", "llama2 has no size 'huge'; it has pocket, paper"),
        ("a/b/c", "There is no PLM 'a/b/c'"),
        ("/b", "There is no model folder /b"),
        ("mine=~/no/such/folder", "There is no model folder ~/no/such/folder"),
        ("pocket/gpt2", "There is no PLM 'pocket/gpt2'"),
        ("x" * 5000, "There is no PLM"),
    ],
)
def test_what_is_no_plm_is_said_in_one_sentence(spec: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        resolve_plms([spec], "pocket")


@pytest.mark.parametrize(
    "spec",
    [
        "mine=http://hunter2:x@host/v1",
        "mine=http://x:hunter2@host/v1",
        "http://x:hunter2@host/v1",
        "mine=http://host/v1?key=hunter2",
        "HTTP://x:hunter2@host/v1",
        "mine=ftp://x:hunter2@host/v1",
        "mine=model@https://x:hunter2@host/v1",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(spec: str) -> None:
    for specs, endpoints in (([spec], []), (["llama2"], [spec.partition("=")[2] or spec])):
        with pytest.raises(UserError) as error:
            resolve_plms(specs, "pocket", endpoints=endpoints)
        assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "a b", "a\tb", "-x", "…", "a:b", "all", "n" * (LONGEST + 1)])
def test_names_that_make_bad_file_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot name a PLM"):
        resolve_plms([f"{name}=gpt2"], "pocket")


def test_several_addresses_under_one_name_share_the_load() -> None:
    specs = ["mine=m@http://a/v1", "gpt2", "mine=m@http://b/v1", "mine=m@http://a/v1/"]
    mine, gpt2 = resolve_plms(specs, "pocket")
    assert (mine.name, mine.urls) == ("mine", ("http://a/v1", "http://b/v1"))
    assert gpt2.urls == ()


@pytest.mark.parametrize(
    ("specs", "other"),
    [
        (["mine=m@http://a/v1", "mine=n@http://b/v1"], "other=n@http://b/v1"),
        (["mine=http://a/v1", "mine=gpt2"], "other=gpt2"),
        (["gpt2", "gpt2:paper"], "other=gpt2:paper"),
        (["a/same", "b/same"], "other=b/same"),
    ],
)
def test_two_plms_of_one_name_are_told_apart_by_the_advice_given(specs: list[str], other: str) -> None:
    with pytest.raises(UserError) as error:
        resolve_plms(specs, "pocket")
    assert str(error.value).endswith(f"--plms {other}.")
    assert len(resolve_plms([specs[0], other], "pocket")) == 2


def test_endpoints_serve_every_plm_that_has_no_address_of_its_own() -> None:
    both = ("http://a/v1", "http://b/v1/")
    specs = ["llama2", "flan-t5", "qwen3:8b", "x=org/model", "gpt-4o", "own=http://c/v1"]
    found = {plm.name: plm for plm in resolve_plms(specs, "pocket", endpoints=both)}
    assert {name: plm.model for name, plm in found.items()} == {
        "llama2": "meta-llama/Llama-2-7b-chat-hf",
        "flan-t5": "google/flan-t5-xl",
        "qwen3-8b": "qwen3:8b",
        "x": "org/model",
        "gpt-4o": "gpt-4o",
        "own": "",
    }
    assert found.pop("own").urls == ("http://c/v1",)
    assert {plm.urls for plm in found.values()} == {("http://a/v1", "http://b/v1")}
    assert found["llama2"].chat
    with pytest.raises(UserError, match=r"must begin with http:// or https://"):
        resolve_plms(["llama2"], "pocket", endpoints=["ftp://host/v1"])


@pytest.mark.parametrize("profile", ["pocket", "paper"])
def test_a_family_without_the_profiles_size_takes_its_smallest(profile: Any) -> None:
    for family, sizes in catalog().items():
        plm = resolve_plm(family, profile)
        smallest = min(sizes.values(), key=lambda entry: entry.memory)
        assert plm.model == (sizes[profile].model if profile in sizes else smallest.model)
    assert resolve_plm("qwen3", "pocket").size == "small"


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in ("plain", "my model", "gpt2"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").write_text("")
    names = {spec: (resolve_plms([spec], "pocket")[0]) for spec in ("plain", "./my model/", "./gpt2", "~/plain", ".")}
    assert {spec: plm.name for spec, plm in names.items()} == {
        "plain": "plain",
        "./my model/": "my-model",
        "./gpt2": "gpt2",
        "~/plain": "plain",
        ".": tmp_path.name,
    }
    assert all(plm.size == "local" and Path(plm.model).is_dir() for plm in names.values())
    assert resolve_plm("gpt2", "pocket").size == "pocket"
    with pytest.raises(UserError, match="no model folder"):
        resolve_plm("./file", "pocket")


def test_what_the_user_sets_wins_over_the_catalog() -> None:
    serving: dict[str, dict[str, Any]] = {
        "all": {"max_model_len": 1000, "flags": {"seed": 1}},
        "llama2": {"chat": False, "max_model_len": 500},
    }
    llama2, opt = resolve_plms(["llama2:paper", "opt:paper"], "pocket", serving=serving)
    assert (llama2.context, llama2.chat, llama2.flags) == (500, False, {"seed": 1})
    assert (opt.context, opt.chat) == (1000, False)
    (glm,) = resolve_plms(["chatglm3:paper"], "pocket", serving={"chatglm3": {"flags": {"x": 1}, "revision": "v1"}})
    assert glm.flags == {"hf_overrides": {"tie_word_embeddings": False}, "x": 1}
    assert glm.revision == "v1"
    (plain,) = resolve_plms(["llama2:paper"], "pocket")
    (wide,) = resolve_plms(["llama2:paper"], "pocket", serving={"llama2": {"dtype": "float32"}})
    (said,) = resolve_plms(["llama2:paper"], "pocket", serving={"llama2": {"dtype": "float32", "memory": 9}})
    assert plain.memory is not None
    assert (wide.memory, said.memory) == (2 * plain.memory, 9)


SIGNS = [":", "@", "[", "]", "/", "//", ".", "~", "?", "#", "%", "=", " ", "\0", "\n", "℀", ":80", "[::1]", "h"]
WORDS = ["http://", "https://", "HTTP://", "ftp://", "llama2", "gpt2:", ":paper", "org/model", "pocket/", "all"]
PIECES = st.sampled_from(SIGNS + WORDS)
SPECS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=6).map("".join))


@given(st.lists(SPECS, min_size=1, max_size=3), st.lists(SPECS, max_size=1), st.sampled_from(["pocket", "paper"]))
def test_resolving_is_total(specs: list[str], endpoints: list[str], profile: Any) -> None:
    try:
        plms = resolve_plms(specs, profile, endpoints=endpoints)
    except UserError:
        return
    assert len({plm.name for plm in plms}) == len(plms)
    assert all(isinstance(plm, PLM) and (plm.model or plm.urls) for plm in plms)
    assert all(url.startswith(("http://", "https://")) for plm in plms for url in plm.urls)
    assert not any(Path(plm.name).name != plm.name for plm in plms)

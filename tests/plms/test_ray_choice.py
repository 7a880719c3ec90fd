"""What runs on a cluster, and what needs none."""

import os

import pytest
import typer
from typer.testing import CliRunner

from synthgen.cli.options import RayAddress
from synthgen.errors import UserError
from synthgen.plms.arrange import arrange
from synthgen.plms.catalog import PLM
from synthgen.plms.choose import choose_engine
from synthgen.plms.engines.ray.cluster import Capacity
from synthgen.plms.engines.ray.llm import Replicas, engine_settings, replicas
from synthgen.plms.resolve import resolve_plm
from synthgen.plms.serving import Serving

HUB = PLM("mine", "org/mine", "hub")


@pytest.mark.parametrize(
    ("plm", "wanted", "engine"),
    [
        (HUB, "ray", "ray"),
        (HUB, "ray:vllm", "ray:vllm"),
        (HUB, "ray:transformers", "ray:transformers"),
        (HUB, "ray:scripted", "ray:scripted"),
        (PLM("t5", "org/t5", "hub", engine="transformers"), "ray:vllm", "ray:transformers"),
        (PLM("big", "org/big", "hub", engine="vllm"), "ray", "ray:vllm"),
        (resolve_plm("llama2", "pocket"), "ray", "ray:transformers"),
        (PLM("far", "far", "endpoint", urls=("http://there",)), "ray", "server"),
        (PLM("past", "pool", "pool"), "ray", "pool"),
    ],
)
def test_each_plm_gets_what_can_run_it(plm: PLM, wanted: str, engine: str) -> None:
    assert choose_engine(plm, wanted, gpu=False).engine == engine


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="vLLM only"):
        choose_engine(PLM("big", "org/big", "hub", engine="vllm"), "ray:transformers", gpu=False)
    with pytest.raises(UserError, match="trust_remote_code=true"):
        choose_engine(PLM("odd", "org/odd", "hub", remote_code=True), "ray", gpu=False)
    with pytest.raises(UserError, match="no engine 'ray:trasformers'"):
        choose_engine(HUB, "ray:trasformers", gpu=False)


def test_those_on_a_cluster_are_up_together_and_share_it() -> None:
    huge = [PLM(f"huge{n}", f"org/{n}", "hub", memory=5000.0) for n in range(3)]
    hosted = PLM("far", "far", "endpoint", urls=("http://there",))
    (group,) = arrange([*huge, hosted], "ray", look=False).groups
    assert [group.slots[plm.name].share for plm in huge] == [pytest.approx(1 / 3)] * 3
    assert group.slots["far"].share is None


@pytest.mark.parametrize(
    ("gpus", "share", "each", "count"), [(64, 1 / 6, 1, 10), (64, 1 / 6, 4, 2), (1, 1.0, 1, 1), (8, 1.0, 8, 1)]
)
def test_replicas_fill_a_share(gpus: float, share: float, each: int, count: int) -> None:
    plm = PLM("big", "org/big", "hub", serving=Serving(tensor_parallel_size=each))
    assert replicas(plm, Capacity(64.0, gpus, 8), share) == Replicas(count, each)


def test_too_few_gpus_are_refused() -> None:
    with pytest.raises(UserError, match="wants 1 GPUs"):
        replicas(HUB, Capacity(64.0, 4, 1), 1 / 6)
    spread_out = PLM("big", "org/big", "hub", serving=Serving(tensor_parallel_size=8))
    with pytest.raises(UserError, match="8 GPUs of one node; the cluster's have 4 at most"):
        replicas(spread_out, Capacity(64.0, 16, 4), 1.0)


def test_what_the_user_sets_reaches_vllm() -> None:
    serving = Serving(max_model_len=512, dtype="float16", flags={"enable-prefix-caching": False})
    settings = engine_settings(PLM("big", "org/big", "hub", serving=serving), Replicas(2, 2), 4096)
    assert settings["max_model_len"] == 512
    assert settings["dtype"] == "float16"
    assert settings["enable_prefix_caching"] is False
    assert settings["tensor_parallel_size"] == 2
    assert "trust_remote_code" not in settings


def test_the_address_goes_where_ray_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "before:1")
    app = typer.Typer()

    @app.command()
    def tried(ray_address: RayAddress = None) -> None:
        typer.echo(f"{ray_address} {os.environ['RAY_ADDRESS']}")

    assert CliRunner().invoke(app, []).output == "None before:1\n"
    assert CliRunner().invoke(app, ["--ray-address", "head:6379"]).output == "None head:6379\n"

"""vLLM behind Ray Data: real replicas of a bundled PLM, on the CPU, in the environment that has both."""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.vllm

SCRIPT = """
import json
from pathlib import Path

from synthgen.plms.engines import open_engine
from synthgen.plms.engines.vllm.flags import Slot
from synthgen.plms.resolve import resolve_plm
from synthgen.records import Request, Sampling

PROMPTS = ['A review reads: "', 'a much longer prompt, with two films and more than that, reads: "']
sampling = Sampling(max_tokens=30)
asked = [Request(f"r{n}", "llama2", 0, "positive", PROMPTS[n % 2], 7 + n, sampling) for n in range(24)]
engine = open_engine(resolve_plm("llama2", "pocket"), "ray:vllm", slot=Slot(), log=Path(), tell=lambda seconds: None)
rows = [(one.request, one.text, one.finish, one.prompt_tokens, one.completion_tokens) for one in engine.generate(asked)]
engine.close()
print(json.dumps(rows))
"""


def test_every_request_is_answered_as_it_was_asked(interpreter: str, tmp_path: Path) -> None:
    has_ray = subprocess.run([interpreter, "-c", "import ray.data.llm, vllm"], capture_output=True, check=False)
    if has_ray.returncode:
        pytest.skip("the environment that has vLLM has no Ray; make test-vllm makes one that has both")
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    ran = subprocess.run(
        [interpreter, "-c", SCRIPT],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    rows = {name: rest for name, *rest in json.loads(ran.stdout.splitlines()[-1])}
    assert set(rows) == {f"r{n}" for n in range(24)}
    for text, finish, read, wrote in rows.values():
        assert finish in {"stop", "length"}
        assert '"' not in text
        assert 0 < wrote <= 30
        assert wrote == 30 or finish == "stop"
        assert read > 0
    assert len({rest[0] for rest in rows.values()}) > 12
    assert rows["r0"][2] < rows["r1"][2]

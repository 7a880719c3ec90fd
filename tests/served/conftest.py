import pytest

from synthgen.plms.engines.vllm.find import vllm_python


@pytest.fixture(autouse=True, scope="session")
def interpreter() -> str:
    """The interpreter that has a real vLLM; `make test-vllm` makes one."""
    python = vllm_python()
    if python is None:
        pytest.skip("no vLLM here; make test-vllm installs one and runs these")
    return python

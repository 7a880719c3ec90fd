import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A shared machine may be slow; a test's worth is in what it finds, not in how fast it finds it.
settings.register_profile("synthgen", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("synthgen")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the checkout; tests that need it are skipped, visibly, where it is absent."""
    path = Path(os.environ.get("SYNTHGEN_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no test data at {path}")
    return path

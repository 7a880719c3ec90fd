import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from synthgen.privacy.parties import Records
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import quantised
from synthgen.recipe import Privacy
from synthgen.seeds import derive_seed

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


class TinyEmbedder:
    """Sums of fixed random directions of the words: the same text, the same row, alone or not."""

    name = "tiny"

    def __init__(self, dimensions: int = 24) -> None:
        self.dimensions = dimensions
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], *, alone: bool = False) -> NDArray[np.float32]:
        self.encoded += texts
        rows = [sum((self._word(word) for word in text.lower().split()), self._word("")) for text in texts]
        table = np.array(rows).reshape(len(texts), self.dimensions)
        return np.asarray(table / np.linalg.norm(table, axis=1, keepdims=True), dtype=np.float32)

    def _word(self, word: str) -> NDArray[np.float64]:
        return np.random.default_rng(derive_seed(word)).normal(size=self.dimensions)


@pytest.fixture
def tiny_embedder() -> TinyEmbedder:
    return TinyEmbedder()


@pytest.fixture
def make_vault(tmp_path: Path, tiny_embedder: TinyEmbedder) -> Callable[..., Vault]:
    """Return a function that makes an opened vault of (text, label id) records, one list a party."""

    def make(*parties: list[tuple[str, int]], run: Path | None = None, opened: bool = True, **privacy: Any) -> Vault:
        texts = [text for party in parties for text, _ in party]
        records = Records(
            quantised(tiny_embedder.encode(texts, alone=True)),
            np.array([label for party in parties for _, label in party]),
            np.repeat(np.arange(len(parties)), [len(party) for party in parties]),
            len(parties),
        )
        vault = Vault(records, tiny_embedder, Privacy(**privacy), seed=0)
        if opened:
            vault.open(run or tmp_path / "run")
        return vault

    return make


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """Start a cluster of one node with two CPUs, join it at its address, and yield it: tests may add nodes to it."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster
    from ray.data import DataContext

    from synthgen.plms.engines.ray.cluster import VARIABLE, member

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`use_", DeprecationWarning)  # Ray's defaults warn of Ray's settings
        DataContext.get_current()
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 2, "object_store_memory": 150 * 2**20, "include_dashboard": False},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, cluster.address)
        with member():
            yield cluster
    cluster.shutdown()

"""The vault: on record before it is used, asked once, and mute about what it holds."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthgen.errors import SynthgenError
from synthgen.privacy.ballots import Ballots
from synthgen.privacy.directions import Directions
from synthgen.privacy.parties import Records
from synthgen.privacy.vault import Vault
from synthgen.privacy.voting import quantised
from synthgen.recipe import Privacy
from synthgen.records import Sample

MakeVault = Callable[..., Vault]
PARTY = [("a film that glows", 0), ("a film that drags", 1), ("songs and joy", 0), ("mud and gloom", 1)]


def samples(count: int = 12) -> list[Sample]:
    words = "glow joy mud gloom film song drag long sweet dull".split()
    return [
        Sample(f"s{n}", f"{words[n % 10]} {words[(3 * n + 1) % 10]} {n}", "ab"[n % 2], "plm", 0, f"r{n}")
        for n in range(count)
    ]


def labels(made: list[Sample]) -> Any:
    return np.array(["ab".index(sample.label) for sample in made])


def ballots(vault: Vault, **settings: Any) -> Ballots:
    return Ballots(vault, **{"votes": 3, "design": "signed", "releases": 2, **settings})


def votes_file(run: Path, round: int = 0) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((run / "rounds" / f"{round:02d}" / "votes.json").read_text())
    return loaded


def test_a_release_is_charged_recorded_and_recalled(make_vault: MakeVault, tmp_path: Path) -> None:
    made = samples()
    vault = make_vault(PARTY)
    first = ballots(vault).cast(0, made, labels(made))
    assert votes_file(tmp_path / "run")["releases"]["votes"]["values"] == first.good.tolist()
    again = ballots(make_vault(PARTY)).cast(0, made, labels(made))
    assert again.good.tolist() == first.good.tolist(), "the noise of a resumed run is that of the run"
    other = ballots(make_vault(PARTY, run=tmp_path / "other")).cast(0, made, labels(made))
    assert other.good.tolist() != first.good.tolist(), "the noise of another run is not, though the seed is the same"


def test_noise_from_the_seed_is_the_same_twice(make_vault: MakeVault, tmp_path: Path) -> None:
    made = samples()
    cast = [
        ballots(make_vault(PARTY, run=tmp_path / name, noise="insecure-test")).cast(0, made, labels(made)).good.tolist()
        for name in ("a", "b")
    ]
    assert cast[0] == cast[1]


def test_one_release_more_than_planned_is_refused(make_vault: MakeVault) -> None:
    made = samples()
    series = ballots(make_vault(PARTY))
    series.cast(0, made, labels(made))
    series.cast(1, made, labels(made))
    with pytest.raises(SynthgenError, match="would spend"):
        series.cast(2, made, labels(made))


def test_other_samples_under_the_same_release_are_refused(make_vault: MakeVault) -> None:
    made = samples()
    ballots(make_vault(PARTY)).cast(0, made, labels(made))
    with pytest.raises(SynthgenError, match="other samples"):
        ballots(make_vault(PARTY)).cast(0, made[:-1], labels(made[:-1]))


def test_votes_without_their_ledger_are_refused(make_vault: MakeVault, tmp_path: Path) -> None:
    made = samples()
    ballots(make_vault(PARTY)).cast(0, made, labels(made))
    (tmp_path / "run" / "ledger.json").unlink()
    with pytest.raises(SynthgenError, match="missing"):
        make_vault(PARTY)


def test_a_release_that_a_crash_left_half_named_is_adopted_and_a_torn_one_refused(
    make_vault: MakeVault, tmp_path: Path
) -> None:
    made = samples()
    first = ballots(make_vault(PARTY)).cast(0, made, labels(made))
    path = tmp_path / "run" / "rounds" / "00" / "votes.json"
    whole = path.read_text()
    path.rename(path.with_name(".votes.json.partial"))
    assert ballots(make_vault(PARTY)).cast(0, made, labels(made)).good.tolist() == first.good.tolist()
    path.unlink()
    path.with_name(".votes.json.partial").write_text(whole[: len(whole) // 2])
    with pytest.raises(SynthgenError, match="cut short"):
        make_vault(PARTY)


def test_a_charge_without_a_record_was_never_seen_and_is_made_once_more(
    make_vault: MakeVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between charge and noise loses nothing."""
    made = samples()

    class CrashError(BaseException):
        pass

    def crash(*given: Any) -> Any:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr("synthgen.privacy.vault._summed", crash)
        with pytest.raises(CrashError):
            ballots(make_vault(PARTY)).cast(0, made, labels(made))
    ballots(make_vault(PARTY)).cast(0, made, labels(made))
    assert len(json.loads((tmp_path / "run" / "ledger.json").read_text())["releases"]) == 1


def test_a_release_whose_outcome_is_lost_is_not_made_again(make_vault: MakeVault, tmp_path: Path) -> None:
    """Or its noise could be averaged away, at no charge."""
    made = samples()
    ballots(make_vault(PARTY)).cast(0, made, labels(made))
    (tmp_path / "run" / "rounds" / "00" / "votes.json").unlink()
    with pytest.raises(SynthgenError, match="its outcome is lost"):
        ballots(make_vault(PARTY)).cast(0, made, labels(made))


def test_no_text_is_embedded_twice(make_vault: MakeVault, tiny_embedder: Any) -> None:
    made = samples()
    vault = make_vault(PARTY)
    series = ballots(vault)
    series.cast(0, made[:8], labels(made[:8]))
    series.cast(1, made, labels(made))
    assert [text for text in tiny_embedder.encoded if text == made[0].text] == [made[0].text]


def test_parties_are_summed_and_each_adds_its_share(make_vault: MakeVault, tmp_path: Path) -> None:
    """The sum over parties is that of one party with all samples; its noise is what the honest ones add, or more."""
    made = samples()
    vault = make_vault(PARTY[:2], PARTY[2:], enabled=False, epsilon=math.inf)
    alone = make_vault(PARTY, run=tmp_path / "alone", enabled=False, epsilon=math.inf)
    assert (
        ballots(vault).cast(0, made, labels(made)).good.tolist()
        == ballots(alone).cast(0, made, labels(made)).good.tolist()
    )
    many = [[("a film that glows", 0)], *([("mud", 1)] for _ in range(3))]
    noised = make_vault(*many, run=tmp_path / "many", missing=0.5)
    assert noised.honest == 2
    assert make_vault(*many, run=tmp_path / "all").honest == 3, "a party knows its own noise"
    zeros: list[float] = []
    for number in range(2):
        zeros += noised.release_vector(
            number, "zeros", lambda records: np.zeros((4, 4000)), sensitivity=1.0, sigma=noised.sigma(1.0, 2), detail={}
        ).tolist()
    # Four shares of which two suffice: the variance is twice what the promise needs; s.e. of the ratio 0.032.
    assert np.var(zeros) / noised.sigma(1.0, 2) ** 2 == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("adjacency", ["add-remove", "replace-one"])
def test_a_partys_votes_are_clipped(make_vault: MakeVault, adjacency: str) -> None:
    """A crowd that agrees is cut to the clip; nobody is enlarged; and the noise covers a whole party."""
    made = samples()
    crowd = [("a film that glows", 0)] * 50
    vault = make_vault(crowd, PARTY[:1], unit="party", clip=1.0, adjacency=adjacency)
    for series, one in ((ballots(vault), 2 * (1 + 1 / 4 + 1 / 16)), (Directions(vault, n_labels=2), None)):
        lengths: list[float] = []

        def measured(records: Records, series: Any = series, lengths: Any = lengths) -> Any:
            if isinstance(series, Directions):
                parts = series._by_party(records)
            else:
                parts = series._by_party(records, series._electorate.facing(records, made, labels(made)))
            lengths += [float(np.linalg.norm(part)) for part in parts]
            return parts

        name = type(series).__name__
        vault.release_vector(0, name, measured, sensitivity=series.sensitivity, sigma=series.sigma * 2, detail={})
        most = one**0.5 if one else 4000 + 24**0.5 / 2
        assert lengths[0] == pytest.approx(most, rel=0.01)
        assert max(lengths) <= most * (1 + 1e-9)
        assert series.sensitivity == pytest.approx(most * (2 if adjacency == "replace-one" else 1))


def test_the_sums_are_released_once_and_point_at_the_private_samples(make_vault: MakeVault, tmp_path: Path) -> None:
    made = [*samples(10), Sample("near", "a film that glows", "a", "plm", 0, "r")]
    exact = Directions(make_vault(PARTY, enabled=False, epsilon=math.inf), n_labels=2)
    close = exact.closeness(made, labels(made))
    embedder = exact._vault.embedder
    rows, private = embedder.encode([one.text for one in made]), embedder.encode([text for text, _ in PARTY])
    cosines = [
        sum(row @ other for other, (_, label) in zip(private, PARTY, strict=True) if label == own)
        for row, own in zip(rows, labels(made), strict=True)
    ]
    assert close == pytest.approx(np.array(cosines), abs=2e-3)
    vault = make_vault(PARTY * 500, run=tmp_path / "noised")
    direction = Directions(vault, n_labels=2)
    noised = direction.closeness(made, labels(made))
    assert noised / 500 == pytest.approx(close, abs=0.1)
    more = direction.closeness(made[:4], labels(made[:4]))
    assert more.shape == (4,)
    assert len(json.loads((tmp_path / "noised" / "ledger.json").read_text())["releases"]) == 1
    with pytest.raises(SynthgenError, match="would spend"):
        ballots(vault).cast(0, made, labels(made))


@given(st.integers(1, 8), st.data())
def test_one_record_moves_the_sums_by_its_length_at_most(n_labels: int, data: st.DataObject) -> None:
    seeds = data.draw(st.lists(st.tuples(st.integers(0, 99), st.integers(0, n_labels - 1)), min_size=1, max_size=6))
    other = data.draw(st.tuples(st.integers(0, 99), st.integers(0, n_labels - 1)))

    def sums(rows: list[tuple[int, int]], adjacency: Any) -> Any:
        made = np.stack([np.random.default_rng(seed).normal(size=7) for seed, _ in rows])
        unit = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
        ids = np.array([label for _, label in rows])
        records = Records(quantised(unit), ids, np.zeros(len(rows), dtype=np.int64), 1)
        vault = Vault(records, None, Privacy(adjacency=adjacency), seed=0)  # type: ignore[arg-type]
        direction = Directions(vault, n_labels=n_labels)
        return direction._by_party(records)[0], direction.sensitivity

    for adjacency, neighbour in (("add-remove", [*seeds, other]), ("replace-one", [other, *seeds[1:]])):
        (here, bound), (there, _) = sums(seeds, adjacency), sums(neighbour, adjacency)
        assert np.linalg.norm(here - there) <= bound


def test_nothing_that_fails_inside_tells_what_was_inside(make_vault: MakeVault) -> None:
    vault = make_vault(PARTY)

    def fails(records: Records) -> Any:
        raise ValueError(f"canary {records.embeddings}")

    with pytest.raises(SynthgenError, match="ValueError") as caught:
        vault.release_vector(0, "x", fails, sensitivity=1.0, sigma=vault.sigma(1.0, 1), detail={})
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None
    assert "glow" not in repr(vault) + repr(vault._records)


def test_looking_without_protection_needs_leave(make_vault: MakeVault, tmp_path: Path) -> None:
    with pytest.raises(SynthgenError, match="--no-privacy"):
        make_vault(PARTY).look(len)
    open_one = make_vault(PARTY, run=tmp_path / "open", enabled=False)
    assert open_one.look(lambda records: len(records.labels)) == len(PARTY)

import json
import re
import zlib
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporting import dynamics, sample_rows

from synthgen.errors import UserError
from synthgen.privacy.accounting import gaussian_epsilon
from synthgen.report import embed
from synthgen.report.embed import json_block, scripts
from synthgen.report.evidence import Evidence, read_evidence
from synthgen.report.feedback import OPEN, rounds_of_feedback
from synthgen.report.points import PIECE, packed_points, packed_texts, plain
from synthgen.report.spending import budget, plm_weights, votes_by_plm
from synthgen.report.wording import clean
from synthgen.report.write import publishable
from synthgen.runs.sample_table import SampleTable


def unpacked(text: str) -> bytes:
    return zlib.decompress(b64decode(text))


def test_columns_hold_names_and_shares():
    learned = dynamics(["b", "a"], 20)
    samples = sample_rows(learned)
    samples[0]["attribute"] = "food"
    samples[1]["weight"] = 0.0
    points = packed_points(samples, learned.slice(0, 15))
    place = np.frombuffer(unpacked(points["columns"]["plm"]), "<u2")
    assert [points["names"]["plm"][one] for one in place] == [sample["plm"] for sample in samples]
    confidence = np.frombuffer(unpacked(points["columns"]["confidence"]), "<u2")
    assert confidence[15:].tolist() == [65535] * 5
    assert confidence[:15] / 65534 == pytest.approx(learned["confidence"].to_numpy()[:15], abs=1e-5)
    assert np.frombuffer(unpacked(points["columns"]["weight"]), "<f4")[:3].tolist() == [1, 0, 1]
    assert np.frombuffer(unpacked(points["columns"]["attribute"]), "<u2")[:2].tolist() == [0, 65535]


@pytest.mark.parametrize("n", [0, 1, PIECE, PIECE + 1])
def test_texts_come_back_by_place(n):
    samples = [{"id": f"s{i}", "text": f"Text {i}.", **({"text_pair": "B"} if i % 2 else {})} for i in range(n)]
    pieces = [json.loads(unpacked(piece)) for piece in packed_texts(samples)]
    assert [len(piece) for piece in pieces[:-1]] == [PIECE] * (len(pieces) - 1)
    assert [row for piece in pieces for row in piece] == [
        [f"s{i}", f"Text {i}.", *(["B"] if i % 2 else [])] for i in range(n)
    ]


@given(st.text())
def test_plain_is_clean(text):
    assert plain(text) == clean(text)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_block_of_data_holds_the_value_and_no_markup(value):
    block = str(json_block(value))
    assert json.loads(block) == value
    assert block.isascii()
    assert not set("<>&") & set(block)


def test_scripts_of_the_page_cannot_end_their_element():
    library, own = scripts(*(path.name for path in Path(embed.__file__).parent.glob("pages/*.js")))
    for script in (library, own):
        assert not re.search(r"</script|<!--|<script|\r|\beval\(|new Function", script, re.IGNORECASE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write", own)


@pytest.mark.parametrize(("found", "kept"), [({}, 6), ({"private": None}, 6), ({"private": "removed, not counted"}, 4)])
def test_what_was_taken_out_for_private_texts_is_not_on_the_page(found, kept):
    learned = dynamics(["a"], 6)
    samples = sample_rows(learned)
    samples[2]["weight"] = samples[5]["weight"] = 0.0
    shown, rows = publishable(SampleTable.of(samples), learned, {"decontamination": found})
    assert [sample["id"] for sample in shown.rows(range(len(shown)))] == rows["id"].to_pylist()
    assert len(shown) == kept


def test_evidence_is_read_from_the_folder(tmp_path: Path):
    assert read_evidence(tmp_path) == Evidence()
    folder = tmp_path / "rounds" / "01"
    folder.mkdir(parents=True)
    rows = [{"text": f"t{i}", "reason": "duplicate" if i else "too_short", "request": f"r{i}"} for i in range(6)]
    (folder / "rejected.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "votes.json").write_text(json.dumps({"releases": {}, "plm_weights": {"a": 1.0}}))
    found = read_evidence(tmp_path)
    assert found.rejected == {1: {"duplicate": 5, "too_short": 1}}
    assert [row["text"] for row in found.examples["duplicate"]] == ["t1", "t2", "t3"]
    assert plm_weights(found.votes) == {1: {"a": 1.0}}
    (tmp_path / "ledger.json").write_text("[")
    with pytest.raises(UserError, match=r"ledger\.json is damaged"):
        read_evidence(tmp_path)


def test_votes_are_added_up_for_each_plm():
    samples = [{"id": "s", "plm": "a"}, {"id": "t", "plm": "b"}, {"id": "u", "plm": "b"}]
    votes = {
        0: {"releases": {"owners": {"values": [1.5, -2.0]}}},
        1: {"releases": {"votes": {"design": "near", "samples": ["s", "t", "u", "gone"], "values": [1, 2, 3, 9]}}},
        2: {"releases": {"votes": {"design": "two", "samples": ["s", "u"], "values": [5, 4, 1, 2]}}},
        3: {"releases": {"prototype 1 of x": {"chosen": 2}}},
    }
    assert votes_by_plm(votes, ["a", "b"], samples) == {
        0: {"a": 1.5, "b": -2.0},
        1: {"a": 1.0, "b": 5.0},
        2: {"a": 4.0, "b": 2.0},
    }


def test_the_budget_is_that_of_all_releases_up_to_a_round():
    releases = [
        {"name": f"{number:02d} {name}", "mechanism": "gaussian", "cost": 0.5, "detail": {}, "made": True}
        for number, name in ((0, "sums"), (0, "owners"), (2, "owners"))
    ]
    spent = budget({"promised": {"epsilon": 4.0, "delta": 1e-5, "noise": "x"}, "releases": releases})
    assert spent
    assert [(step["round"], step["what"]) for step in spent["steps"]] == [(0, "sums, owners"), (2, "owners")]
    assert spent["steps"][0]["epsilon"] == pytest.approx(gaussian_epsilon(0.5**0.5, 1e-5))
    assert spent["spent"] == pytest.approx(gaussian_epsilon(0.75**0.5, 1e-5))
    assert sum(step["share"] for step in spent["steps"]) == pytest.approx(spent["spent"] / 4)
    assert spent["terms"] == [("noise", "x")]
    choices = [{"name": f"00 choice {i}", "mechanism": "exponential", "cost": 0.01, "detail": {}} for i in range(3)]
    told = budget({"promised": {"epsilon": 4.0, "delta": 1e-5}, "releases": choices})
    assert told
    assert told["steps"][0]["what"] == "3 × choice"
    assert budget(None) is None
    assert budget({"promised": {"epsilon": "inf", "delta": 1e-5}, "releases": choices}) is None


def test_a_rounds_demonstrations_stand_beside_the_next_round():
    samples = [
        {"id": f"s{i}", "text": "t", "label": "ab"[i % 2], "plm": "xyz"[i % 3], "round": i // 6} for i in range(12)
    ]
    evidence = Evidence(rejected={0: {"duplicate": 9}, 1: {"too_short": 2, "duplicate": 5}})
    chosen = [[samples[i] for i in (0, 2, 4, 5, 1, 3)], samples[6:8]]
    first, last = rounds_of_feedback(samples, chosen, evidence, [0.8, 0.85])
    assert [one["id"] for one in first["shown"]] == ["s0", "s5", "s2", "s4"]
    assert [one["id"] for one in first["rest"]] == ["s1", "s3"]
    assert len(first["shown"]) == OPEN
    assert first["led"] == {
        "round": 1,
        "samples": 6,
        "rejected": [("duplicate", 5), ("too_short", 2)],
        "accuracy": 0.85,
        "change": pytest.approx(5),
        "examples": samples[6:9],
    }
    assert last["led"] is None

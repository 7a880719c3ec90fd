"""The comparison of what is shown with what is printed: it lets pass what must differ, and nothing else."""

import pytest
from shown import difference

RUN = "synthgen fusegen --task imdb"


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("Writing runs/a-20261123-035946.", "Writing runs/a-20270101-000000."),
        (
            "Round 0, a: 1 of 2 samples, 0 rejected, 5 tokens/s, 1:57 left.\nRound 0 of 4: 2 so far.",
            "Round 0 of 4: 2 so far.",
        ),
        ("accuracy    66.67 % on 240 gold texts", "accuracy    6.5 % on 240 gold texts  "),
        ("time        generate 9.0 s, evaluate 0.1 s", "time        generate 2 min 9 s,\n            evaluate 0.1 s"),
        ("rejected    43 (too_short 38, unfinished 5)", "rejected    4 (too_short 4)"),
        ("one\n…\nfour", "one\ntwo\nthree\nfour"),
        ("one\n…", "one\ntwo"),
        ("│ a │ 12 GB │", "│ a        │ 9.5 GB    │"),
    ],
)
def test_what_must_differ_may(shown: str, printed: str) -> None:
    assert difference(RUN, shown, printed) is None


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("samples     1,000", "samples     1,001"),
        ("accuracy    66.67 % on 240 gold texts", "accuracy    66.67 % of 240 gold texts"),
        ("one\ntwo", "one"),
        ("one", "one\ntwo"),
        ("one\n…\nfour", "one\ntwo"),
        ("  by label  negative 500, positive 500", "  by label  negative 499, positive 501"),
    ],
)
def test_anything_else_may_not(shown: str, printed: str) -> None:
    assert difference(RUN, shown, printed)


def test_a_table_of_measurements_may_have_other_figures_but_no_other_words() -> None:
    assert difference("synthgen compare a b", "zerogen 1 63.33 +1.25", "zerogen 1 62.08 -1.25") is None
    assert difference("synthgen compare a b", "zerogen 1 63.33", "fusegen 1 63.33")

"""What engines read of requests survives the way to another machine."""

from hypothesis import given
from hypothesis import strategies as st

from synthgen.plms.engines.ray.table import Answer, answered, answers_of, asked, batches_of
from synthgen.prompt import Prompt
from synthgen.records import Completion, Request, Sampling

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
COUNT = st.integers(0, 2**31)
PROMPTS = st.one_of(
    TEXT, st.builds(Prompt, TEXT, st.lists(st.tuples(st.integers(0, 9), st.integers(10, 20)), max_size=3))
)
SAMPLINGS = st.builds(
    Sampling, st.floats(0.1, 2), st.floats(0.1, 1), st.integers(1, 500), TEXT, st.floats(0, 9)
)  # fmt: skip
REQUESTS = st.builds(
    Request,
    id=TEXT,
    plm=TEXT,
    round=st.integers(0, 99),
    label=TEXT,
    prompt=PROMPTS,
    seed=st.integers(0, 2**63 - 1),
    sampling=SAMPLINGS,
    counters=st.lists(PROMPTS, max_size=2).map(tuple),
)
COMPLETIONS = st.builds(Completion, TEXT, TEXT, st.sampled_from(["stop", "length"]), COUNT, COUNT, COUNT, COUNT)


@given(st.lists(st.lists(REQUESTS, max_size=3), max_size=3), st.integers(0, 9))
def test_requests_come_back_as_they_were(batches: list[list[Request]], start: int) -> None:
    found = list(batches_of(asked(batches, start)))
    assert found == list(enumerate(batches, start))
    for (_, back), batch in zip(found, batches, strict=True):
        for one, other in zip(back, batch, strict=True):
            assert spans(one.prompt) == spans(other.prompt)
            assert list(map(spans, one.counters)) == list(map(spans, other.counters))


@given(
    st.lists(st.builds(Answer, st.lists(COMPLETIONS, max_size=3), st.lists(TEXT), st.none() | TEXT, st.none() | TEXT))
)
def test_answers_come_back_as_they_were(answers: list[Answer]) -> None:
    assert list(answers_of(answered(answers))) == answers


def spans(prompt: str) -> tuple[tuple[int, int], ...]:
    return getattr(prompt, "spans", ())

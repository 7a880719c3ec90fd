"""Ask one PLM for its samples of a round: exact quotas, every completion judged, rejected ones asked for again."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from synthgen.curate.curator import Curator
from synthgen.events import Generated, Observer
from synthgen.plms.engines.base import Engine
from synthgen.prompt import Prompt, filled
from synthgen.records import Completion, Rejected, Request, Sample, Sampling
from synthgen.runs.journal import Answered, Journal
from synthgen.seeds import derive_seed
from synthgen.tasks.task import ATTRIBUTE

Keep = Callable[[Sample | Rejected], None]
"""Takes what was judged, in order."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one PLM is asked for in one round: ``quota`` samples a label, with the label's ``prompts`` in turn.

    ``drawn`` are the values, by name, that the prompts' gaps are filled with; ``before`` counts, by label, the samples
    that come before this order's.
    """

    plm: str
    round: int
    quota: Mapping[str, int]
    prompts: Mapping[str, Sequence[str]]
    sampling: Sampling
    drawn: Mapping[str, Sequence[str]] = field(default_factory=dict)
    before: Mapping[str, int] = field(default_factory=dict)

    def draw(self, label: str, serial: int, place: int, seed: int) -> dict[str, str]:
        """Return what the label's request number ``serial`` is given: one of each of ``drawn``, in turn.

        A first sentence is the same for the requests of one number of all labels, and another one where it is asked
        again. An attribute belongs to a ``place`` in the quota, and stays with it until there is a sample; attributes
        go on from PLM to PLM and from round to round, and begin with another one for each label.
        """
        starts = {ATTRIBUTE: derive_seed(seed, ATTRIBUTE, label) + self.before.get(label, 0) + place}
        return {name: values[starts.get(name, serial) % len(values)] for name, values in self.drawn.items()}


@dataclass(slots=True)
class Harvest:
    """What came of an order, in numbers. ``missing`` counts samples a label that no attempt brought; ``shortened``
    holds, for each prompt that was longer than the PLM's context, how many demonstrations it lost.
    """

    accepted: int = 0
    rejected: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    shortened: list[int] = field(default_factory=list)
    curate_seconds: float = 0.0

    def take(self, verdict: Sample | Rejected, keep: Keep) -> bool:
        """Count a verdict and have it kept; return whether it is a sample."""
        keep(verdict)
        accepted = isinstance(verdict, Sample)
        self.accepted += accepted
        self.rejected += not accepted
        return accepted


def harvest(
    order: Order,
    *,
    seed: int,
    attempts: int,
    curator: Curator,
    keep: Keep,
    journal: Journal,
    open_engine: Callable[[], Engine],
    observe: Observer,
) -> Harvest:
    """Fill the order's quotas, asking for exactly what is missing, at most ``attempts`` times.

    Completions are judged in the order of their requests, whatever the order in which they came back, and as soon as
    all before them are there.
    """
    result = Harvest()
    wanted = _wanted(order)
    asked: Counter[str] = Counter()
    for _ in range(attempts):
        if not wanted:
            break
        requests = _requests(order, wanted, asked, seed)
        places = _places(wanted)
        wanted = {}
        answers = _answers(requests, journal, open_engine, result, order, observe)
        waiting = iter(places)
        for ready in answers:
            began = perf_counter()
            for verdict, place in zip(curator.judge_all(ready), waiting, strict=False):
                if not result.take(verdict, keep):
                    wanted.setdefault(verdict.label, []).append(place)
            result.curate_seconds += perf_counter() - began
    result.missing = Counter({label: len(open_) for label, open_ in wanted.items()})
    return result


def first_requests(order: Order, seed: int) -> list[Request]:
    """Return what ``harvest`` asks first: it depends on no answer."""
    return _requests(order, _wanted(order), Counter(), seed)


def _wanted(order: Order) -> dict[str, list[int]]:
    """Return the places of the quota, by label, that have no sample yet."""
    return {label: list(range(count)) for label, count in order.quota.items() if count}


def _places(wanted: Mapping[str, Sequence[int]]) -> list[int]:
    return [place for _, places in sorted(wanted.items()) for place in places]


def written(batch: Answered) -> int:
    """Return the tokens that were written just now."""
    return sum(completion.completion_tokens for _, completion in batch.pairs) if batch.fresh else 0


def _requests(order: Order, wanted: Mapping[str, Sequence[int]], asked: Counter[str], seed: int) -> list[Request]:
    """Return a request for each place, in the order of ``_places``; ``asked`` counts them on, by label."""
    requests = []
    for label, places in sorted(wanted.items()):
        prompts = order.prompts[label]
        for place in places:
            serial = asked[label]
            asked[label] += 1
            own = derive_seed(seed, order.round, order.plm, label, serial)
            drawn = order.draw(label, serial, place, seed)
            prompt = filled(prompts[serial % len(prompts)], drawn)
            sampling = _sampling(order.sampling, prompt)
            requests.append(
                Request(
                    id=f"{order.round:02d}-{order.plm}-{label}-{serial:05d}",
                    plm=order.plm,
                    round=order.round,
                    label=label,
                    prompt=prompt,
                    seed=own,
                    sampling=sampling,
                    counters=_counters(order.prompts, label, serial, drawn) if sampling.debias else (),
                )
            )
    return requests


def _sampling(sampling: Sampling, prompt: str) -> Sampling:
    """Fit the sampling to the prompt: a variation may have its own length, and has no counterpart to debias against."""
    if not isinstance(prompt, Prompt) or (prompt.tokens is None and prompt.parent is None):
        return sampling
    tokens = sampling.max_tokens if prompt.tokens is None else prompt.tokens
    return replace(sampling, max_tokens=tokens, debias=0.0 if prompt.parent else sampling.debias)


def _counters(
    prompts: Mapping[str, Sequence[str]], label: str, serial: int, drawn: Mapping[str, str]
) -> tuple[str, ...]:
    others = (others for other, others in prompts.items() if other != label and others)
    return tuple(filled(prompts[serial % len(prompts)], drawn) for prompts in others)


def _answers(
    requests: list[Request],
    journal: Journal,
    engine: Callable[[], Engine],
    result: Harvest,
    order: Order,
    observe: Observer,
) -> Iterator[list[tuple[Request, Completion]]]:
    """Yield requests with their completions, in order, each as soon as it and all before it are answered."""
    answered: dict[str, Completion] = {}
    asked, judged = sum(order.quota.values()), 0
    for batch in journal.replay(requests, engine):
        for request, completion in batch.pairs:
            answered[request.id] = completion
            result.tokens["prompt"] += completion.prompt_tokens
            result.tokens["completion"] += completion.completion_tokens
            result.tokens["cached"] += completion.cached_tokens
            if completion.dropped:
                result.shortened.append(completion.dropped)
        ready = []
        while judged < len(requests) and requests[judged].id in answered:
            ready.append((requests[judged], answered.pop(requests[judged].id)))
            judged += 1
        yield ready
        observe(Generated(order.plm, asked, result.accepted, result.rejected, len(answered), written(batch)))

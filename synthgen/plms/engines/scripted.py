"""A deterministic stand-in for any PLM, for tests, dry runs and demonstrations of the machinery."""

import random
from collections.abc import Callable, Iterator, Sequence

from synthgen.records import Completion, Request
from synthgen.seeds import derive_seed

Script = Callable[[Request], str]

_SHARED = """
the a this that one another every some it we they people story scene music light camera voice crowd evening morning
street house garden window road river train letter dinner friend brother sister teacher doctor captain writer city
village summer winter rain snow weekend minute hour part beginning middle ending moment question answer reason
chance with without about after before during under over near toward from into because although while where when and
but or is was seems feels looks sounds becomes remains goes comes makes takes gives shows tells keeps leaves finds
brings almost always never often quite rather really simply slowly quickly somehow still maybe perhaps again
together alone
""".split()
_SPECIAL = """
amber basil cedar delta ember fjord grove heron inlet jewel kettle lantern meadow needle orchid pebble quartz ribbon
saddle timber umber velvet willow yarrow zephyr anchor beacon candle dapple eagle falcon ginger harbor ivory jasmine
kernel linen marble nectar olive pepper quiver raven silver thistle urchin violet walnut yonder
""".split()


def default_script(request: Request) -> str:
    """Write 14 to 40 random English words, a third of them from a lexicon that belongs to the label.

    They are a question where the prompt's last line asks for one, and name a sum where the label has a ``$``.
    """
    draw = random.Random(request.seed)
    lexicon = random.Random(derive_seed("lexicon", request.label)).sample(_SPECIAL, 12)
    words = [draw.choice(lexicon if draw.random() < 0.33 else _SHARED) for _ in range(draw.randint(14, 40))]
    if "$" in request.label:
        words.insert(draw.randrange(1, len(words)), f"${draw.randint(2, 900)}")
    asks = "question" in request.prompt.rsplit("\n", 1)[-1].lower()
    return " ".join(words).capitalize() + ("?" if asks else ".")


class ScriptedEngine:
    """Answer every request with ``script(request)``; equal requests get equal texts.

    Tokens are counted as words. ``batch_size`` is the unit of replay.
    """

    def __init__(self, script: Script = default_script, *, batch_size: int = 32) -> None:
        self._script = script
        self._batch_size = batch_size

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """Cut the requests, in their order, into batches."""
        size = self._batch_size
        return [list(requests[start : start + size]) for start in range(0, len(requests), size)]

    def generate(self, requests: Sequence[Request]) -> Iterator[Completion]:
        """Yield a completion a request, in order."""
        for request in requests:
            text = self._script(request)
            yield Completion(
                request=request.id,
                text=text,
                finish="stop",
                prompt_tokens=len(request.prompt.split()),
                completion_tokens=len(text.split()),
            )

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


def open_scripted(plm: object, note: object = None) -> ScriptedEngine:
    """Return the engine with the default script, whatever the PLM."""
    return ScriptedEngine()

"""What reads the words of PLMs and servers: completions, refusals, lists of models, configurations, journals."""

from urllib.parse import urlsplit

from hostile_inputs import dumped
from hostile_places import imdb, place, written
from hostile_target import Target, sentence, texts_in

from synthgen.curate.clean import clean, printable
from synthgen.plms.catalog import PLM
from synthgen.plms.engines.server.client import _seconds
from synthgen.plms.engines.server.dialect import Dialect
from synthgen.plms.engines.server.discover import _listed
from synthgen.plms.engines.server.wire import GarbledError, completions_of, refusal_of, too_long
from synthgen.plms.lookup import look_up
from synthgen.prompt import Prompt, shortened
from synthgen.records import Request, Sampling
from synthgen.runs.journal import Journal

REVIEW = 'Sure! Here is a review:\n\n1. "A **fine** film — “so warm”, he said. I liked it."\n\nReview: <br/>No.</s>'
ANSWER = {
    "model": "m",
    "choices": [{"index": 0, "text": 'A film."', "message": {"content": "A film."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}},
}
REFUSALS = (
    {"error": {"message": "'seed' is not supported", "param": "seed", "code": "unsupported_parameter"}},
    {"detail": [{"loc": ["body", "n"], "msg": "max_completion_tokens, prompt too long"}]},
)
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "max_position_embeddings": 4096, "dtype": "float16",
    "text_config": {"is_encoder_decoder": False, "n_positions": 1024}, "auto_map": {"AutoModel": "x.Y"},
}  # fmt: skip


def completions() -> Target:
    """A PLM's words: what is left of them is one printable line, and cleaning it again changes nothing."""

    def feed(data: bytes) -> None:
        for text in texts_in(data):
            for finish in ("stop", "length"):
                kept = clean(text, finish)
                assert kept == printable(kept)
                assert kept == " ".join(kept.split())
                assert clean(kept, "stop") == kept
                kept.encode()

    return Target(
        "clean", feed, [REVIEW.encode(), b'plain words."'], ("Review:", "sure", "here are"), 120_000, guided=True
    )


def answers() -> Target:
    """A server's answers: never more completions than were asked for, counts that count, texts that a file can hold."""
    batch = [Request(f"r{number}", "opt", 0, "positive", "A prompt", number, Sampling()) for number in range(3)]

    def feed(data: bytes) -> None:
        for chat in (False, True):
            try:
                found, model = completions_of(batch, data, chat=chat, drop=0)
            except GarbledError as error:
                sentence(str(error))
                continue
            model.encode("utf-8", "surrogatepass")
            assert 0 < len(found) <= len(batch)
            for one in found:
                one.text.encode()
                assert min(one.prompt_tokens, one.completion_tokens, one.cached_tokens) >= 0
                assert one.cached_tokens <= one.prompt_tokens

    fields = ("choices", "index", "text", "message", "content", "finish_reason", "usage", "prompt_tokens", "model")
    return Target("wire", feed, [dumped(ANSWER)], fields, million=120_000, guided=True)


def refusals() -> Target:
    """A server's refusals, its list of models and its ``Retry-After``."""

    def feed(data: bytes) -> None:
        refusal = refusal_of(400, data)
        assert refusal.message == " ".join(refusal.message.split())
        too_long(refusal)
        Dialect(chat=False, chat_may_change=True).learn(refusal, {"seed": 1, "n": 2, "max_tokens": 3})
        assert all(isinstance(name, str) for name in _listed(data) or ())
        pause = _seconds(data.decode("latin-1"))
        assert pause is None or pause >= 0

    fields = ("error", "message", "param", "code", "detail", "loc", "msg", "data", "id", "max_model_len")
    seeds = [
        *map(dumped, REFUSALS),
        dumped({"data": [{"id": "m", "max_model_len": 9}]}),
        b"Mon, 23 Nov 2026 09:00:00 GMT",
    ]
    return Target("refusal", feed, seeds, fields, million=80_000, guided=True)


def configurations() -> Target:
    """The ``config.json`` of a model folder."""

    def feed(data: bytes) -> None:
        folder = place() / "model"
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_bytes(data)
        (folder / "model.safetensors").write_bytes(b"x" * 100)
        found = look_up(PLM("mine", str(folder), "local"))
        assert found.context is None or found.context > 0

    return Target(
        "config", feed, [dumped(CONFIG)], [*CONFIG, "n_positions", "torch_dtype", "seq_length"], 60_000, guided=True
    )


def journals() -> Target:
    """The journal of completions, as a crash or somebody left it: a damaged line is asked for again."""
    sent = [Request("r0", "opt", 0, "positive", "A prompt", 1, Sampling())]
    seed = (
        b'[{"key": "k", "request": "r0", "text": "A film.", "finish": "stop", "prompt_tokens": 1, '
        b'"completion_tokens": 2, "cached_tokens": 0, "dropped": 0}]\n'
    )

    def feed(data: bytes) -> None:
        path = written("journal.jsonl", data)
        journal = Journal(path, identity="x")
        known = next(journal.replay(sent, _nobody), None)
        assert known is None or not known.fresh

    return Target("journal", feed, [seed * 2], ("key", "request", "text", "finish", "dropped"), 60_000, guided=True)


class _Nobody:
    """An engine that answers nothing more."""

    def batches(self, requests):
        return [requests]

    def generate(self, requests):
        from synthgen.errors import SynthgenError

        raise SynthgenError("nobody answers")


def _nobody() -> _Nobody:
    return _Nobody()


def prompts() -> Target:
    """Templates and what is put into them: values stay as they are, and leaving out demonstrations leaves the rest."""

    def feed(data: bytes) -> None:
        template, *values = texts_in(data)
        shown = values[1:] or ["{label}"]
        prompt = Prompt.composed(template, {"label": values[0] if values else "", "demonstrations": shown}, ("first",))
        filled = prompt.filled({"first": "{label}{demonstrations}"})
        for left, right in filled.spans:
            assert filled[left:right] in shown
        for drop in range(len(filled.spans) + 1):
            rest = shortened(filled, drop)
            assert rest is not None
            assert len(rest.spans) == len(filled.spans) - drop
        assert shortened(filled, len(filled.spans) + 1) is None
        if "{label}" not in template and "{demonstrations}" not in template and "{first}" not in template:
            assert filled == template
        imdb().few_shot("positive", [text for text in values if text.strip()] or ["x"])

    seeds = [b"{demonstrations}\nOne more {label}:\0good\0one\0two", b"{first} {label}\0{label}\0{first}"]
    return Target("prompt", feed, seeds, ("{label}", "{first}", "{demonstrations}", "{text}"), 60_000, guided=True)


def specs() -> Target:
    """What a user calls a PLM: its name can be a file's, and its address carries no password."""
    from synthgen.plms.resolve import can_name, resolve_plms

    def feed(data: bytes) -> None:
        for text in texts_in(data):
            for plm in resolve_plms([text], "pocket"):
                assert can_name(plm.name)
                assert not {"/", "\\", "\0", "\n"} & set(plm.name)
                assert all(urlsplit(url).password is urlsplit(url).username is None for url in plm.urls)

    seeds = [b"llama2:paper", b"mine=http://localhost:8000/v1", b"org/model@http://h/v1", b"me=org/model", b"x=pool"]
    return Target("spec", feed, seeds, ("http://", "https://", "=pool", "gpt2", ":paper"), 40_000, guided=True)

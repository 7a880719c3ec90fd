"""The STM ``encoder:<model>``."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from scipy.sparse import csr_matrix

from synthgen.downstream.encoder.fit import EncoderFit
from synthgen.downstream.encoder.lesson import Lesson
from synthgen.downstream.encoder.load import pretrained
from synthgen.downstream.encoder.network import Network
from synthgen.downstream.encoder.options import EncoderOptions
from synthgen.downstream.encoder.together import train_together
from synthgen.downstream.encoder.tokens import Tokens, longest, tells_apart
from synthgen.downstream.encoder.training import Alone, Trained, train
from synthgen.downstream.stm import Features, FloatArray, IntArray
from synthgen.downstream.stm import Lesson as Given
from synthgen.errors import UserError
from synthgen.spread import far, spread


class EncoderSTM:
    """A Hub id or folder of a transformer encoder, fine-tuned whole under a new classification head.

    The model is loaded, on the CPU, when the STM is made; it trains on the GPUs where there are some. Features are the
    ids of a text's tokens, plus one, in the order of the text; of a pair they are those of both sentences, as the
    tokenizer joins them, with the types of the tokens where the model has such. Raises ``UserError`` for a model that
    is missing, no encoder or damaged.
    """

    Options = EncoderOptions
    batched = False

    def __init__(self, model: str, *, seed: int, options: EncoderOptions | None = None) -> None:
        self.name = f"encoder:{model}"
        self._seed = seed
        self._options = options or EncoderOptions()
        self._pretrained = pretrained(model)
        self._network = self._build(2)
        tokenizer = self._pretrained.tokenizer
        module, config = self._network.module, self._pretrained.config
        limit, wanted = longest(module, config, tokenizer), self._options.max_length
        typed = tells_apart(module, config)
        self._tokens = Tokens(tokenizer, wanted if limit is None else min(wanted, limit), typed=typed)
        self._started = False

    def start(self, texts: Sequence[str]) -> csr_matrix:
        """Return the features (n, max_length) of ``texts``; they fix nothing, the tokens are the model's."""
        self._started = True
        return self.features(texts)

    def features(self, texts: Sequence[str]) -> csr_matrix:
        """Return the features (n, max_length) of texts. Raises ``RuntimeError`` before a start."""
        if not self._started:
            raise RuntimeError("call start before features")
        return self._tokens.rows(texts)

    def fit(
        self,
        features: Features,
        labels: IntArray,
        weights: FloatArray | None = None,
        *,
        n_labels: int,
        short: bool = False,
    ) -> EncoderFit:
        """Fine-tune from the pre-trained weights; ``short`` is one epoch on all samples.

        Raises ``ValueError`` for no samples or weights that are negative or all zero, ``UserError`` where memory is
        used up or the training diverges, ``SynthgenError`` where a process it is shared with fails.
        """
        lesson = self._lesson(features, labels, weights, n_labels=n_labels, short=short)
        return EncoderFit(self._network, lesson, self._trained(lesson))

    def fit_each(self, lessons: Iterable[Given], *, n_labels: int) -> Iterator[EncoderFit]:
        """Yield a fit for each lesson. In a cluster they are trained on CPUs, and only where this machine has no GPU:
        those of the nodes hold PLMs.
        """
        made = [self._lesson(features, labels, None, n_labels=n_labels, short=False) for features, labels in lessons]
        there = far() and self._processes() == 1 and self._network.device.type == "cpu"
        every = spread(partial(_trained_there, self._network), made) if there else map(self._trained, made)
        for lesson, trained in zip(made, every, strict=True):
            yield EncoderFit(self._network, lesson, trained)

    def _lesson(
        self, features: Features, labels: IntArray, weights: FloatArray | None, *, n_labels: int, short: bool
    ) -> Lesson:
        relative = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
        if features.shape[0] != len(labels) or len(relative) != len(labels):
            raise ValueError("features, labels and weights differ in length")
        if not len(labels) or relative.min() < 0 or relative.max() <= 0:
            raise ValueError("a fit needs samples, and weights of which none is negative and one is positive")
        if n_labels != self._network.n_labels:
            self._network = self._build(n_labels)
        ids = np.asarray(labels, dtype=np.int64)
        return Lesson(features, ids, relative, self._options, self._seed, short)

    def _trained(self, lesson: Lesson) -> Trained:
        processes = self._processes()
        if processes == 1:
            return train(self._network, lesson, Alone())
        return train_together(self._network, lesson, processes)

    def _build(self, n_labels: int) -> Network:
        tokenizer, config = self._pretrained.tokenizer, self._pretrained.config
        pad = next((one for one in (tokenizer.pad_token_id, config.pad_token_id) if one is not None), 0)
        module = self._pretrained.classifier(n_labels, self._seed)
        return Network(module, pad=pad, n_labels=n_labels, name=self.name)

    def _processes(self) -> int:
        gpus, asked = torch.cuda.device_count() if torch.cuda.is_available() else 0, self._options.processes
        if gpus and asked and asked > gpus:
            raise UserError(f"STM {self.name} is to train in {asked} processes; this machine has {gpus} GPUs for them.")
        return asked or max(1, gpus)


def _trained_there(network: Network, lesson: Lesson) -> Trained:
    network.place(torch.device("cpu"))
    return train(network, lesson, Alone())

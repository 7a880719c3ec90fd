"""Load an encoder under a classification head, and its tokenizer, from the Hub or a folder."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)
from transformers.utils import logging as transformers_logging

from synthgen.downstream.encoder.refusals import refusal
from synthgen.errors import SynthgenError, UserError
from synthgen.seeds import derive_seed
from synthgen.tasks.gold_hub import hub_reachable

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pretrained:
    """An encoder's source, its configuration and its tokenizer."""

    model: str
    source: Mapping[str, Any]
    config: Any
    tokenizer: Any

    def classifier(self, n_labels: int, seed: int) -> nn.Module:
        """Return the model on the CPU under a new head, which ``seed`` and ``n_labels`` alone decide.

        Raises ``UserError`` where the weights are missing, damaged or too large.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed("encoder head", seed, n_labels))
            try:
                return self._classifier(n_labels)
            except SynthgenError:
                raise
            except Exception as error:
                # Every layer below has its own exceptions for the same few causes: absent, damaged, too large.
                _log.debug("loading %s failed", self.model, exc_info=True)
                raise refusal(self.model, error) from error

    def _classifier(self, n_labels: int) -> nn.Module:
        loaded, found = AutoModelForSequenceClassification.from_pretrained(
            **self.source,
            num_labels=n_labels,
            problem_type="single_label_classification",
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
        model: nn.Module = loaded
        body = f"{loaded.base_model_prefix}."
        # A weight of another shape than the configuration says comes with both shapes.
        absent = [*found["missing_keys"], *(key for key, *_ in found["mismatched_keys"])]
        lost = [key for key in sorted(absent) if key.startswith(body) and ".pooler." not in key]
        if lost:
            raise UserError(
                f"Encoder {self.model!r} lacks {len(lost)} of the weights its configuration speaks of, {lost[0]} "
                "among them; its files are damaged or incomplete."
            )
        words = loaded.get_input_embeddings().weight.shape[0]
        if len(self.tokenizer) > words:
            raise UserError(
                f"The tokenizer of encoder {self.model!r} has {len(self.tokenizer)} tokens and its weights {words}; "
                "they do not belong together."
            )
        if any(str(name).endswith("ForSequenceClassification") for name in self.config.architectures or ()):
            # It was a classifier already, of labels of its own: what it decided must not be where training starts.
            new = AutoModelForSequenceClassification.from_config(loaded.config, dtype=torch.float32).state_dict()
            head = {name: value for name, value in new.items() if not name.startswith(body)}
            model.load_state_dict(head, strict=False)
        return model.eval()


def pretrained(model: str) -> Pretrained:
    """Read the configuration and the tokenizer of a Hub id, or of a folder, sentence-transformers ones included.

    Raises ``UserError`` where there is none, it is no encoder or it is damaged, ``SynthgenError`` where the Hub fails.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        source = _source(model)
        config = AutoConfig.from_pretrained(**source)
        _check(model, config)
        return Pretrained(model, source, config, AutoTokenizer.from_pretrained(**source))
    except SynthgenError:
        raise
    except Exception as error:
        _log.debug("loading %s failed", model, exc_info=True)
        raise refusal(model, error) from error


def _source(model: str) -> dict[str, Any]:
    folder = Path(model)
    if not folder.is_dir():
        # The Hub's own client would try again for half a minute, a file at a time.
        offline = {} if hub_reachable() else {"local_files_only": True}
        return {"pretrained_model_name_or_path": model, "trust_remote_code": False, **offline}
    modules = folder / "modules.json"
    if not (folder / "config.json").is_file() and modules.is_file():
        for module in json.loads(modules.read_text(encoding="utf-8")):
            if (folder / module["path"] / "config.json").is_file() and str(module["type"]).endswith("Transformer"):
                return {"pretrained_model_name_or_path": str(folder / module["path"]), "trust_remote_code": False}
    if not (folder / "config.json").is_file():
        raise UserError(f"Encoder folder {model!r} has no config.json; give the folder of a transformers model.")
    return {"pretrained_model_name_or_path": model, "trust_remote_code": False}


def _check(model: str, config: Any) -> None:
    kind = type(config)
    if kind not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING or kind not in MODEL_FOR_MASKED_LM_MAPPING:
        raise UserError(
            f"{model!r} is a {config.model_type}, not an encoder that transformers can fine-tune as a classifier; "
            "choose one such as bert-base-uncased, distilbert-base-uncased or answerdotai/ModernBERT-base."
        )
    if config.is_encoder_decoder:
        raise UserError(f"{model!r} is an encoder with a decoder ({config.model_type}); choose an encoder alone.")

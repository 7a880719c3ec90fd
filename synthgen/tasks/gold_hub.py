"""Load a text and a label column from the Hub or a local folder: fast to give up, and without a word on stderr."""

import logging
import os
import socket
import threading
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from synthgen.errors import SynthgenError, UserError
from synthgen.tasks.task import GoldSource

_TIMEOUT = 2.0
_LOGGERS = ("datasets", "huggingface_hub", "httpx", "httpx2", "fsspec")


class NotLoadedError(SynthgenError):
    """A dataset could not be had; the message completes the sentence "dataset X …"."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Raw columns of one length. ``class_names`` are those of a ClassLabel column, whose labels are then ids."""

    texts: list[Any]
    labels: list[Any]
    class_names: list[str] | None


def load_columns(source: GoldSource) -> Columns:
    """Load ``source.split`` of the Hub dataset or local folder ``source.hub``.

    Where the Hub does not answer within two seconds, or offline mode is set, only the local cache serves. Raises
    ``NotLoadedError`` where a Hub dataset cannot be had, ``UserError`` for a folder that cannot be loaded or a column
    that is not there.
    """
    local = Path(source.hub).is_dir()
    online = local or hub_reachable()
    try:
        with _quiet(offline=not online) as datasets:
            dataset = datasets.load_dataset(source.hub, split=source.split)
            for column in (source.text, source.label):
                if column not in dataset.column_names:
                    have = ", ".join(dataset.column_names[:20])
                    raise UserError(f"Gold dataset {source.hub} has no column {column}; it has {have}.")
            feature = dataset.features[source.label]
            names = list(feature.names) if isinstance(feature, datasets.ClassLabel) else None
            return Columns(list(dataset[source.text]), list(dataset[source.label]), names)
    except UserError:
        raise
    except Exception as error:
        reason = _first_line(error)
        if local:
            raise UserError(f"Gold folder {source.hub} cannot be loaded: {reason}") from error
        if not online:
            raise NotLoadedError("cannot be reached") from error
        # The library words a failed download as a folder that is not there.
        known = "does not come from the Hub" if isinstance(error, OSError) else f"cannot be loaded ({reason})"
        raise NotLoadedError(known) from error


def hub_reachable() -> bool:
    """Say whether the Hub's endpoint takes a TCP connection within two seconds.

    False in offline mode (HF_HUB_OFFLINE, HF_DATASETS_OFFLINE); true, untried, where the environment names a proxy.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or os.environ.get("HF_DATASETS_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return False
    if any(scheme != "no" for scheme in urllib.request.getproxies_environment()):
        return True
    url = urlsplit(constants.ENDPOINT)
    address = (url.hostname or "", url.port or (80 if url.scheme == "http" else 443))
    connected = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection(address, timeout=_TIMEOUT).close()
        except OSError:
            return
        connected.set()

    # A thread, because looking up a name has no timeout of its own.
    attempt = threading.Thread(target=connect, daemon=True)
    attempt.start()
    attempt.join(_TIMEOUT)
    return connected.is_set()


@contextmanager
def _quiet(*, offline: bool) -> Iterator[Any]:
    import datasets
    import huggingface_hub.utils as hub

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    bars, hub_bars = datasets.are_progress_bars_disabled(), hub.are_progress_bars_disabled()
    was_offline = datasets.config.HF_HUB_OFFLINE
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        datasets.disable_progress_bars()
        hub.disable_progress_bars()
        datasets.config.HF_HUB_OFFLINE = was_offline or offline
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield datasets
    finally:
        datasets.config.HF_HUB_OFFLINE = was_offline
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
        if not bars:
            datasets.enable_progress_bars()
        if not hub_bars:
            hub.enable_progress_bars()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{lines[0][:200].rstrip('.')}." if lines else f"{type(error).__name__}."

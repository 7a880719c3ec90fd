"""Load columns of a split from the Hub or a local folder: fast to give up, and without a word on stderr."""

import logging
import os
import socket
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from synthgen.errors import SynthgenError, UserError
from synthgen.tasks.reservoir import sampled
from synthgen.tasks.schema import GoldSource

_TIMEOUT = 2.0
_PATIENCE = 5.0
_RETRIES = 3
_BATCH = 1_000
_LOGGERS = ("datasets", "huggingface_hub", "httpx", "httpx2", "fsspec")
_TEXT_ONLY = {"keep_default_na": False}
"""What makes the library read a CSV's "NA" and "null" as the texts they are."""


class NotLoadedError(SynthgenError):
    """A dataset could not be had; the message completes the sentence "dataset X …"."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rows of a split. ``class_names`` are those of the columns that hold the ids of a ClassLabel, by column.

    ``sampled`` says that there are more rows than these.
    """

    rows: list[dict[str, Any]]
    class_names: dict[str, list[str]]
    sampled: bool


def load_rows(source: GoldSource, split: str, columns: Sequence[str], *, limit: int | None) -> Loaded:
    """Load ``columns`` of a split of the Hub dataset or local folder of ``source``.

    With a ``limit`` that many rows, by ``sampled``, are streamed, and of Parquet no other column is read. Where the Hub
    does not answer within seconds, or offline mode is set, only the local cache serves. Raises ``NotLoadedError`` where
    a Hub dataset cannot be had, ``UserError`` for a folder that cannot be loaded or a column that is not there.
    """
    place = source.hub or source.path or ""
    local = Path(place).is_dir()
    silence = None if local else no_answer(place)
    try:
        with _quiet(offline=silence is not None) as datasets:
            dataset = _Split(datasets, place, source.config, split).opened(
                columns, stream=limit is not None, offline=silence is not None
            )
            features = dataset.features or {}
            named = {n: [*f.names] for n, f in features.items() if isinstance(f, datasets.ClassLabel) and n in columns}
            rows, more = sampled(_rows(dataset, columns), limit)
            return Loaded(rows, named, more)
    except UserError:
        raise
    except Exception as error:
        if local:
            raise UserError(f"Gold folder {place} cannot be loaded: {_reason(error)}") from error
        if silence is not None:
            raise NotLoadedError(silence) from error
        # The library words a failed download as a folder that is not there.
        known = "does not come from the Hub" if isinstance(error, OSError) else f"cannot be loaded ({_reason(error)})"
        raise NotLoadedError(known) from error


def no_answer(dataset: str) -> str | None:
    """Return why the Hub cannot be asked for a dataset, None where it answers, be it that there is none.

    The library asks a Hub that is overloaded six times over 23 seconds; this gives up at the second time.
    """
    if not hub_reachable():
        return "cannot be reached"
    import httpx2
    from huggingface_hub import constants, get_session

    url = f"{constants.ENDPOINT}/datasets/{quote(dataset)}/resolve/main/README.md"
    reason = None
    for wait in (0, 1):
        time.sleep(wait)
        try:
            status = get_session().head(url, timeout=_PATIENCE, follow_redirects=False).status_code
        except httpx2.HTTPError:
            reason = "cannot be reached"
            continue
        if status < 500 and status not in {408, 429}:
            return None
        reason = f"cannot be had now, the Hub answers {status}"
    return reason


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


@dataclass(frozen=True, slots=True)
class _Split:
    datasets: Any
    place: str
    config: str | None
    split: str

    def opened(self, columns: Sequence[str], *, stream: bool, offline: bool) -> Any:
        """Return the dataset, or where it streams, an iterable one that reads no other columns than these."""
        if offline:
            return self._checked(self._cached(), columns)
        builder = self._builder()
        text_only = _TEXT_ONLY if hasattr(builder.config, "keep_default_na") else {}
        # Of a CSV that it streams the library never closes the file; what it has prepared is mapped, not held, either.
        if not stream or (text_only and Path(self.place).is_dir()):
            builder = self._builder(**text_only) if text_only else builder
            builder.download_and_prepare()
            return self._checked(builder.as_dataset(split=self.split), columns)
        self._checked(builder.as_streaming_dataset(split=self.split), columns)
        narrow: dict[str, Any] = {"usecols": [*columns]} if text_only else {}
        if hasattr(builder.config, "fragment_scan_options"):
            from pyarrow.dataset import ParquetFragmentScanOptions

            # Buffered ahead, a file would be in memory whole by its end.
            unbuffered = ParquetFragmentScanOptions(pre_buffer=False)
            narrow = {"columns": [*columns], "batch_size": _BATCH, "fragment_scan_options": unbuffered}
        return self._builder(**text_only, **narrow).as_streaming_dataset(split=self.split)

    def _builder(self, **options: Any) -> Any:
        return self.datasets.load_dataset_builder(self.place, self.config, **options)

    def _cached(self) -> Any:
        try:
            return self.datasets.load_dataset(self.place, self.config, split=self.split)
        except ValueError:
            return self.datasets.load_dataset(self.place, self.config, split=self.split, **_TEXT_ONLY)

    def _checked(self, dataset: Any, columns: Sequence[str]) -> Any:
        have = dataset.column_names or [*next(iter(dataset), {})]
        for column in columns:
            if column not in have:
                raise UserError(f"Gold dataset {self.place} has no column {column}; it has {', '.join(have[:20])}.")
        return dataset


def _rows(dataset: Any, columns: Sequence[str]) -> Iterable[dict[str, Any]]:
    for batch in dataset.select_columns([*columns]).iter(_BATCH):
        for values in zip(*(batch[name] for name in columns), strict=True):
            yield dict(zip(columns, values, strict=True))


@contextmanager
def _quiet(*, offline: bool) -> Iterator[Any]:
    import datasets
    import huggingface_hub.utils as hub

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    bars, hub_bars = datasets.are_progress_bars_disabled(), hub.are_progress_bars_disabled()
    config = datasets.config
    was = config.HF_HUB_OFFLINE, config.STREAMING_READ_MAX_RETRIES, config.STREAMING_OPEN_MAX_RETRIES
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        datasets.disable_progress_bars()
        hub.disable_progress_bars()
        config.HF_HUB_OFFLINE = was[0] or offline
        config.STREAMING_READ_MAX_RETRIES = config.STREAMING_OPEN_MAX_RETRIES = _RETRIES
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield datasets
    finally:
        config.HF_HUB_OFFLINE, config.STREAMING_READ_MAX_RETRIES, config.STREAMING_OPEN_MAX_RETRIES = was
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
        if not bars:
            datasets.enable_progress_bars()
        if not hub_bars:
            hub.enable_progress_bars()


def _reason(error: Exception) -> str:
    cause = error.__cause__ if type(error).__name__.startswith("DatasetGeneration") else None
    lines = str(cause or error).strip().splitlines()
    line = lines[0] if lines else ""
    if cause or "pyarrow" in type(error).__module__:
        # What goes wrong in rows may be worded with a cell in quotes.
        line = line.split("'")[0].split('"')[0].rstrip(" :(")
    return f"{line[:200].rstrip('.')}." if line else f"{type(cause or error).__name__}."

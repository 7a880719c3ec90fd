"""What comes of a Ray Data pipeline while it works, quietly; nothing of it is lost, and leaving stops it."""

import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any

from synthgen.errors import SynthgenError

_sealing = threading.Lock()
"""A pipeline takes its settings from what is current in the whole process when it is made."""


def tables_of(make: Callable[[], Any]) -> Generator[Any, None, None]:
    """Yield the Arrow tables of the dataset that ``make`` returns, block by block, in the order in which they come.

    Closing the iterator stops the work. Raises ``SynthgenError`` where the pipeline fails: no block is left out.
    """
    from ray.data import DataContext
    from ray.exceptions import RayError

    with _sealing:
        context = DataContext.get_current().copy()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = 0
        context.execution_options.preserve_order = False
        with DataContext.current(context):
            dataset = make()
    tables: Any = iter(dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=1))
    try:
        yield from tables
    except RayError as error:
        raise SynthgenError(f"The cluster failed at the work ({error}); go on with --resume.") from error
    finally:
        tables.close()


def rows_of(make: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of those tables."""
    for table in tables_of(make):
        yield from table.to_pylist()

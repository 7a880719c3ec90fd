"""What a shell may offer where a value is being typed: names that ship with the package, read from small files."""


def tasks(incomplete: str) -> list[str]:
    """Return the bundled tasks that begin so; for files the shell has its own."""
    from synthgen.tasks.registry import task_names

    return [name for name in task_names() if name.startswith(incomplete)]


def plms(incomplete: str) -> list[str]:
    """Return the list of PLMs so far with each family that its last, unfinished name may become."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in families(last) if name not in before.split(",")]


def families(incomplete: str) -> list[str]:
    """Return the families of the catalog that begin so."""
    from synthgen.plms.catalog import catalog

    return [name for name in catalog() if name.startswith(incomplete)]


def stms(incomplete: str) -> list[str]:
    """Return the kinds of small task models that begin so; those that want a model end in a colon."""
    kinds = ("tfidf", "embedding:", "encoder:")
    return [kind for kind in kinds if kind.startswith(incomplete)]


def engines(incomplete: str) -> list[str]:
    """Return the engines that begin so."""
    from synthgen.plms.engines import ENGINES

    return [name for name in ("auto", *ENGINES) if name.startswith(incomplete)]

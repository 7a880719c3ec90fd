"""A run's PLMs as they will be served: each looked up, given an engine and a place; nothing is loaded yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from synthgen.errors import UserError
from synthgen.plms.catalog import PLM, POOL, catalog, plm_of
from synthgen.plms.choose import Chosen, choose_engine
from synthgen.plms.engines import ENGINES
from synthgen.plms.hardware import gpus, host_memory
from synthgen.plms.lookup import BYTES, look_up
from synthgen.plms.placement import DoesNotFitError, Group, Need, place

VLLM_ON_CPU = 3.0
"""Gigabytes that vLLM's processes and cache take on a CPU, besides the weights."""
VLLM_ON_GPU = 2.0
"""Gigabytes of a GPU that vLLM takes for the smallest model."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Which engine runs each PLM, what each ``needs`` of this machine (gigabytes), and which are up together."""

    plms: tuple[PLM, ...]
    chosen: Mapping[str, Chosen]
    groups: tuple[Group, ...]
    needs: Mapping[str, float | None]

    def loads(self, rounds: int) -> int:
        """Return how often a model is loaded in a run of ``rounds`` rounds, at most."""
        local = sum(not loads_nothing(choice.engine) for choice in self.chosen.values())
        return local * (rounds if len(self.groups) > 1 else 1)

    @property
    def notes(self) -> list[str]:
        """Return what a user should hear about the choice of engines."""
        return [choice.why for choice in self.chosen.values() if choice.why]


def arrange(plms: Sequence[PLM], wanted: str, *, look: bool = True) -> Arrangement:
    """Choose each PLM's engine and place. With ``look`` models and servers are looked up first; nothing is loaded.

    Raises ``UserError`` for a PLM that does not exist, may not be had, or does not fit, ``SynthgenError`` where a
    server does not answer.
    """
    machine, (_, free) = gpus(), host_memory()
    found: list[PLM] = []
    chosen: dict[str, Chosen] = {}
    for plm in plms:
        known = plm
        if look and not (wanted in ENGINES and ENGINES[wanted].any_plm):
            if plm.urls:
                from synthgen.plms.engines.server.discover import discover

                known = discover(plm)
            elif plm.size != POOL:
                choose_engine(plm, wanted, gpu=bool(machine))  # what is refused anyway is not looked up
                known = look_up(plm)
        chosen[plm.name] = choose_engine(known, wanted, gpu=bool(machine))
        found.append(known)
    needs = [need_of(plm, chosen[plm.name].engine, gpu=bool(machine)) for plm in found]
    for need in needs:
        if need.where == "gpu" and need.gpus > len(machine):
            raise UserError(
                f"serving.{need.plm}.tensor_parallel_size is {need.gpus}; this machine has {len(machine)} GPUs."
            )
    try:
        groups = place(needs, machine, free)
    except DoesNotFitError as error:
        plm = next(plm for plm in found if plm.name == error.plm)
        raise UserError(_too_large(plm, chosen[plm.name].engine, error, gpu=bool(machine))) from None
    placed = tuple(_shared(group, chosen) for group in groups)
    return Arrangement(tuple(found), chosen, placed, {need.plm: need.memory for need in needs})


def need_of(plm: PLM, engine: str, *, gpu: bool) -> Need:
    """Return what ``plm`` needs when ``engine`` runs it, on a GPU or on this machine's CPU."""
    if is_elsewhere(engine):
        return Need(plm.name, 0.0, "elsewhere")
    memory, serving = plm.memory, plm.serving
    if gpu:
        if engine == "vllm" and memory is not None:
            memory = max(memory, VLLM_ON_GPU)
        least = serving.gpu_memory_utilization if engine == "vllm" else None
        return Need(plm.name, memory, "gpu", serving.tensor_parallel_size or 0, least or 0.0)
    if memory is not None and serving.memory is None and serving.dtype not in BYTES:
        # The catalog counts 16-bit weights; a CPU computes in 32 unless it is told otherwise.
        memory *= max(1.0, 4 / BYTES.get(plm.dtype, 2))
    return Need(plm.name, (memory or 0.0) + VLLM_ON_CPU if engine == "vllm" else memory, "host")


def is_elsewhere(engine: str) -> bool:
    """Tell whether an engine takes none of this machine's memory for its PLMs."""
    return loads_nothing(engine) or bool(ENGINES[engine].inner)


def loads_nothing(engine: str) -> bool:
    """Tell whether no model is loaded for a PLM, here or on a cluster."""
    return engine in {"server", POOL} or ENGINES[engine].any_plm


def _shared(group: Group, chosen: Mapping[str, Chosen]) -> Group:
    """Give those of a group that write on a cluster equal shares of it."""
    there = [name for name in group.slots if chosen[name].engine in ENGINES and ENGINES[chosen[name].engine].inner]
    return Group({**group.slots, **{name: replace(group.slots[name], share=1 / len(there)) for name in there}})


def _too_large(plm: PLM, engine: str, error: DoesNotFitError, *, gpu: bool) -> str:
    needs = f"{error.need:.1f} GB" if error.need else "free memory"
    said = f"{plm.name} ({plm.model}) needs {needs}, this machine has {error.have:.1f} GB for it"
    for family, sizes in catalog().items():
        if all(entry.model != plm.model for entry in sizes.values()):
            continue
        others = [plm_of(family, entry, size) for size, entry in sizes.items() if entry.model != plm.model]
        needed = {other.size: need_of(other, engine, gpu=gpu).memory or 0.0 for other in others if not other.urls}
        if fitting := [f"{family}:{size}" for size, memory in needed.items() if memory <= error.have]:
            return f"{said}; {' and '.join(fitting)} would fit."
    return (
        f"{said}; take a smaller one or a server elsewhere (--plms {plm.name}=URL), or, where you know better, "
        f"--set serving.{plm.name}.memory=GB."
    )

"""Which PLMs are up together, and where: as many side by side as the GPUs hold, else one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synthgen.plms.engines.vllm.flags import Slot
from synthgen.plms.hardware import GPU

FULL = 0.9
"""Share of a GPU that PLMs may fill; the rest is the driver's and other programs'."""
SPLIT = 1.1
"""What a PLM needs in all when it is split over GPUs, as a multiple of what it needs on one."""
HOST = 0.8
"""Share of the machine's available memory that PLMs may fill."""
ROUNDING = 1e-6
"""Gigabytes by which sums of shares may be off."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one PLM needs: ``memory`` in gigabytes (None: unknown, so it is alone), on ``gpus`` GPUs (0: let us choose).

    A PLM that runs elsewhere needs nothing here: ``where`` is "gpu", "host" or "elsewhere". Of each of its GPUs it
    takes the share ``least`` at least, where the user has set one.
    """

    plm: str
    memory: float | None
    where: str
    gpus: int = 0
    least: float = 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """PLMs that are up together, in the run's order, with each one's place."""

    slots: Mapping[str, Slot]


class DoesNotFitError(Exception):
    """A PLM is larger than the machine. ``need`` and ``have`` are in gigabytes."""

    def __init__(self, plm: str, need: float, have: float) -> None:
        super().__init__(f"{plm} needs {need:.0f} GB of {have:.0f} GB")
        self.plm, self.need, self.have = plm, need, have


def place(needs: Sequence[Need], gpus: Sequence[GPU], host: float) -> list[Group]:
    """Fill groups in the run's order, each with as many PLMs as fit beside each other.

    One group means that every PLM is loaded once a run; several, once a round. ``host`` is available memory in
    gigabytes. Raises ``DoesNotFitError`` for a PLM that does not fit even alone.
    """
    groups: list[Group] = []
    room = _Room(gpus, host)
    for need in needs:
        if not room.take(need):
            if room.taken:
                groups.append(Group(room.slots()))
            room = _Room(gpus, host)
            if not room.take(need):
                raise DoesNotFitError(need.plm, need.memory or 0.0, room.most(need))
    return [*groups, Group(room.slots())] if room.taken else groups


class _Room:
    """What one group has taken of the machine so far."""

    def __init__(self, gpus: Sequence[GPU], host: float) -> None:
        self._gpus = gpus
        self._usable = [max(0.0, min(FULL * gpu.total, gpu.free - 0.02 * gpu.total)) for gpu in gpus]
        self._left = list(self._usable)
        self._host = self._host_left = HOST * host
        self._memory: dict[str, dict[int, float]] = {}
        self.taken: list[str] = []

    def take(self, need: Need) -> bool:
        """Find a place for one more PLM, on the emptiest GPUs that hold it."""
        if need.where == "gpu":
            return self._take_gpus(need)
        if need.where == "host":
            memory = self._host if need.memory is None else need.memory
            if memory > self._host_left:
                return False
            self._host_left -= memory
        self._keep(need.plm, {})
        return True

    def slots(self) -> dict[str, Slot]:
        """Return each PLM's place; PLMs on one GPU share it in proportion to what they need."""
        wanted = [0.0] * len(self._gpus)
        for places in self._memory.values():
            for gpu, memory in places.items():
                wanted[gpu] += memory
        return {plm: self._slot(plm, wanted) for plm in self.taken}

    def most(self, need: Need) -> float:
        """Return how much there was for one PLM before any was placed, in gigabytes."""
        if need.where == "host":
            return self._host
        found = [(count, self._emptiest(count, self._usable)) for count in self._counts(need)]
        return max(
            (count * self._each(places, self._usable) / _whole(count) for count, places in found if places), default=0.0
        )

    def _counts(self, need: Need) -> tuple[int, ...]:
        """Return over how many GPUs a PLM may be split: as a rule they must divide its attention heads."""
        return (need.gpus,) if need.gpus else (1, 2, 4, 8)

    def _take_gpus(self, need: Need) -> bool:
        for count in self._counts(need):
            if (taken := self._shares(need, count, self._left)) is not None:
                for gpu, memory in taken.items():
                    self._left[gpu] -= memory
                self._keep(need.plm, taken)
                return True
            # What fits fewer GPUs when it has them to itself is not split: that is slower, and not every model can be.
            if self._shares(need, count, self._usable) is not None:
                return False
        return False

    def _shares(self, need: Need, count: int, left: Sequence[float]) -> dict[int, float] | None:
        """Return what a PLM would take of each of the ``count`` emptiest GPUs, None where they do not hold it."""
        places = self._emptiest(count, left)
        each = self._each(places, left) if places else 0.0
        if need.memory is None:
            memory, fits = each, each > 0 and all(left[gpu] == self._usable[gpu] for gpu in places)
        else:
            memory = need.memory * _whole(count) / count
            fits = bool(places) and memory <= each
        if not fits:
            return None
        smallest = min(self._gpus[gpu].total for gpu in places)
        taken = {}
        for gpu in places:
            total = self._gpus[gpu].total
            taken[gpu] = max(memory * total / smallest, min(need.least * total, self._usable[gpu]))
        return taken if all(taken[gpu] <= left[gpu] + ROUNDING for gpu in places) else None

    def _emptiest(self, count: int, left: Sequence[float]) -> list[int]:
        """Return that many GPUs, in their order; none where there are fewer."""
        found = [gpu for gpu in range(len(self._gpus)) if self._gpus[gpu].total]
        found.sort(key=lambda gpu: (-left[gpu], gpu))
        return sorted(found[:count]) if count <= len(found) else []

    def _each(self, places: Sequence[int], left: Sequence[float]) -> float:
        """Return what a PLM may take of each of these GPUs: vLLM takes the same share of all, large and small."""
        totals = [self._gpus[gpu].total for gpu in places]
        return min(totals) * min(left[gpu] / self._gpus[gpu].total for gpu in places)

    def _keep(self, plm: str, memory: dict[int, float]) -> None:
        self._memory[plm] = memory
        self.taken.append(plm)

    def _slot(self, plm: str, wanted: Sequence[float]) -> Slot:
        places = self._memory[plm]
        if not places:
            return Slot()
        share = min(
            self._usable[gpu] / self._gpus[gpu].total * (memory / wanted[gpu] if wanted[gpu] else 1.0)
            for gpu, memory in places.items()
        )
        # Rounded down: shares of one GPU must not add up to more than there is.
        return Slot(tuple(places), int(share * 1000) / 1000, len(places))


def _whole(count: int) -> float:
    """Return what a PLM needs in all on ``count`` GPUs, as a multiple of what it needs on one."""
    return SPLIT if count > 1 else 1.0

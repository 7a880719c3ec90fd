"""The folder a run writes: made, resumed, guarded against a second writer. docs/runs.md shows its layout."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout

from synthgen.errors import UserError
from synthgen.links import unlinked
from synthgen.methods.base import Demonstration
from synthgen.plms.catalog import PLM
from synthgen.recipe import Recipe, is_scripted, read_recipe
from synthgen.runs.files import intact, naming, object_of, seal, write_bytes, write_json
from synthgen.runs.journal import Journal
from synthgen.runs.read import check_recipe
from synthgen.runs.rounds import RoundWriter
from synthgen.tasks.task import Task

ROUND_FILES = ("samples.jsonl", "rejected.jsonl", "demonstrations.json", "dynamics.parquet")
FORMAT = 1
"""What a run folder is; grows when a run that was begun before cannot be gone on with."""

_FINAL = ("dataset/train.parquet", "metrics.json")
Resume = Literal["never", "if-possible", "always"]
Status = Literal["running", "complete", "interrupted", "failed"]


class RunFolder:
    """One run's folder, held by one process at a time. Use it as a context manager: leaving it sets the status."""

    def __init__(self, path: Path, recipe: Recipe, manifest: dict[str, Any]) -> None:
        self.path = path
        self.recipe = recipe
        self.manifest = manifest
        self._lock = FileLock(path / ".lock")
        self._closed = manifest.get("finished")
        begun_by = _version(read_manifest(path))
        self.note = None
        if begun_by and begun_by != _version(manifest):
            self.note = f"This run was begun by synthgen {begun_by}, and goes on with {_version(manifest)}."

    def __enter__(self) -> "RunFolder":
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"Another process is writing {self.path}; wait for it or choose another --out.") from None
        if not (self.path / "recipe.yaml").exists() or read_recipe(self.path / "recipe.yaml") != self.recipe:
            write_bytes(self.path / "recipe.yaml", self.recipe.to_yaml().encode())
        self._stamp("running")
        self.log(f"started: {self.recipe.method} on {self.recipe.task or 'labels'}, recipe {self.recipe.fingerprint}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                self._stamp("complete")
            else:
                self._stamp("interrupted" if issubclass(kind, KeyboardInterrupt) else "failed")
            self.log(str(self.manifest["status"]))
        finally:
            self._lock.release()

    def round_folder(self, number: int) -> Path:
        """Return ``rounds/NN``."""
        return self.path / "rounds" / f"{number:02d}"

    def journal(self, number: int, plm: PLM, engine: str, part: str = "") -> Journal:
        """Return the journal of one PLM's completions in one round, or of another ``part`` of what it writes."""
        real = plm.serving.quantization or "as published"
        identity = f"{plm.model}@{plm.revision} {'scripted' if is_scripted(engine) else real}"
        return Journal(self.round_folder(number) / "completions" / part / f"{plm.name}.jsonl", identity=identity)

    def writing_round(self, number: int) -> RoundWriter:
        """Return what takes a round's texts as they are judged."""
        return RoundWriter(self.round_folder(number))

    def write_demonstrations(self, number: int, demonstrations: Sequence[Demonstration]) -> None:
        """Write what was chosen after a round, with its scores: ``demonstrations.json``."""
        rows = [{**chosen.sample.to_row(), "scores": dict(chosen.scores)} for chosen in demonstrations]
        write_json(self.round_folder(number) / "demonstrations.json", rows)

    def write_prelude(self, number: int, name: str, found: Mapping[str, Sequence[str]]) -> None:
        """Write what the PLMs wrote before the texts of a round: ``contexts.json``, ``first_sentences.json``."""
        write_json(self.round_folder(number) / f"{name}.json", dict(found))

    def write_task(self, task: Task) -> None:
        """Write ``task.yaml``: the task as it was, for the day when its file is another."""
        settings = task.model_dump(mode="json", exclude_defaults=True)
        write_bytes(self.path / "task.yaml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).encode())

    def finished(self) -> bool:
        """Tell whether the run was complete when it was opened, and nothing of what it wrote is missing or damaged."""
        rounds = sorted(self.path.glob("rounds/*"))
        return bool(
            self._closed and intact(self.path, _FINAL) and all(intact(folder, ROUND_FILES) for folder in rounds)
        )

    def seal(self) -> None:
        """Write down what the dataset and the metrics are, so that damage to them is found."""
        seal(self.path, _FINAL)

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write ``metrics.json``."""
        write_json(self.path / "metrics.json", metrics)

    def log(self, message: str) -> None:
        """Append a line with the time (UTC) to ``log.txt``."""
        path = self.path / "log.txt"
        with naming(path), open(path, "a", encoding="utf-8", opener=unlinked) as file:
            file.write(f"{_now()} {message}\n")

    def _stamp(self, status: Status) -> None:
        self.manifest["status"] = status
        self.manifest["finished"] = None if status == "running" else self._closed or _now()
        write_json(self.path / "manifest.json", self.manifest)


def prepare_run(recipe: Recipe, manifest: dict[str, Any], *, out: Path | None, resume: Resume) -> RunFolder:
    """Decide where the run is written, touching nothing yet.

    ``never`` wants a new or empty folder, ``always`` one that holds an unfinished or finished run of the same recipe,
    ``if-possible`` takes either. Without ``out`` a new folder under ``runs/`` is named, or the newest run of this
    recipe there that is not complete is resumed. Raises ``UserError`` where that cannot be.
    """
    if out is None:
        found = None if resume == "never" else _newest_unfinished(recipe)
        if found is None and resume == "always":
            raise UserError("There is no unfinished run of this recipe under runs/; name its folder with --out.")
        return RunFolder(found or _fresh_name(recipe), recipe, _begun(found, manifest))
    if not out.exists() or (out.is_dir() and all(_left_over(path) for path in out.iterdir())):
        if resume == "always":
            raise UserError(f"There is no run to resume in {out}.")
        return RunFolder(out, recipe, _begun(None, manifest))
    if not out.is_dir():
        raise UserError(f"{out} is a file; --out wants a folder.")
    if not (out / "recipe.yaml").is_file():
        raise UserError(f"{out} is not empty and holds no run; choose another --out.")
    if resume == "never":
        raise UserError(f"{out} already holds a run; add --resume to continue it, or choose another --out.")
    held = read_recipe(out / "recipe.yaml")
    if held.work != recipe.work:
        changed = [name for name, value in held.work.items() if value != recipe.work[name]]
        names = f"{' and '.join(changed)} {'differ' if len(changed) > 1 else 'differs'}"
        raise UserError(f"{out} holds another run: its {names}; choose another --out.")
    _check_same_parts(out, manifest)
    return RunFolder(out, recipe, _begun(out, manifest))


def _left_over(path: Path) -> bool:
    """Tell whether a process that was killed before it wrote anything may have left this."""
    return path.name == ".lock" or path.suffix == ".partial"


def _check_same_parts(out: Path, manifest: dict[str, Any]) -> None:
    """Raise ``UserError`` where task, pool or a PLM is another now: what was written would be asked for again."""
    held = read_manifest(out)
    if held.get("format", FORMAT) != FORMAT:
        raise UserError(
            f"The run in {out} was written by synthgen {_version(held)}, whose runs this one cannot go on with; "
            "install that version, or choose another --out."
        )
    check_recipe(out, read_recipe(out / "recipe.yaml"), held)
    if (held.get("pool") or {}).get("sha256") != (manifest.get("pool") or {}).get("sha256") and held.get("plms"):
        raise UserError(f"The pool is not the one that the run in {out} began with; choose another --out.")
    if held.get("first_sentences") != manifest.get("first_sentences") and held.get("plms"):
        raise UserError(f"The first sentences are not those that the run in {out} began with; choose another --out.")
    if held.get("task_digest") not in (None, manifest.get("task_digest")):
        raise UserError(
            f"Task {manifest.get('task')} is not as it was when the run in {out} began; choose another --out."
        )
    gold, held_gold = (one.get("gold") or {} for one in (manifest, held))
    if held_gold and held_gold.get("digest") != gold.get("digest"):
        raise UserError(
            f"The gold data ({gold.get('source', 'none now')}) is not what the run in {out} began with "
            f"({held_gold.get('source')}); choose another --out."
        )
    before = {plm["name"]: plm for plm in held.get("plms") or ()}
    for plm in manifest.get("plms") or ():
        old, new = (
            "@".join(str(part) for part in (one.get("model"), one.get("revision")) if part)
            for one in (before.get(plm["name"], plm), plm)
        )
        if old != new:
            raise UserError(f"In {out}, {plm['name']} was {old}, and now it is {new}; choose another --out.")


def _begun(path: Path | None, manifest: dict[str, Any]) -> dict[str, Any]:
    """Keep the first start of a resumed run, and the end of one that was complete."""
    held = read_manifest(path) if path else {}
    finished = held.get("finished") if held.get("status") == "complete" else None
    return {"status": "running", "started": held.get("started") or _now(), "finished": finished, **manifest}


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a run folder, empty where there is none or it is damaged."""
    try:
        return object_of(path / "manifest.json") or {}
    except OSError:
        return {}


def _version(manifest: Mapping[str, Any]) -> str | None:
    return (manifest.get("versions") or {}).get("synthgen")


def _newest_unfinished(recipe: Recipe) -> Path | None:
    candidates = []
    for path in Path("runs").glob("*/manifest.json"):
        manifest = read_manifest(path.parent)
        if manifest.get("fingerprint") == recipe.fingerprint and manifest.get("status") != "complete":
            candidates.append((str(manifest.get("started")), path.parent))
    return max(candidates)[1] if candidates else None


def _fresh_name(recipe: Recipe) -> Path:
    task = Path(recipe.task).stem or "labels"
    stem = f"{recipe.method}-{task}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    path, count = Path("runs") / stem, 1
    while path.exists():
        count += 1
        path = Path("runs") / f"{stem}-{count}"
    return path


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

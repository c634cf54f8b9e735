"""A store in a temporary folder with the toy pipeline beside it, in this process."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.decisions import Decision, Outcome, Undecided
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.pipeline import plain, toy
from ml_pipeline_tests.toys.process import Job

DAY = date(2026, 1, 5)


@dataclass
class Bench:
    """What a test works with; ``TOY_HOME`` must name `home`.

    Attributes:
        folder: a temporary folder.
        pipeline: the stages as they are now.
    """

    folder: Path
    pipeline: Pipeline = field(default_factory=toy)

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def root(self) -> Path:
        return self.folder / "store"

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore(str(self.root))

    @property
    def materializer(self) -> Materializer:
        return Materializer(self.pipeline, self.store)

    def edit(self, **versions: str) -> None:
        """Let the code of some stages be another from now on."""
        self.pipeline = toy(versions)

    def tell(self, order: str, text: str = "") -> Path:
        """Write a file that governs the stages."""
        file = self.home / order
        file.write_text(text)
        return file

    def started(self) -> list[str]:
        """Return the stages that have started since last asked."""
        file = self.home / "calls"
        names = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return names

    def run(
        self, selection: Iterable[str] | None = None, as_of: date | None = DAY, **values: Any
    ) -> dict[str, Outcome]:
        params = self.pipeline.params.parse(values)
        made = self.materializer.run(params, as_of, selection)
        return {outcome.record.asset: outcome for outcome in made}

    def plan(
        self, selection: Iterable[str] | None = None, **values: Any
    ) -> list[Decision | Undecided]:
        params = self.pipeline.params.parse(values)
        return list(self.materializer.plan(params, DAY, selection))

    def value(self, outcome: Outcome) -> Any:
        return plain(self.store.load(outcome.slot, outcome.record))

    def pictures(self, outcome: Outcome) -> dict[str, str]:
        directory = outcome.slot.revision(outcome.record.revision)
        return self.store.pictures(directory, outcome.record)

    def values(self, outcomes: dict[str, Outcome]) -> dict[str, Any]:
        return {name: self.value(outcome) for name, outcome in outcomes.items()}

    def directory(self, outcome: Outcome) -> Path:
        return self.root / outcome.slot.revision(outcome.record.revision)

    def data(self, outcome: Outcome) -> Path:
        return self.directory(outcome) / outcome.record.content.file

    def record(self, outcome: Outcome) -> Path:
        return self.directory(outcome) / "record.json"

    def files(self) -> set[str]:
        """Return every file below the root."""
        return {str(f.relative_to(self.root)) for f in self.root.rglob("*") if f.is_file()}

    def claims(self) -> set[str]:
        return {name for name in self.files() if name.startswith((".claims", ".staging"))}

    def job(self, **fields: Any) -> Job:
        """Return a run for another process."""
        return Job(str(self.root), str(self.home), **fields)


def entry_of(outcome: Outcome) -> Entry:
    """Return an artifact as the catalog has it."""
    return Entry(outcome.slot.revision(outcome.record.revision), outcome.record)


def flip(file: Path, place: float = 0.5) -> None:
    """Flip bits in a file."""
    content = bytearray(file.read_bytes())
    content[int(place * (len(content) - 1))] ^= 0x11
    file.write_bytes(content)


def age(record: Path, by: timedelta) -> None:
    """Let an artifact be older than it is."""
    started = datetime.fromisoformat(json.loads(record.read_text())["started_at"]) - by
    rewrite(record, record, started_at=started.isoformat())


def rewrite(record: Path, to: Path, **fields: Any) -> None:
    """Write a record with other fields as it was written before records were sealed."""
    document = json.loads(record.read_text()) | fields
    document.pop("seal", None)
    # In one step, since others may be reading it.
    half = to.with_name(f".{to.name}.half")
    half.write_text(json.dumps(document))
    half.replace(to)

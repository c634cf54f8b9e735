"""Notes for MLflow what it hears, and sees that somebody sends it."""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.errors import MlPipelineError
from ml_pipeline.invocation import typed
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.history import present
from ml_pipeline.params.identity import digest_of
from ml_pipeline.runs import catalog
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.lineage import upstream
from ml_pipeline.store.record import Input, Provenance, Record
from ml_pipeline.tracking.mlflow.notes import (
    DESCRIPTION,
    ModelNote,
    Note,
    PromotionNote,
    RunNote,
    SweepNote,
    SweptNote,
    key_of,
    known_as,
    metrics_of,
    ours,
    seconds_of,
    source_of,
)
from ml_pipeline.tracking.mlflow.sending import Sending, outbox_of, sending_of
from ml_pipeline.tracking.mlflow.summary import described, document_of
from ml_pipeline.tracking.mlflow.unfinished import Unfinished
from ml_pipeline.tracking.outbox import Outbox
from ml_pipeline.tracking.tracker import InSweep, Tracker

if TYPE_CHECKING:
    from ml_pipeline.leaderboard.board import Leaderboard
    from ml_pipeline.runs.promotion import Promoted
    from ml_pipeline.sweeps.engine import Sweep
    from ml_pipeline.sweeps.plan import Plan
    from ml_pipeline.sweeps.swept import Swept

MODEL_FORMATS: Final = ("skops", "lightgbm", "xgboost")
"""Names of the formats that keep models and nothing else."""

_MOST_REMEMBERED: Final = 500

log = logging.getLogger(__name__)


class MlflowTracker(Tracker):
    """Tells MLflow of what no other stage reads and what is judged, with all it was made from.

    Nothing here waits for the server, and nothing imports MLflow.
    """

    @classmethod
    def at(cls, uri: str, pipeline: Pipeline) -> "MlflowTracker":
        """Return what tells a server of the results of a pipeline.

        Args:
            uri: the server.
            pipeline: its stages.
        """
        outbox = outbox_of(uri)
        return cls(pipeline, outbox, sending_of(outbox, uri, settings().mlflow_wait_s))

    def __init__(self, pipeline: Pipeline, outbox: Outbox, sending: Sending) -> None:
        """Keep track of a pipeline.

        Args:
            pipeline: its stages; its name is the experiment's.
            outbox: where notes wait.
            sending: sends them.
        """
        self.pipeline = pipeline
        self.outbox = outbox
        self.sending = sending
        judged = [pipeline.judge.name] if pipeline.stages else []
        self.told = {*catalog.last_stages(pipeline), *judged}
        self._keys: dict[tuple[int, AsOf | None], str] = {}
        self._records: dict[str, Record] = {}
        self._around = Provenance()
        self._has_failed = False

    def made(self, store: ArtifactStore, outcome: Outcome, sweep: InSweep | None = None) -> None:
        """Note a run; one that was reused only if MLflow may not have it, or for a sweep."""
        record, key = outcome.record, key_of(outcome.record)
        directory = outcome.slot.revision(record.revision)
        self._remember(directory, record)
        if record.asset not in self.told:
            return
        if sweep is not None:
            self._keys[sweep.trial, record.as_of] = key
        elif outcome.reused and self.outbox.known(known_as(self.pipeline.name, key)):
            return
        with self._going_on():
            self._note(self._run(store, record, directory, outcome.reused, sweep))

    def sweep_began(self, store: ArtifactStore, sweep: "Sweep", plan: "Plan") -> None:
        """Note a sweep."""
        request = sweep.request
        frame = request.frame()
        tried: dict[str, list[Any]] = {name: [] for name in request.varied}
        for trial in request.combinations.trials:
            for name, value in trial.varied.items():
                tried[name] += [value] if value not in tried[name] else []
        around = self._around = sweep.provenance()
        tags = {
            "study": sweep.study_name,
            "plan": plan.sentence,
            "strategy": plan.strategy,
            "dates": ", ".join(str(day) for day in sweep.dates if day is not None),
            "environment": store.environment or "",
            "dagster_run_id": around.dagster_run_id or "",
        }
        note = SweepNote(
            experiment=self.pipeline.name,
            study=sweep.study_name,
            params={**frame["fixed"], **tried, **frame.get("space", {})},
            tags={**ours(tags), **source_of(around)},
            began_ms=_milliseconds(datetime.now(UTC)),
        )
        with self._going_on():
            self._note(note)

    def sweep_ended(self, store: ArtifactStore, swept: "Swept", board: "Leaderboard") -> None:
        """Note what came of a sweep."""
        best, objective = swept.best, swept.objective
        metrics: dict[str, float] = {}
        values: dict[str, dict[int, float]] = {}
        if objective is not None:
            values[f"trial_{objective.metric}"] = {
                one.trial.number: one.value for one in swept.attempts if one.value is not None
            }
        if objective is not None and best is not None and best.value is not None:
            metrics[objective.metric] = best.value
        tags = {
            "best_trial": str(best.trial.number) if best is not None else "",
            "failed": str(len(swept.failures)),
            "stopped": swept.stopped or "",
        }
        ended_ms = _milliseconds(datetime.now(UTC))
        with self._going_on():
            tried = Unfinished(self.pipeline, store, swept, self._around, ended_ms)
            for trial, day, failed in tried.failed():
                self._keys[trial, day] = failed.key
                self._note(failed)
            for pruned in tried.pruned():
                self._note(pruned)
        note = SweptNote(
            experiment=self.pipeline.name,
            study=swept.study,
            values=values,
            metrics=metrics,
            tags=ours(tags),
            document=document_of(swept, board, self._keys),
            description=described(swept, board),
            ended_ms=ended_ms,
            failed=bool(swept.cells) and len(swept.failures) == len(swept.cells),
        )
        with self._going_on():
            self._note(note)
        self._keys = {}

    def promoted(self, store: ArtifactStore, promoted: "Promoted") -> None:
        """Note what an environment has now, also where it had it already."""
        now = promoted.now
        about = {
            "promoted_at": now.at.isoformat(),
            "promoted_by": now.by,
            "promoted_from": now.source or "",
            "promotion_note": now.note,
            "promotion_forced": "; ".join(now.forced),
            "goes_back_to_entry": str(now.restores or ""),
            "gate": str((now.gate or {}).get("sentence", "")),
            **{f"flag.{name}": str(value) for name, value in now.flags.items()},
        }
        with self._going_on():
            record = store.readable_record(now.path)
            if record is None:
                return
            note = PromotionNote(
                experiment=self.pipeline.name,
                run=self._run(store, record, now.path, is_reused=True),
                registered=self.pipeline.name,
                alias=f"{now.environment}-{now.alias}",
                number=now.number,
                tags=ours(about),
            )
            self._note(note)

    def settle(self) -> None:
        """Wait for what is being sent, as long as the settings say."""
        with self._going_on():
            self.sending.settle()

    @contextlib.contextmanager
    def _going_on(self) -> Iterator[None]:
        """Let a run go on where something cannot be noted; what is reused later is noted then."""
        try:
            yield
        except MlPipelineError as error:
            if not self._has_failed:
                log.warning("MLflow is not told of some results; they stay. %s", error)
            self._has_failed = True

    def _remember(self, directory: str, record: Record) -> None:
        """Keep a record for what is made from it, which comes soon."""
        self._records[directory] = record
        if len(self._records) > _MOST_REMEMBERED:
            del self._records[next(iter(self._records))]

    def _note(self, note: Note) -> None:
        self.outbox.add(note.model_dump(mode="json"))
        self.sending.begin()

    def _run(
        self,
        store: ArtifactStore,
        record: Record,
        directory: str,
        is_reused: bool,
        sweep: InSweep | None = None,
    ) -> RunNote:
        """Return the note of a run.

        Args:
            store: where it is.
            record: of what is judged, or of what no other stage reads.
            directory: where that is in the store.
            is_reused: whether another run made it.
            sweep: the trial that it is for.
        """
        found: dict[str, tuple[str, Record]] = {record.asset: (directory, record)}

        def read_record(read: Input) -> Record | None:
            return self._records.get(read.path) or store.readable_record(read.path)

        for name, read, made in upstream([record], read_record):
            if made is not None:
                found.setdefault(name, (read.path, made))
        made_from = {name: made for name, (_, made) in found.items() if made is not record}
        day = {"as_of": str(record.as_of)} if record.as_of is not None else {}
        own = f"trial {sweep.trial}" if sweep is not None else record.run_id[:8]
        ended = record.started_at + timedelta(seconds=record.duration_s)
        took = timedelta(seconds=seconds_of(record, made_from))
        return RunNote(
            experiment=self.pipeline.name,
            key=key_of(record),
            store=digest_of(store.uri)[:8],
            name=" ".join([own, *day.values()]),
            params={**day, **present(self.pipeline.params, record.params)},
            metrics=dict(metrics_of(record, made_from)),
            tags=self._tags(store, record, found),
            models=list(self._models(store, found)),
            began_ms=_milliseconds(ended - took),
            ended_ms=_milliseconds(ended),
            reused=is_reused,
            study=sweep.study if sweep is not None else None,
            trial=sweep.trial if sweep is not None else None,
        )

    def _tags(
        self, store: ArtifactStore, record: Record, found: Mapping[str, tuple[str, Record]]
    ) -> dict[str, str]:
        values = present(self.pipeline.params, record.params)
        labels = {
            f"label.{one.told}": str(values[one.dotted])
            for one in self.pipeline.params.parameters()
            if one.is_label and one.dotted in values
        }
        artifacts = {
            f"artifact.{name}": store.address(f"{path}/{made.content.file}")
            for name, (path, made) in found.items()
        }
        tags = {
            "run_id": record.run_id,
            "revision": record.revision,
            "asset": record.asset,
            "as_of": str(record.as_of or ""),
            "environment": record.provenance.environment or "",
            "dagster_run_id": record.provenance.dagster_run_id or "",
            "digest": record.content.digest,
        }
        shown = f"`{typed(f'runs show {record.run_id}')}`"
        told = "\n".join(f"- {name}: `{artifacts[f'artifact.{name}']}`" for name in found)
        description = {DESCRIPTION: f"{shown} tells all of it.\n\n{told}"}
        return ours({**tags, **labels, **artifacts}) | source_of(record.provenance) | description

    def _models(
        self, store: ArtifactStore, found: Mapping[str, tuple[str, Record]]
    ) -> Iterator[ModelNote]:
        for name, (path, made) in found.items():
            if made.content.format in MODEL_FORMATS:
                read = [found[one] for one in made.inputs if one in found]
                tables = [
                    store.address(f"{place}/{table.content.file}")
                    for place, table in read
                    if table.content.file.endswith(".parquet")
                ]
                yield ModelNote(
                    experiment=self.pipeline.name,
                    asset=name,
                    root=store.uri,
                    directory=path,
                    format=made.content.format,
                    digest=made.content.digest,
                    inputs=tables,
                )


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)

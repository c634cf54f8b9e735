"""What OpenLineage is told of an artifact: a job, its run, and the datasets that it read and made.

The job is the stage, the dataset the asset in its store, and what a computation has made is a
version of that. The run's id is made of what was computed and when, so whoever hears of it twice
knows it for the same.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
)
from openlineage.client.facet_v2 import (
    JobFacet,
    RunFacet,
    dataset_version_dataset,
    documentation_job,
    error_message_run,
    execution_parameters_run,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
    tags_run,
)
from openlineage.client.uuid import generate_new_uuid, generate_static_uuid

from ml_pipeline.addresses import masked
from ml_pipeline.errors import StoreError, told
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.history import present
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Input, Record
from ml_pipeline.text import in_full
from ml_pipeline.tracking.tracker import InSweep, StageFailure

SOURCE: Final = "ml_pipeline"
_PRODUCER: Final = "urn:ml_pipeline"
_LONGEST: Final = 4000
_MOST_KEPT: Final = 1000


@dataclass(frozen=True)
class Events:
    """Makes the events of a pipeline.

    Attributes:
        pipeline: its stages.
        namespace: of its jobs.
    """

    pipeline: Pipeline
    namespace: str
    _schemas: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False)

    def of_made(
        self, store: ArtifactStore, outcome: Outcome, sweep: InSweep | None
    ) -> list[RunEvent]:
        """Return what tells that an artifact was computed: its start, and that it is complete."""
        record = outcome.record
        path = outcome.slot.revision(record.revision)
        stage = self.pipeline.stages.get(self.pipeline.present_name(record.asset))
        started = record.started_at.astimezone(UTC)
        facets = self._facets(record, sweep)
        identity = f"{store.uri}/{path}".encode()
        run = Run(str(generate_static_uuid(started, identity)), facets)
        job, inputs = self._job(record.asset, stage), self._inputs(store, record)
        ended = started + timedelta(seconds=max(record.duration_s, 0))
        made = self._output(store, path, record)
        return [
            self._event(RunState.START, started, run, job, inputs, []),
            self._event(RunState.COMPLETE, ended, run, job, inputs, [made]),
        ]

    def of_failed(self, store: ArtifactStore, failure: StageFailure) -> list[RunEvent]:
        """Return what tells that a stage has failed."""
        now, stage = datetime.now(UTC), failure.stage
        message = masked(told(failure.error))[:_LONGEST]
        params = failure.params
        facets: dict[str, RunFacet] = {
            "errorMessage": error_message_run.ErrorMessageRunFacet(message, "python"),
            "executionParameters": _parameters(params.values(stage.scope), self.pipeline.params),
            **self._around(failure.as_of, failure.dagster_run_id),
        }
        run = Run(str(generate_new_uuid(now)), facets)
        job = self._job(stage.name, stage)
        inputs = [self._dataset(store, name) for name in stage.upstream]
        return [
            self._event(RunState.START, now, run, job, inputs, []),
            self._event(RunState.FAIL, now, run, job, inputs, []),
        ]

    def _event(
        self,
        state: RunState,
        at: datetime,
        run: Run,
        job: Job,
        inputs: list[InputDataset],
        outputs: list[OutputDataset],
    ) -> RunEvent:
        return RunEvent(
            eventTime=at.isoformat(),
            producer=_PRODUCER,
            eventType=state,
            run=run,
            job=job,
            inputs=inputs,
            outputs=outputs,
        )

    def _job(self, asset: str, stage: Stage | None) -> Job:
        facets: dict[str, JobFacet] = {
            "jobType": job_type_job.JobTypeJobFacet("BATCH", "ML_PIPELINE", "JOB")
        }
        if stage is not None and stage.description:
            facets["documentation"] = documentation_job.DocumentationJobFacet(stage.description)
        return Job(self.namespace, f"{self.pipeline.name}.{asset}", facets)

    def _facets(self, record: Record, sweep: InSweep | None) -> dict[str, RunFacet]:
        around = record.provenance
        known = {
            "run_id": record.run_id,
            "revision": record.revision,
            "environment": around.environment,
            "code": record.code,
            "git_commit": around.git_commit,
            "outside_data": record.external,
            "sweep": sweep.study if sweep is not None else None,
            "trial": str(sweep.trial) if sweep is not None else None,
            **{f"metric.{name}": repr(value) for name, value in record.metrics.items()},
        }
        tags = [
            tags_run.TagsRunFacetFields(name, value, SOURCE)
            for name, value in known.items()
            if value is not None
        ]
        return {
            "tags": tags_run.TagsRunFacet(tags),
            "executionParameters": _parameters(record.params, self.pipeline.params),
            **self._around(record.as_of, around.dagster_run_id),
        }

    def _around(self, as_of: AsOf | None, dagster_run_id: str | None) -> dict[str, RunFacet]:
        found: dict[str, RunFacet] = {}
        if isinstance(as_of, date):
            start = datetime(as_of.year, as_of.month, as_of.day, tzinfo=UTC)
            found["nominalTime"] = nominal_time_run.NominalTimeRunFacet(start.isoformat())
        if dagster_run_id is not None and _is_uuid(dagster_run_id):
            found["parent"] = parent_run.ParentRunFacet(
                parent_run.Run(dagster_run_id), parent_run.Job(self.namespace, self.pipeline.name)
            )
        return found

    def _inputs(self, store: ArtifactStore, record: Record) -> list[InputDataset]:
        found = [self._dataset(store, name, read) for name, read in record.inputs.items()]
        for key, other in record.others.items():
            version = dataset_version_dataset.DatasetVersionDatasetFacet(other.version)
            found.append(InputDataset(self.namespace, key, facets={"version": version}))
        return found

    def _dataset(self, store: ArtifactStore, asset: str, read: Input | None = None) -> InputDataset:
        facets: dict[str, Any] = {}
        if read is not None:
            facets["version"] = _version(read.run_id, read.revision)
            facets |= self._schema_of_input(store, read.path)
        return InputDataset(*_named(store, asset), facets=facets)

    def _schema_of_input(self, store: ArtifactStore, path: str) -> dict[str, Any]:
        """Return the columns of an input; the trials of a sweep read the same ones."""
        place = store.address(path)
        if place not in self._schemas:
            upstream = store.readable_record(path)
            found = _schema(store, path, upstream) if upstream is not None else {}
            if len(self._schemas) >= _MOST_KEPT:
                self._schemas.clear()
            self._schemas[place] = found
        return self._schemas[place]

    def _output(self, store: ArtifactStore, path: str, record: Record) -> OutputDataset:
        content = record.content
        statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=content.shape.get("rows"),
            size=content.bytes,
            fileCount=len(content.files) or 1,
        )
        return OutputDataset(
            *_named(store, record.asset),
            facets={
                "version": _version(record.run_id, record.revision),
                **_schema(store, path, record),
            },
            outputFacets={"outputStatistics": statistics},
        )


def _named(store: ArtifactStore, asset: str) -> tuple[str, str]:
    """Return namespace and name of an asset's dataset, as OpenLineage names files and objects."""
    if store.directory is not None:
        return "file", f"{store.directory}/{asset}"
    scheme, _, rest = store.uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    return f"{scheme}://{bucket}", f"{prefix}/{asset}".lstrip("/")


def _version(run_id: str, revision: str) -> dataset_version_dataset.DatasetVersionDatasetFacet:
    return dataset_version_dataset.DatasetVersionDatasetFacet(f"{run_id}/{revision}")


def _schema(store: ArtifactStore, path: str, record: Record) -> dict[str, Any]:
    """Return the columns of a table as a facet; nothing where it is none or cannot be read."""
    try:
        columns = store.columns(path, record)
    except StoreError:
        return {}
    if not columns:
        return {}
    fields = [schema_dataset.SchemaDatasetFacetFields(name, kind) for name, kind in columns.items()]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields)}


def _parameters(
    recorded: Mapping[str, Mapping[str, Any]], model: ParamModel
) -> execution_parameters_run.ExecutionParametersRunFacet:
    """Return parameters by the names that they have now; secrets are references in them."""
    return execution_parameters_run.ExecutionParametersRunFacet(
        [
            execution_parameters_run.ExecutionParameter(name, name, value=masked(in_full(value)))
            for name, value in present(model, recorded).items()
        ]
    )


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True

"""A server of MLflow: what notes say is made so there, once, however often they are sent.

Each run has a tag with our key, looked up before anything is made, and is finished last: one that
is not finished was cut off, and is completed. Parameters, tags and metrics are the same each time,
so writing them again changes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from ml_pipeline.tracking.mlflow.limits import (
    MOST_METRICS,
    MOST_PARAMS,
    held,
    mapped,
)
from ml_pipeline.tracking.mlflow.models import ModelEntries
from ml_pipeline.tracking.mlflow.notes import (
    DESCRIPTION,
    PREFIX,
    AnyNote,
    PromotionNote,
    RunNote,
    SweepNote,
    SweptNote,
    known_as,
)
from ml_pipeline.tracking.mlflow.registry import move_alias
from ml_pipeline.tracking.outbox import Outbox

if TYPE_CHECKING:
    from mlflow.entities import Run

T = TypeVar("T")

KEY: Final = f"{PREFIX}key"
STORE: Final = f"{PREFIX}store"
_PARENT: Final = "mlflow.parentRunId"
_WHOLE: Final = "whole_values.json"
_SWEEP: Final = "sweep.json"
_MOST_LINKS: Final = 30
_KIND: Final = {"mlflow.experimentKind": "custom_model_development"}
"""What the page of an experiment is made for; else it asks about language models."""


class Gone(Exception):
    """What a note is about has been taken away in MLflow."""


class Server:
    """Where notes go."""

    def __init__(self, uri: str, outbox: Outbox) -> None:
        """Open it; nothing is asked yet.

        Args:
            uri: its address.
            outbox: remembers what the server calls what.
        """
        from mlflow import MlflowClient

        self.client = MlflowClient(uri)
        self.outbox = outbox
        self.models = ModelEntries(self.client)
        self._remembers = outbox.remembers
        self._experiments: dict[str, str] = {}
        self._made_here: set[str] = set()
        self._sweeps: dict[tuple[str, str], str] = {}

    def take(self, note: AnyNote) -> None:
        """Make what a note says so.

        Raises:
            Gone: if it is about what somebody has removed there.
            MlflowException: if the server does not answer, or refuses.
        """
        match note:
            case RunNote():
                self._run(note)
            case SweepNote():
                self._sweep(note)
            case SweptNote():
                self._swept(note)
            case PromotionNote():
                run_id = self._looked_up(note.run)
                entries = self.models.entries(self._experiment(note.experiment), run_id, note.run)
                move_alias(self.client, note, run_id, entries)

    def answers(self) -> bool:
        """Whether the server answers at all."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.search_experiments(max_results=1)
        except MlflowException:
            return False
        return True

    def _experiment(self, name: str) -> str:
        """Return the id of an experiment, which is made if it is not there."""
        from mlflow.exceptions import MlflowException

        if name not in self._experiments:
            found = self.client.get_experiment_by_name(name)
            if found is None:
                try:
                    self._experiments[name] = self.client.create_experiment(name, tags=_KIND)
                    self._made_here.add(name)
                except MlflowException as error:
                    if error.error_code != "RESOURCE_ALREADY_EXISTS":
                        raise
                    return self._experiment(name)
            elif found.lifecycle_stage == "deleted":
                raise Gone(
                    f"the experiment '{name}' must be there, but was deleted. Restore it:"
                    f" `mlflow experiments restore --experiment-id {found.experiment_id}`"
                )
            else:
                self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def _find(self, experiment: str, key: str, store: str | None = None) -> "Run | None":
        """Return the run of a key, also one that somebody has deleted; the first of several.

        Args:
            experiment: its id.
            key: of ours.
            store: digest of the root of its store; any if None.
        """
        from mlflow.entities import ViewType

        wanted = f"tags.`{KEY}` = '{mapped(key)}'"
        if store is not None:
            wanted += f" and tags.`{STORE}` = '{store}'"
        found = self.client.search_runs(
            [experiment], wanted, ViewType.ALL, order_by=["attributes.start_time ASC"]
        )
        return found[0] if found else None

    def _run(self, note: RunNote) -> str:
        """Have a run there, finished, and return its id; one that is known is not looked up."""
        known = self.outbox.known(known_as(note.experiment, note.key))
        if known:
            run_id, _, store = known.partition(" ")
            if (note.reused or store == note.store) and self._linked(run_id, note):
                return run_id
        # Nobody has begun it, unless somebody remembers nothing.
        remembers = self._remembers or note.experiment in self._made_here
        return self._looked_up(note, known is None and not note.reused and remembers)

    def _looked_up(self, note: RunNote, is_new: bool = False) -> str:
        """Have a run there, finished, and return its id.

        Args:
            note: the run.
            is_new: whether it is not there for sure.
        """
        known_by = known_as(note.experiment, note.key)
        experiment = self._experiment(note.experiment)
        self.outbox.know(known_by, "")
        store = None if note.reused else note.store
        found = None if is_new else self._find(experiment, note.key, store)
        is_there = found is not None and found.info.status == note.status
        if found is not None and found.info.lifecycle_stage == "deleted":
            is_there = True
        elif not is_there:
            found = self._completed(experiment, note, found)
        assert found is not None  # noqa: S101 - told apart above
        if is_there:
            self._linked(found.info.run_id, note)
        self.outbox.know(known_by, f"{found.info.run_id} {found.data.tags.get(STORE, '')}")
        return str(found.info.run_id)

    def _completed(self, experiment: str, note: RunNote, found: "Run | None") -> "Run":
        """Make a run, or what is missing of one, and finish it."""
        fitted = held(note.params, note.metrics, {**note.tags, **_in_sweep(note)})
        run = found
        if run is None:
            tags = {**fitted.tags, KEY: mapped(note.key), STORE: note.store}
            if note.study is not None:
                tags |= self._parent(note.experiment, note.study)
            run = self.client.create_run(experiment, note.began_ms, tags, note.name)
        run_id = run.info.run_id
        self._batch(run_id, fitted.params, fitted.metrics, note.ended_ms)
        if fitted.whole:
            self.client.log_dict(run_id, fitted.whole, _WHOLE)
        linked = None
        if found is not None:
            outputs = found.outputs.model_outputs if found.outputs is not None else []
            linked = [output.model_id for output in outputs]
        self.models.keep(experiment, run_id, note, linked)
        self.client.set_terminated(run_id, note.status, note.ended_ms)
        return run

    def _linked(self, run_id: str, note: RunNote) -> bool:
        """Let a run tell that a sweep has reused it; return whether it is there at all.

        One that somebody has deleted stays deleted, and tells nothing.
        """
        from mlflow.exceptions import MlflowException

        for name, text in _in_sweep(note).items():
            try:
                self.client.set_tag(run_id, mapped(name), text)
            except MlflowException as error:
                if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    raise
                return str(error.error_code) == "INVALID_PARAMETER_VALUE"
        return True

    def _parent(self, experiment: str, study: str) -> dict[str, str]:
        if (experiment, study) not in self._sweeps:
            found = self._find(self._experiment(experiment), _sweep_key(study))
            if found is None:
                return {}
            self._sweeps[experiment, study] = found.info.run_id
        return {_PARENT: self._sweeps[experiment, study]}

    def _sweep(self, note: SweepNote) -> None:
        experiment, key = self._experiment(note.experiment), _sweep_key(note.study)
        found = self._find(experiment, key)
        fitted = held(note.params, {}, note.tags)
        if found is None:
            tags = {**fitted.tags, KEY: mapped(key)}
            found = self.client.create_run(experiment, note.began_ms, tags, note.study)
        else:
            self.client.update_run(found.info.run_id, "RUNNING")
        run_id = found.info.run_id
        there = found.data.params
        # A study may go on with other values, and MLflow takes no parameter back.
        differ = {name for name, text in fitted.params.items() if there.get(name, text) != text}
        now = {f"{PREFIX}now.{name}": fitted.params.pop(name) for name in differ}
        self._batch(run_id, fitted.params, {}, note.began_ms, {**fitted.tags, **now})
        if fitted.whole:
            self.client.log_dict(run_id, fitted.whole, _WHOLE)
        self._sweeps[note.experiment, note.study] = run_id

    def _swept(self, note: SweptNote) -> None:
        from mlflow.entities import Metric

        experiment = self._experiment(note.experiment)
        found = self._find(experiment, _sweep_key(note.study))
        if found is None:
            raise Gone(f"the run of the sweep '{note.study}' must be there, but is not")
        run_id = found.info.run_id
        links = []
        for trial in note.document["trials"]:
            for cell in trial["cells"]:
                cell["mlflow_run_id"] = self._known_run(experiment, note, cell.pop("key"))
                if cell["reused"] and cell["mlflow_run_id"] is not None:
                    told = f"trial {trial['number']} {cell['as_of'] or ''}".rstrip()
                    where = f"#/experiments/{experiment}/runs/{cell['mlflow_run_id']}"
                    links.append(f"[{told}]({where})")
        self.client.log_dict(run_id, note.document, _SWEEP)
        description = note.description
        if links:
            more = f" and {len(links) - _MOST_LINKS} more" if len(links) > _MOST_LINKS else ""
            description += f"\n\nReused: {', '.join(links[:_MOST_LINKS])}{more}"
        fitted = held({}, note.metrics, {**note.tags, DESCRIPTION: description})
        self._batch(run_id, {}, fitted.metrics, note.ended_ms, fitted.tags)
        steps = [
            Metric(mapped(name), value, note.ended_ms, step)
            for name, values in note.values.items()
            for step, value in values.items()
        ]
        for some in _in_batches(steps, MOST_METRICS):
            self.client.log_batch(run_id, some)
        status = "FAILED" if note.failed else "FINISHED"
        self.client.set_terminated(run_id, status, note.ended_ms)

    def _known_run(self, experiment: str, note: SweptNote, key: str | None) -> str | None:
        if key is None:
            return None
        known = self.outbox.known(known_as(note.experiment, key))
        if known:
            return known.partition(" ")[0]
        found = self._find(experiment, key)
        return found.info.run_id if found is not None else None

    def _batch(
        self,
        run_id: str,
        params: Mapping[str, str],
        metrics: Mapping[str, float],
        at_ms: int,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        numbers = [Metric(name, value, at_ms, 0) for name, value in metrics.items()]
        texts = [Param(name, text) for name, text in params.items()]
        marks = [RunTag(name, text) for name, text in (tags or {}).items()]
        first = numbers[:MOST_METRICS], texts[:MOST_PARAMS]
        # The first request takes what there is, nearly always.
        if numbers or texts:
            self.client.log_batch(run_id, *first)
        for more in _in_batches(numbers[MOST_METRICS:], MOST_METRICS):
            self.client.log_batch(run_id, metrics=more)
        for some in _in_batches(texts[MOST_PARAMS:], MOST_PARAMS):
            self.client.log_batch(run_id, params=some)
        for several in _in_batches(marks, MOST_PARAMS):
            self.client.log_batch(run_id, tags=several)


def _sweep_key(study: str) -> str:
    return f"sweep/{study}"


def _in_sweep(note: RunNote) -> dict[str, str]:
    """Return the tag by which the runs of a sweep are found, whoever has made them."""
    return {f"{PREFIX}trial_of.{note.study}": str(note.trial)} if note.study is not None else {}


def _in_batches(some: Iterable[T], most: int) -> Iterator[Sequence[T]]:
    left = iter(some)
    while batch := list(islice(left, most)):
        yield batch

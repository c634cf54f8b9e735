"""A promotion as it is asked for, from any door: found, compared with the champion, carried out.

plan = PromotionRequest("0b6d28e4", target="prod", source="staging", gate=gate).planned(...)
plan.problems          what speaks against it
plan.carried_out()     raises PromotionRefused with these, unless it is forced
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ml_pipeline.environments import Environments
from ml_pipeline.errors import ArtifactMissing, ParamsError, PromotionRefused, QueryError
from ml_pipeline.launch.promotion_target import store_of_target, target_problems
from ml_pipeline.leaderboard.cells import recorded_params
from ml_pipeline.leaderboard.comparison import Comparison, compare
from ml_pipeline.leaderboard.side_names import SideName, read_side
from ml_pipeline.leaderboard.sides import Side, Sides, side_of
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.history import told
from ml_pipeline.params.identity import digest_of
from ml_pipeline.runs import catalog
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.changes import differing
from ml_pipeline.runs.columns import other_columns
from ml_pipeline.runs.gate import Gate, Outcome
from ml_pipeline.runs.promotion import Promoted, Tell, Terms, obstacles, promote, refusals, silent
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.environments import Stores
from ml_pipeline.store.ledger import Alias, Flag, Promotion
from ml_pipeline.text import quoted
from ml_pipeline.tracking.switched_on import tracker_of

_FLAG: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class PromotionRequest:
    """What is to be promoted, where, and on which conditions.

    Attributes:
        run: what is promoted: the beginning of a run id, ``@ENVIRONMENT``, or parameters such as
            ``model_version=v2``, all others as they stand, for their last date.
        target: the environment.
        source: the environment whose store it is in; this deployment's own if None.
        as_of: the date of what is promoted, for parameters.
        alias: what the environment is to have it as.
        gate: what its metrics must be; None for what the environment asks.
        flags: feature flags that serving reads.
        note: what to remember about it.
        by: who promotes it.
        force: whether it is promoted in spite of what speaks against it, which needs a note.
    """

    run: str
    target: str
    source: str | None = None
    as_of: AsOf | None = None
    alias: Alias = "champion"
    gate: Gate | None = None
    flags: Mapping[str, Flag] = field(default_factory=dict)
    note: str = ""
    by: str = ""
    force: bool = False

    def checked(self, environments: Environments) -> SideName:
        """Refuse what can be refused without looking into a store; return what is promoted.

        Raises:
            QueryError: naming every problem.
        """
        problems = target_problems(
            self.target, environments, "the environment promoted to", "what is promoted to"
        )
        if self.source is not None:
            if (unknown := environments.unknown(self.source)) is not None:
                problems.append(f"the environment promoted from {unknown}")
            elif self.source == self.target:
                problems.append(
                    f"a promotion must go to another environment, but both are '{self.target}'"
                )
        for name in self.flags:
            if not _FLAG.fullmatch(name):
                problems.append(
                    "a feature flag must be named with lower-case letters, digits and _, but got"
                    f" {quoted(name)}"
                )
        if self.force and not self.note.strip():
            problems.append("force needs a note that says why: it stays in the ledger")
        side = None
        try:
            side = read_side(self.run, environments)
        except QueryError as error:
            problems += error.problems
        if side is not None:
            problems += self._of_side(side)
        if problems or side is None:
            raise QueryError(problems)
        return side

    def _of_side(self, side: SideName) -> list[str]:
        problems = []
        if side.environment is not None and self.source not in (None, side.environment):
            problems.append(
                f"the run must be in one environment, but is in '{side.environment}' as written and"
                f" in '{self.source}' as told beside: leave one out"
            )
        if side.run and self.as_of is not None:
            problems.append(f"a run id says its date: leave out as_of ({self.as_of})")
        return problems

    def planned(
        self, pipeline: Pipeline, environments: Environments, stores: Stores
    ) -> "PromotionPlan":
        """Find what is promoted and compare it with what is there; nothing is written.

        Args:
            pipeline: the stages.
            environments: those that are configured.
            stores: returns the store of an environment.

        Raises:
            QueryError: if it makes no sense, with every problem.
            ArtifactMissing: if there is no such run.
            StoreUnreachable: if a store cannot be read.
        """
        side = self.checked(environments)
        if pipeline.serves is not None:
            problem = (
                f"what is promoted must be a run of pipeline '{pipeline.serves.name}', but this is"
                f" '{pipeline.name}', which scores with what is promoted"
            )
            raise QueryError([problem])
        target = store_of_target(self.target, environments, stores)
        whose = self.source or side.environment
        source = stores(whose)
        entry = self._entry(side, whose, pipeline, environments, stores)
        last = catalog.last_stages(pipeline)
        if pipeline.present_name(entry.record.asset) not in last:
            problem = (
                f"what is promoted must be a run of {' or '.join(last)}, with all that it was made"
                f" from, but {self.run} is one of {entry.record.asset}"
            )
            raise QueryError([problem])
        before = ledger.current(target).get(ledger.line_of(self.target, self.alias))
        plan = PromotionPlan(
            self, pipeline, entry, source, target, before, self._gate(environments)
        )
        # The same request again finds done what was done, whatever was asked before it.
        is_there = before is not None and before.path == entry.path
        return plan if is_there else plan.judged(_results(pipeline, plan))

    def _gate(self, environments: Environments) -> Gate:
        if self.gate is not None:
            return self.gate
        found = environments[self.target].gate
        return Gate.read(found, f"environments.{self.target}.gate") if found else Gate()

    def _entry(
        self,
        side: SideName,
        source: str | None,
        pipeline: Pipeline,
        environments: Environments,
        stores: Stores,
    ) -> Entry:
        store = stores(source)
        if side.run:
            return catalog.find(store, pipeline, side.run)
        named = SideName(side.text, source, values=side.values, file=side.file)
        found = Sides(pipeline, environments, stores).opened(named)
        dates = list(found.cells)
        if not dates or (self.as_of is not None and self.as_of not in found.cells):
            raise ArtifactMissing(
                f"{self.run} must have a result{f' of {self.as_of}' if self.as_of else ''} in"
                f" {store.uri}, but has none. `{found.command()}` makes one."
            )
        run_id = found.cells[dates[-1] if self.as_of is None else self.as_of].run_id
        return catalog.find(store, pipeline, run_id)


@dataclass(frozen=True)
class PromotionPlan:
    """What a promotion would do.

    Attributes:
        request: what was asked for.
        pipeline: the stages.
        entry: what is promoted.
        source: where it is.
        target: the store of the environment.
        before: what the environment has, if anything.
        gate: what its metrics must be.
        comparison: it beside what is there, over the dates that both have; None where the gate asks
            nothing, or nothing is there.
        outcome: what the gate came to; None where it asks nothing.
        problems: what speaks against it, a line each.
    """

    request: PromotionRequest
    pipeline: Pipeline
    entry: Entry
    source: ArtifactStore
    target: ArtifactStore
    before: Promotion | None
    gate: Gate
    comparison: Comparison | None = None
    outcome: Outcome | None = None
    problems: Sequence[str] = ()

    def judged(self, results: "_Results") -> "PromotionPlan":
        """Return the plan with what the gate and the installed code say of it."""
        problems = list(results.problems)
        if results.outcome is not None and not results.outcome.passed:
            problems.append(results.outcome.sentence.rstrip("."))
        problems += obstacles(self.pipeline, self.source, self.entry)
        problems += refusals(self.pipeline, self.source, self.entry)
        if (standing := self._standing_entry) is not None:
            problems += other_columns(
                self.source, self.entry, self.target, standing, self.pipeline.present_name
            )
        return replace(
            self,
            comparison=results.comparison,
            outcome=results.outcome,
            problems=tuple(problems),
        )

    @property
    def _standing_entry(self) -> Entry | None:
        """What is there, if its record can be read."""
        if self.before is None:
            return None
        record = self.target.readable_record(self.before.path)
        return Entry(self.before.path, record) if record is not None else None

    @property
    def parameters(self) -> dict[str, tuple[Any, Any]]:
        """The parameters that differ from what is there, as ``name: (there, now)``."""
        if (standing := self._standing_entry) is None:
            return {}
        model = self.pipeline.params
        then, now = (told(model, one.params) for one in (standing.record, self.entry.record))
        return {name: (a, b) for name, a, b in differing(then, now)}

    def carried_out(self, tell: Tell = silent) -> Promoted:
        """Promote.

        Args:
            tell: called before each artifact that is checked or copied.

        Raises:
            PromotionRefused: if anything speaks against it and it is not forced.
            MlPipelineError: as `promote` does.
        """
        request = self.request
        if self.problems and not request.force:
            raise PromotionRefused(
                self.problems,
                f"Nothing was promoted; {self._standing}. To promote it all the same, force it with"
                " a note that says why.",
            )
        terms = Terms(
            note=request.note,
            alias=request.alias,
            source=self.source.environment if self.source.uri != self.target.uri else None,
            by=request.by,
            gate=self.outcome.model_dump(mode="json") if self.outcome is not None else None,
            parameters=self.parameters,
            flags=request.flags,
            forced=tuple(self.problems),
            after=self.before.number if self.before is not None else 0,
        )
        tracker = tracker_of(self.pipeline, self.target.environment)
        done = promote(self.source, self.entry, request.target, terms, self.target, tell)
        tracker.promoted(self.target, done)
        tracker.settle()
        return done

    @property
    def line(self) -> str:
        """What the run is promoted to: the environment, or one of its other aliases."""
        return ledger.line_of(self.request.target, self.request.alias)

    @property
    def _standing(self) -> str:
        if self.before is None:
            return f"'{self.line}' has none yet"
        return f"'{self.line}' still has {self.before.run_id}"


@dataclass(frozen=True)
class _Results:
    comparison: Comparison | None = None
    outcome: Outcome | None = None
    problems: Sequence[str] = ()


def _results(pipeline: Pipeline, plan: PromotionPlan) -> _Results:
    """Compare what is promoted with what is there, as far as the gate asks for it."""
    gate, entry, before = plan.gate, plan.entry, plan.before
    if not gate.criteria and gate.min_dates == 1:
        return _Results()
    candidate = side_of(
        entry.record.run_id,
        pipeline,
        entry.record,
        [plan.source],
        environment=plan.source.environment,
    )
    standing = plan.target.read_record(before.path) if before is not None else None
    if before is not None and standing is None:
        problem = (
            f"what is there must be readable to compare with it, but run {before.run_id} is gone"
            f" from {plan.target.uri}"
        )
        return _Results(problems=[problem])
    if standing is None:
        metrics = {day: cell.metrics for day, cell in candidate.cells.items()}
        return _Results(outcome=gate.judge(metrics, None, entry.record.objective))
    if digest_of(recorded_params(pipeline, standing)) == candidate.key:
        return _one_date(gate, entry, standing)
    # What was not promoted of the champion's other dates is where it came from.
    elsewhere = [plan.source] if plan.source.uri != plan.target.uri else []
    champion = side_of(
        f"{plan.line} {standing.run_id}",
        pipeline,
        standing,
        [plan.target, *elsewhere],
        environment=plan.target.environment,
    )
    return _compared(gate, champion, candidate)


def _compared(gate: Gate, champion: Side, candidate: Side) -> _Results:
    try:
        found = compare(champion, candidate)
    except ParamsError as error:
        return _Results(problems=error.problems)
    return _Results(found, found.gated(gate))


def _one_date(gate: Gate, entry: Entry, standing: Any) -> _Results:
    """Compare two revisions of one parameter set: each knows its own date alone."""
    record = entry.record
    ours, theirs = ({one.as_of: one.metrics} for one in (record, standing))
    return _Results(outcome=gate.judge(ours, theirs, record.objective))

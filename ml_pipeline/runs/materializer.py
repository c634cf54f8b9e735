"""Compute once: reuse what is published, make and publish what is not.

Inputs of what is reused are never loaded.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.checker import Asked, Checker, refuse_blocked
from ml_pipeline.runs.decider import CONFIRMED, Decider
from ml_pipeline.runs.decisions import Decision, Outcome
from ml_pipeline.runs.explain import why_computed
from ml_pipeline.runs.hold import Onward
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.point import Point
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore, Published
from ml_pipeline.store.fallbacks import Fallback
from ml_pipeline.store.recent import RecentValues
from ml_pipeline.store.record import Provenance, Record
from ml_pipeline.store.slots import Slot


class Materializer(Decider):
    """Makes the stages of a pipeline for one set of parameters and one date at a time."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: ArtifactStore,
        provenance: Callable[[], Provenance] = Provenance,
        explain: Callable[..., str] = why_computed,
        recent: RecentValues | None = None,
        host: Host | None = None,
        asked: Asked = "all",
        sample_rows: int | None = None,
    ) -> None:
        """Bring a pipeline and a store together.

        Args:
            pipeline: the stages.
            store: where artifacts are looked up and published.
            provenance: tells what to record about the surroundings; asked before a stage computes.
            explain: says why something has to be computed; takes what `why_computed` takes.
            recent: keeps values that are likely to be read again by this very process.
            host: what provides what stages take besides; plain Python if omitted.
            asked: which checks are asked of what there is then.
            sample_rows: how many first rows of tables outcomes hold; None where nobody looks.
        """
        super().__init__(pipeline, store, explain, host)
        self.provenance = provenance
        self.recent = recent
        self.asked: Asked = asked
        self.sample_rows = sample_rows

    def run(
        self,
        params: ParamSet,
        as_of: AsOf | None,
        selection: Iterable[str] | None = None,
        known: Mapping[str, Record] | None = None,
        waits: bool = True,
        claims_first: bool = False,
        empty: Collection[str] = (),
    ) -> Iterator[Outcome]:
        """Make the selected stages in order of dependence, yielding each as it is done.

        Args:
            params: values of all parameters.
            as_of: the date, or None for a pipeline without dates.
            selection: names of the stages to make; all of them if omitted.
            known: records of upstream stages that somebody has located, and asked of, already.
            waits: whether to wait for what another run is computing.
            claims_first: whether somebody has looked and found nothing, so that each stage is
                claimed at once and looked for under the claim: the same, with fewer requests.
            empty: names of stages of which somebody has found no revision at all, whatever it was
                made of: if this run makes what they are made of, they are not looked for again.

        Raises:
            ArtifactMissing: if something upstream was not selected and is not published.
            CheckFailed: once an artifact was yielded that does not pass a check that blocks.
            BeingComputed: if another run is computing it, and nobody waits.
            PipelineError: if a stage takes what is not there.
        """
        known = dict(known or {})
        made: set[str] = set()
        older: set[str] = set()
        point = Point(self, params, as_of, waits)
        stages = self.pipeline.selected(selection)
        self.host.refuse(stages)
        checker = self.checker(params, as_of)
        checker.refuse_upstream(stages, known)
        # Under a claim nobody looks at what other environments have.
        looks = not claims_first or bool(self.store.fallbacks)
        try:
            for place, stage in enumerate(stages, 1):
                for name in stage.upstream:
                    if name not in known:
                        upstream = self.pipeline.stage(name)
                        known[name], is_current = self.located(upstream, params, as_of)
                        older |= set() if is_current else {name}
                decision = self.decide(stage, params, as_of, known, made, older, looks)
                onward, is_absent = Onward(stages[place:], known), looks or stage.name in empty
                outcome = point.make(decision, onward=onward, is_absent=is_absent)
                known[stage.name] = outcome.record
                if not outcome.reused:
                    made.add(stage.name)
                reports = checker.reports(stage, outcome.record, known)
                yield replace(outcome, checks=reports) if reports else outcome
                refuse_blocked(reports, params, as_of)
        finally:
            point.release()

    def checker(self, params: ParamSet, as_of: AsOf | None) -> Checker:
        """Return what asks the checks of artifacts."""
        return Checker(self, params, as_of, self.asked, self.recent)

    def hosted(self, host: Host) -> "Materializer":
        """Return the same with another host."""
        other = copy(self)
        other.host = host
        return other

    def lent(self, lender: Fallback, slot: Slot, record: Record) -> Record | None:
        """Copy an artifact of another environment, so that all that is made of it is in one store.

        Returns:
            The record to use, or None where that has to be done without.
        """
        taken = lender.copy(slot.revision(record.revision), self.store)
        return super().lent(lender, slot, taken) if taken is not None else None

    def surroundings(self) -> Provenance:
        """Describe what surrounds a computation, and the environment that it is in."""
        return self.provenance().model_copy(update={"environment": self.store.environment})

    def confirm(self, slot: Slot, revision: str) -> None:
        """Note that a published revision was computed again just now with the same result."""
        note = {
            "at": datetime.now(UTC).isoformat(),
            "dagster_run_id": self.provenance().dagster_run_id,
        }
        path = f"{slot.revision(revision)}/{CONFIRMED}"
        self.store.overwrite(path, json.dumps(note).encode())

    def compared(self, decision: Decision, published: Published) -> str:
        """Tell how what was computed compares with what was published already, if anything was."""
        if not published.adopted:
            return ""
        if not published.deterministic:
            return "; NOT DETERMINISTIC: the bytes differ from those published before, which stand"
        self.confirm(decision.slot, decision.revision)
        return "; the bytes agree with those published before"

"""Deciding: whether a stage's result is published already, and where what it reads is.

A decision needs no data: the code's fingerprint, the content digests of the inputs and the digest
of outside data give the revision, and one look into the store tells whether it is there.
"""

import contextlib
import json
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.group import RunOptions
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.checker import Checker
from ml_pipeline.runs.decisions import Blocked, Decision, Undecided
from ml_pipeline.runs.earlier import Earlier
from ml_pipeline.runs.explain import why_computed, why_missing, why_reused
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.served import PromotedRuns, ServedRun
from ml_pipeline.runs.serving import Serving
from ml_pipeline.runs.signature import Signature
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.fallbacks import Fallback
from ml_pipeline.store.record import OtherAsset, Record, fingerprint
from ml_pipeline.store.slots import Slot

CONFIRMED: Final = "confirmed.json"
"""File beside a record that tells when it was computed again with the same result."""

log = logging.getLogger(__name__)


class Decider:
    """Tells of the stages of a pipeline what is published and what has to be computed."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: ArtifactStore,
        explain: Callable[..., str] = why_computed,
        host: Host | None = None,
    ) -> None:
        """Bring a pipeline and a store together.

        Args:
            pipeline: the stages.
            store: where artifacts are looked up.
            explain: says why something has to be computed; takes what `why_computed` takes.
            host: what provides what stages take besides; plain Python if omitted.
        """
        self.host = host or Host()
        self.pipeline = pipeline
        self.store = store.with_formats(pipeline.formats)
        self.explain = explain
        self._lenders: dict[tuple[str, str, str], str] = {}

    def plan(
        self, params: ParamSet, as_of: AsOf | None, selection: Iterable[str] | None = None
    ) -> Iterator[Decision | Undecided | Blocked]:
        """Tell what `run` would do with each selected stage, computing nothing and asking nothing.

        Whether something is blocked is told as far as checks have been asked.
        """
        known: dict[str, Record] = {}
        older: set[str] = set()
        stages = self.pipeline.selected(selection)
        chosen = {stage.name for stage in stages}
        checker = Checker(self, params, as_of, "blocking")
        blocked = checker.known_upstream(stages)
        for stage in stages:
            if blocked:
                yield Blocked(stage, blocked)
                continue
            waiting = [name for name in stage.upstream if name not in known]
            for name in list(waiting):
                if name not in chosen:
                    upstream = self.pipeline.stage(name)
                    known[name], is_current = self.located(upstream, params, as_of)
                    older |= set() if is_current else {name}
                    waiting.remove(name)
            if waiting:
                slot = stage.slot(params, as_of)
                inputs = {name: known.get(name) for name in stage.upstream}
                external = self.external(stage, params, as_of)
                others = self.others(stage, params, as_of)
                reason = self.explain(self.store, slot, stage, inputs, external, others)
                may_reuse = not params.options.force and any(
                    (record.code, record.external, record.others) == (stage.code, external, others)
                    for revisions in self._revisions
                    for record in revisions(slot)
                )
                yield Undecided(stage, reason, may_reuse)
                continue
            decision = self.decide(stage, params, as_of, known, older=older)
            if decision.reuse is not None:
                known[stage.name] = decision.reuse
                blocked = checker.known_problem(stage, decision.reuse, known)
            yield decision

    def decide(
        self,
        stage: Stage,
        params: ParamSet,
        as_of: AsOf | None,
        known: dict[str, Record],
        made: Collection[str] = (),
        older: Collection[str] = (),
        looks: bool = True,
    ) -> Decision:
        """Tell whether a stage's result is published already.

        Args:
            stage: the stage.
            params: values of all parameters.
            as_of: the date.
            known: records of at least the stage's inputs.
            made: names of stages that this very run has computed.
            older: names of stages of which an older revision is known.
            looks: whether to look; otherwise it is taken to be missing.
        """
        decision = self.decide_at(
            stage,
            stage.slot(params, as_of),
            {name: known[name] for name in stage.upstream},
            self.external(stage, params, as_of),
            self.others(stage, params, as_of),
            params.options,
            looks,
        )
        return replace(
            decision,
            reused_inputs=tuple(name for name in decision.inputs if name not in made),
            older_inputs=tuple(name for name in decision.inputs if name in older),
        )

    def decide_at(
        self,
        stage: Stage,
        slot: Slot,
        inputs: dict[str, Record],
        external: str | None,
        others: Mapping[str, OtherAsset],
        options: RunOptions,
        looks: bool = True,
    ) -> Decision:
        """Tell whether what reads some inputs is published in a place already.

        Args:
            stage: what would make it.
            slot: the place.
            inputs: records of what it would read.
            external: digest of the outside data that it would read.
            others: the assets that it would read and that are no stages, by key.
            options: of the run.
            looks: whether to look; otherwise it is taken to be missing.
        """
        digests = {name: stage.reading.digest(one) for name, one in inputs.items()}
        revision = fingerprint(stage.code, digests, external, others)
        record, reason, lender = None, "", None
        try:
            record = self.store.find(slot, revision) if looks else None
            if record is None and looks:
                record, lender = self._lent(slot, revision, options)
        except ArtifactDamaged as error:
            reason = str(error)
        if record is not None:
            reason = self.stale(options, slot, record, lender)
            if reason:
                record = None
            else:
                reason = why_reused(stage, slot, record, lender)
        elif not reason:
            reason = self.explain(self.store, slot, stage, inputs, external, others)
        if record is None and not options.force:
            reason += self._unread
        return Decision(
            stage,
            slot,
            revision,
            inputs,
            external,
            record,
            reason,
            others=others,
            lender=lender,
            lent_inputs={
                name: self._lenders[record.asset, record.run_id, record.revision]
                for name, record in inputs.items()
                if (record.asset, record.run_id, record.revision) in self._lenders
            },
        )

    def external(self, stage: Stage, params: ParamSet, as_of: AsOf | None) -> str | None:
        """Return the digest of what a stage would read from outside now."""
        asked = self.given(stage.reads_signature, params, as_of) if stage.reads_signature else {}
        return stage.external(params, as_of, {**self.host.reading(stage), **asked})

    def given(self, signature: Signature, params: ParamSet, as_of: AsOf | None) -> dict[str, Any]:
        """Return the arguments that come from what the store has besides inputs.

        Args:
            signature: what is asked for.
            params: values of all parameters.
            as_of: the date.
        """
        found: dict[str, Any] = {
            argument: Earlier(
                self.store, self.pipeline.stage(name), params, as_of, self.pipeline.keys
            )
            for argument, name in signature.earlier.items()
        }
        if signature.served:
            found |= dict.fromkeys(signature.served, self.serving.at(params, as_of))
        return found | dict.fromkeys(signature.promoted, PromotedRuns(self._promoted))

    def others(self, stage: Stage, params: ParamSet, as_of: AsOf | None) -> dict[str, OtherAsset]:
        """Return what is no stage and what a stage would read now: assets, and promoted runs."""
        found = self.host.others(stage, as_of)
        return {**found, **self.serving.at(params, as_of).recorded} if stage.is_served else found

    def _promoted(self, run_id: str) -> ServedRun | None:
        return self.serving.promoted(run_id)

    @cached_property
    def serving(self) -> Serving:
        """Finds what the environment serves, where the pipeline scores with that."""
        return Serving(self.pipeline, self.store)

    def lent(self, lender: Fallback, slot: Slot, record: Record) -> Record | None:
        """Take an artifact of another environment; who only decides leaves it where it is.

        Returns:
            The record to use, or None where that has to be done without.
        """
        self._lenders[record.asset, record.run_id, record.revision] = lender.environment
        return record

    def locate(self, stage: Stage, params: ParamSet, as_of: AsOf | None) -> Record:
        """Find the published artifact of a stage, as `located` does, for whoever takes any."""
        return self.located(stage, params, as_of)[0]

    def located(self, stage: Stage, params: ParamSet, as_of: AsOf | None) -> tuple[Record, bool]:
        """Find the published artifact of a stage, made by whichever run.

        Returns:
            The revision that code and data as they are now give, and True; where it has not been
            made, the newest revision of the same parameters, and False.

        Raises:
            ArtifactMissing: if there is none, saying what there is and how to make it.
        """
        slot = stage.slot(params, as_of)
        try:
            digests = {
                name: stage.reading.digest(self.locate(self.pipeline.stage(name), params, as_of))
                for name in stage.upstream
            }
            external = self.external(stage, params, as_of)
            others = self.others(stage, params, as_of)
            revision = fingerprint(stage.code, digests, external, others)
            current = self.store.find(slot, revision)
            if current is None:
                found, lender = self._lent(slot, revision, params.options)
                if found is not None and lender is not None:
                    current = self.lent(lender, slot, found)
        except (ArtifactMissing, ArtifactDamaged):
            current = None
        if current is not None:
            return current, True
        record = self.newest(slot)
        log.warning(
            "%s: code or data have changed since %s was made; using its revision %s all the same",
            stage.name,
            slot.run_id,
            record.revision,
        )
        return record, False

    def newest(self, slot: Slot) -> Record:
        """Return the newest published revision in a slot.

        Raises:
            ArtifactMissing: if there is none, saying what there is and how to make it.
        """
        for record in self.store.revisions(slot):
            return record
        for lender in self.store.fallbacks:
            found = lender.newest(slot)
            taken = self.lent(lender, slot, found) if found is not None else None
            if taken is not None:
                return taken
        raise ArtifactMissing(f"{why_missing(self.store, slot)}{self._unread}")

    def _lent(
        self, slot: Slot, revision: str, options: RunOptions
    ) -> tuple[Record | None, Fallback | None]:
        """Return the record of a revision in the first other environment that may give it."""
        for lender in () if options.force else self.store.fallbacks:
            found = lender.find(slot, revision)
            if found is not None and not self.stale(options, slot, found, lender):
                return found, lender
        return None, None

    @property
    def _revisions(self) -> list[Callable[[Slot], list[Record]]]:
        return [self.store.revisions, *(lender.revisions for lender in self.store.fallbacks)]

    @property
    def _unread(self) -> str:
        """What could not be read of other environments, to end a reason with."""
        return "".join(
            f"; '{one.environment}', which is read as well, could not give it: {one.problem}"
            for one in self.store.fallbacks
            if one.problem
        )

    def stale(
        self, options: RunOptions, slot: Slot, record: Record, lender: Fallback | None = None
    ) -> str:
        """Return why the run's options forbid to reuse a record, or the empty string.

        Args:
            options: the run's.
            slot: the artifact's place.
            record: its record.
            lender: who has it, where that is another environment.
        """
        if options.force:
            return "asked for with force"
        if options.max_age_days is None:
            return ""
        made = record.started_at + timedelta(seconds=record.duration_s)
        noted = (lender or self.store).read(f"{slot.revision(record.revision)}/{CONFIRMED}")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            made = max(made, datetime.fromisoformat(json.loads(noted or b"")["at"]))
        age = datetime.now(UTC) - made
        if age <= timedelta(days=options.max_age_days):
            return ""
        return f"the published result is {age / timedelta(days=1):.1f} days old"

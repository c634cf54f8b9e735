"""Compute once: decide for a stage whether its result is already published, and if not, make it.

A decision needs no data: the code's fingerprint, the content digests of the inputs and the digest
of outside data give the revision, and one look into the store tells whether it is there. Inputs of
what is reused are never loaded.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing
from ml_pipeline.missing import explain_missing
from ml_pipeline.params import ParamSet
from ml_pipeline.record import Content, Input, Provenance, Record, fingerprint
from ml_pipeline.slots import Slot
from ml_pipeline.stages import Pipeline, Result, Stage
from ml_pipeline.store import ArtifactStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Decision:
    """What a stage would do now.

    Attributes:
        stage: the stage.
        slot: where its asset lives.
        revision: fingerprint of its code and of all that it would read.
        inputs: records of the upstream artifacts that it would read.
        external: digest of the outside data that it would read.
        published: the record to reuse, or None where it has to be computed.
        damage: why a published artifact cannot be used, if it cannot.
    """

    stage: Stage
    slot: Slot
    revision: str
    inputs: dict[str, Record]
    external: str | None
    published: Record | None
    damage: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What a stage did.

    Attributes:
        slot: where the artifact is.
        record: the artifact's record.
        reused: whether it had been published before.
        notes: anything unusual that a user should see.
    """

    slot: Slot
    record: Record
    reused: bool
    notes: tuple[str, ...] = ()


class Materializer:
    """Makes the stages of a pipeline for one set of parameters and one date at a time."""

    def __init__(
        self, pipeline: Pipeline, store: ArtifactStore, provenance: Provenance | None = None
    ) -> None:
        """Bring a pipeline and a store together.

        Args:
            pipeline: the stages.
            store: where artifacts are looked up and published.
            provenance: what to record about the surroundings.
        """
        self.pipeline = pipeline
        self.store = store
        self.provenance = provenance or Provenance()

    def run(
        self, params: ParamSet, as_of: date | None, selection: Iterable[str] | None = None
    ) -> Iterator[Outcome]:
        """Make the selected stages in order of dependence, yielding each as it is done.

        Args:
            params: values of all parameters.
            as_of: the date, or None for a pipeline without dates.
            selection: names of the stages to make; all of them if omitted.

        Raises:
            ArtifactMissing: if something upstream was not selected and is not published.
        """
        known: dict[str, Record] = {}
        loaded: dict[tuple[str, bool], Any] = {}
        for stage in self.pipeline.selected(selection):
            for name in stage.upstream:
                if name not in known:
                    known[name] = self.locate(self.pipeline.stage(name), params, as_of)
            decision = self.decide(stage, params, as_of, known)
            outcome = self._make(decision, params, as_of, loaded)
            known[stage.name] = outcome.record
            yield outcome

    def decide(
        self, stage: Stage, params: ParamSet, as_of: date | None, known: dict[str, Record]
    ) -> Decision:
        """Tell whether a stage's result is published already.

        Args:
            stage: the stage.
            params: values of all parameters.
            as_of: the date.
            known: records of at least the stage's inputs.
        """
        slot = stage.slot(params, as_of)
        inputs = {name: known[name] for name in stage.upstream}
        digests = {name: record.content.digest for name, record in inputs.items()}
        external = stage.external(params, as_of)
        revision = fingerprint(stage.code, digests, external)
        published, damage = None, None
        try:
            published = self.store.find(slot, revision)
        except ArtifactDamaged as error:
            damage = str(error)
        return Decision(stage, slot, revision, inputs, external, published, damage)

    def locate(self, stage: Stage, params: ParamSet, as_of: date | None) -> Record:
        """Find the published artifact of a stage, made by whichever run.

        That is the revision which current code and data give; where it has not been made, the
        newest revision of the same parameters.

        Raises:
            ArtifactMissing: if there is none, saying what there is and how to make it.
        """
        slot = stage.slot(params, as_of)
        try:
            known = {
                name: self.locate(self.pipeline.stage(name), params, as_of)
                for name in stage.upstream
            }
            current = self.decide(stage, params, as_of, known).published
        except ArtifactMissing:
            current = None
        if current is not None:
            return current
        record = self.newest(slot)
        log.warning(
            "%s: code or data have changed since %s was made; using its revision %s all the same",
            stage.name,
            slot.run_id,
            record.revision,
        )
        return record

    def newest(self, slot: Slot) -> Record:
        """Return the newest published revision in a slot.

        Raises:
            ArtifactMissing: if there is none, saying what there is and how to make it.
        """
        for record in self.store.revisions(slot):
            return record
        raise ArtifactMissing(explain_missing(self.store, slot))

    def _make(
        self,
        decision: Decision,
        params: ParamSet,
        as_of: date | None,
        loaded: dict[tuple[str, bool], Any],
    ) -> Outcome:
        if decision.published is not None:
            return Outcome(decision.slot, decision.published, reused=True)
        stage = decision.stage
        started_at, start = datetime.now(UTC), time.perf_counter()
        arguments = stage.signature.arguments(params, as_of)
        for argument, name in stage.signature.inputs.items():
            lazy = argument in stage.signature.lazy
            if (name, lazy) not in loaded:
                upstream = self.pipeline.stage(name).slot(params, as_of)
                loaded[name, lazy] = self.store.load(upstream, decision.inputs[name], lazy)
            arguments[argument] = loaded[name, lazy]
        value = stage.function(**arguments)
        result = value if isinstance(value, Result) else Result(value)

        def describe(content: Content) -> Record:
            return Record(
                asset=stage.name,
                run_id=decision.slot.run_id,
                revision=decision.revision,
                as_of=as_of,
                identity=decision.slot.identity,
                params=params.values(stage.scope),
                origins={
                    name: origin for name, origin in params.origins.items()
                    if name.partition(".")[0] in stage.scope
                },
                code=stage.code,
                external=decision.external,
                inputs={
                    name: Input(
                        run_id=record.run_id,
                        revision=record.revision,
                        digest=record.content.digest,
                    )
                    for name, record in decision.inputs.items()
                },
                content=content,
                started_at=started_at,
                duration_s=round(time.perf_counter() - start, 6),
                metrics=dict(result.metrics),
                picture=result.picture,
                provenance=self.provenance,
            )

        if decision.damage is not None:
            self.store.discard(decision.slot, decision.revision)
        published = self.store.publish(decision.slot, decision.revision, result.value, describe)
        notes = [decision.damage] if decision.damage else []
        if not published.deterministic:
            notes.append(
                "Another run published the same revision with other bytes: the computation is not"
                " deterministic. The first result stands."
            )
        return Outcome(decision.slot, published.record, published.adopted, tuple(notes))

"""Making one artifact after the other at one point: parameters and a date.

Nobody else computes the same meanwhile; what outside data changed under it is read again, and an
input whose bytes were damaged is made again.
"""

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.current import in_environment
from ml_pipeline.errors import ArtifactDamaged, SourceError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.model import ParamSet
from ml_pipeline.params.secret import secrets_hidden
from ml_pipeline.runs.calls import called
from ml_pipeline.runs.card_file import put_card
from ml_pipeline.runs.decisions import Decision, Outcome
from ml_pipeline.runs.metrics import plain_metrics
from ml_pipeline.runs.pictures import plain_pictures
from ml_pipeline.store.claims import claimed
from ml_pipeline.store.record import Content, Record
from ml_pipeline.store.slots import Slot

if TYPE_CHECKING:
    from ml_pipeline.runs.materializer import Materializer

_MOST_REREADS: Final = 3
_MOST_REPAIRS: Final = 3

log = logging.getLogger(__name__)


class Point:
    """One set of parameters at one date: computes stages, mending inputs where needed."""

    def __init__(
        self, materializer: "Materializer", params: ParamSet, as_of: AsOf | None, waits: bool = True
    ) -> None:
        self.waits = waits
        self.materializer = materializer
        self.store = materializer.store
        self.params = params
        self.as_of = as_of
        self.rereads = 0
        self.mended: list[str] = []

    def make(self, decision: Decision, is_repair: bool = False) -> Outcome:
        """Reuse or compute.

        Args:
            decision: what to do.
            is_repair: whether what another run has published counts only with the right digest.
        """
        while True:
            outcome = self._made(decision, is_repair)
            if outcome is not None:
                return outcome
            stage, inputs = decision.stage, decision.inputs
            self.rereads += 1
            if self.rereads > _MOST_REREADS:
                raise SourceError(
                    f"The outside data of '{stage.name}' must hold still while it is read, but"
                    f" changed {self.rereads} times in a row. Run again when it is quiet."
                )
            log.warning("%s: the source changed while it was read; reading it again", stage.name)
            made = set(inputs) - set(decision.reused_inputs)
            decision = self.materializer.decide(
                stage, self.params, self.as_of, inputs, made, decision.older_inputs
            )

    def _made(self, decision: Decision, is_repair: bool) -> Outcome | None:
        """Reuse or compute; return None if the outside data changed while it was read."""
        slot, revision = decision.slot, decision.revision
        if decision.reuse is not None:
            record, lender = decision.reuse, decision.lender
            if lender is None:
                return Outcome(slot, record, reused=True, reason=decision.sentence)
            taken = self.materializer.lent(lender, slot, record)
            if taken is not None:
                return Outcome(slot, taken, True, decision.sentence, lender.environment)
            reason = f"'{lender.environment}' could not give it: {lender.problem}"
            decision = replace(decision, reuse=None, lender=None, reason=reason)

        found: list[Record] = []

        def is_published() -> bool:
            try:
                record = self.store.find(slot, revision)
                if record is not None and is_repair:
                    self.store.check(slot.revision(revision), record)
            except ArtifactDamaged:
                return False
            if record is None or self.materializer.stale(self.params.options, slot, record):
                return False
            found.append(record)
            return True

        reads = list(self._paths(decision).values())
        with claimed(
            self.store, slot, revision, is_published, waits=self.waits, reads=reads
        ) as ours:
            if ours:
                return self._compute(decision)
        reason = f"{slot.asset}: reused: another run computed it meanwhile"
        return Outcome(slot, found[-1], reused=True, reason=reason)

    def _compute(self, decision: Decision) -> Outcome | None:
        stage, slot, revision = decision.stage, decision.slot, decision.revision
        # Before, because somebody may edit the code while it runs.
        around = self.materializer.surroundings()
        started_at, start = datetime.now(UTC), time.perf_counter()
        arguments = partial(self._arguments, decision)
        with in_environment(self.params.options.environment), secrets_hidden():
            # First, because what goes wrong with it should not cost the computation.
            window = stage.data_seen(self.params, self.as_of)
            value, attempt = called(stage.function, arguments, stage.extras.retry)
        now = self.materializer.external(stage, self.params, self.as_of)
        if now != decision.external:
            return None
        if self.materializer.others(stage, self.params, self.as_of) != decision.others:
            return None
        result = self.materializer.pipeline.result_of(stage.name, value)
        names = {name for p in self.params.model.parameters() for name in (p.name, p.dotted)}
        metrics = plain_metrics(stage.name, result.metrics, names)

        pictures = plain_pictures(stage.name, result)

        paths = self._paths(decision)

        def describe(content: Content) -> Record:
            return Record(
                asset=stage.name,
                run_id=slot.run_id,
                as_of=self.as_of,
                identity=slot.identity,
                params=self.params.values(stage.scope),
                origins={
                    name: origin
                    for name, origin in self.params.origins.items()
                    if name.partition(".")[0] in stage.scope
                },
                packages=dict(stage.packages),
                files=stage.file_digests(),
                content=content,
                started_at=started_at,
                duration_s=round(time.perf_counter() - start, 6),
                metrics=metrics,
                objective=stage.objective(self.params),
                provenance=around,
                **decision.recorded(paths),
            )

        published = self.store.publish(
            slot, revision, result.value, describe, pictures, self.materializer.sample_rows
        )
        if not published.adopted:
            put_card(self.store, decision, published.record, window)
        if self.materializer.recent is not None and published.deterministic:
            content = published.record.content
            kept_as = self.store.formats.named(content.format)
            self.materializer.recent.keep(content, kept_as, result.value, is_fresh=True)
        reason = decision.sentence
        if attempt > 1:
            reason += f"; it took {attempt} attempts"
        if self.mended:
            reason += f"; {', '.join(self.mended)} was damaged and has been computed again"
            self.mended.clear()
        reason += self.materializer.compared(decision, published)
        return Outcome(slot, published.record, False, reason, sample=published.sample)

    def _arguments(self, decision: Decision) -> dict[str, Any]:
        stage, host = decision.stage, self.materializer.host
        arguments = stage.arguments(self.params, self.as_of)
        for argument, name in stage.signature.inputs.items():
            lazy = argument in stage.signature.lazy
            arguments[argument] = self._input(name, decision.inputs[name], lazy)
        arguments |= self.materializer.given(stage.signature, self.params, self.as_of)
        return {**arguments, **host.arguments(stage, self.as_of, decision.others)}

    def _input(self, name: str, record: Record, lazy: bool) -> Any:
        """Load an input; one whose bytes have been damaged is computed again.

        Every stage gets a value of its own, so that none sees what another has done to it.
        """
        slot = self._slot(name)
        for _ in range(_MOST_REPAIRS):
            try:
                return self._loaded(slot, record, lazy)
            except ArtifactDamaged as error:
                log.warning("%s Computing it again.", error)
                record = self._repair(name, record)
                self.mended.append(name)
        return self.store.load(slot, record, lazy)

    def _loaded(self, slot: Slot, record: Record, lazy: bool) -> Any:
        recent = self.materializer.recent
        if recent is None or lazy:
            return self.store.load(slot, record, lazy)
        value = recent.copy_of(record.content)
        if value is None:
            value = self.store.load(slot, record, lazy)
            kept_as = self.store.formats.named(record.content.format)
            recent.keep(record.content, kept_as, value, is_fresh=False)
        return value

    def _paths(self, decision: Decision) -> dict[str, str]:
        """Return the directory of each input below the store's root."""
        return {
            name: self._slot(name).revision(record.revision)
            for name, record in decision.inputs.items()
        }

    def _slot(self, name: str) -> Slot:
        return self.materializer.pipeline.stage(name).slot(self.params, self.as_of)

    def _repair(self, name: str, record: Record) -> Record:
        """Compute a damaged artifact again from the inputs that it was made from.

        Raises:
            ArtifactDamaged: if its code or inputs have changed since, so that it cannot be.
        """
        stage, slot = self.materializer.pipeline.stage(name), self._slot(name)
        known = {
            upstream: self.materializer.locate(
                self.materializer.pipeline.stage(upstream), self.params, self.as_of
            )
            for upstream in stage.upstream
        }
        decision = self.materializer.decide(stage, self.params, self.as_of, known)
        if decision.revision == record.revision:
            decision = replace(decision, reuse=None, reason="its bytes were damaged")
        # Others that need the same input may be repairing it, too: one does, the others adopt.
        made = self.make(decision, is_repair=True)
        if made.record.content.digest != record.content.digest:
            raise ArtifactDamaged(
                f"{stage.name} {slot.run_id} was damaged, and computing it again gave other bytes"
                " because code or data have changed. Run again to build on the new ones."
            )
        return made.record

"""Making one artifact after the other at one point: parameters and a date.

Nobody else computes the same meanwhile; what outside data changed under it is read again, and an
input whose bytes were damaged is made again.
"""

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
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
from ml_pipeline.runs.hold import Hold, Onward, is_covered
from ml_pipeline.runs.metrics import plain_metrics
from ml_pipeline.runs.pictures import plain_pictures
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.claims import claimed, name_of
from ml_pipeline.store.record import Content, Record
from ml_pipeline.store.shared import shelf_of
from ml_pipeline.store.slots import Slot

if TYPE_CHECKING:
    from ml_pipeline.runs.materializer import Materializer

_MOST_REREADS: Final = 3
_MOST_REPAIRS: Final = 3
_NOTHING_MORE: Final = Onward()

log = logging.getLogger(__name__)


class _Changed(Exception):
    """Outside data changed while what is deferred read them: a sign within this module."""


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
        self._held: Hold | None = None

    def make(
        self,
        decision: Decision,
        is_repair: bool = False,
        onward: Onward = _NOTHING_MORE,
        is_absent: bool = False,
    ) -> Outcome:
        """Reuse or compute.

        Args:
            decision: what to do.
            is_repair: whether what another run has published counts only with the right digest.
            onward: what this run makes after that; `release` has to be called then.
            is_absent: whether it is known, but for what others have published since this run made
                what it is made of, that there is nothing to reuse.
        """
        while True:
            outcome = self._made(decision, is_repair, onward, is_absent)
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

    def release(self) -> None:
        """Let go of what others may wait for."""
        if self._held is not None:
            held, self._held = self._held, None
            held.until.close()

    def _made(
        self, decision: Decision, is_repair: bool, onward: Onward, is_absent: bool
    ) -> Outcome | None:
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
        is_damaged = False

        def is_published() -> bool:
            nonlocal is_damaged
            try:
                record = self.store.find(slot, revision)
                if record is not None and is_repair:
                    self.store.check(slot.revision(revision), record)
            except ArtifactDamaged:
                is_damaged = True
                return False
            if record is None or self.materializer.stale(self.params.options, slot, record):
                return False
            found.append(record)
            return True

        name = name_of(slot, revision)
        if self._held is not None and (slot.asset in self._held.covers or name == self._held.name):
            if (is_absent and not is_repair) or not is_published():
                return self._compute(decision)[0]
            return self._found(decision, found[-1])
        if not is_repair:
            self.release()
        covered = onward.covered(decision.stage)
        with ExitStack() as until:
            ours = until.enter_context(
                claimed(
                    self.store,
                    slot,
                    revision,
                    is_published,
                    waits=self.waits,
                    reads=[
                        *self._read(decision, onward.read_by(covered)),
                        *self._shelves(decision.stage, *covered),
                    ],
                    covers=[stage.name for stage in covered],
                    behind=self._behind(decision),
                )
            )
            if not ours:
                return self._found(decision, found[-1])
            outcome, is_first = self._compute(decision)
            # What was there before may have been read by others, who make what is covered.
            if covered and is_first and not is_damaged:
                names = frozenset(stage.name for stage in covered)
                self._held = Hold(name, names, until.pop_all())
            return outcome

    def _found(self, decision: Decision, record: Record) -> Outcome:
        reason = f"{decision.slot.asset}: reused: another run computed it meanwhile"
        return Outcome(decision.slot, record, reused=True, reason=reason)

    def _behind(self, decision: Decision) -> list[str]:
        """Return the claims under which another run may be making the same."""
        stage_of = self.materializer.pipeline.stage
        return [
            name_of(self._slot(name), decision.inputs[name].revision)
            for name in decision.reused_inputs
            if is_covered(decision.stage, stage_of(name))
        ]

    def _read(self, decision: Decision, more: Mapping[str, Record]) -> list[str]:
        """Return the directories of what is read under a claim, if only later."""
        later = (self._slot(name).revision(record.revision) for name, record in more.items())
        own = [decision.slot.revision(decision.revision)] if more else []
        return list(dict.fromkeys([*self._paths(decision).values(), *later, *own]))

    def _shelves(self, *stages: Stage) -> list[str]:
        """Return where that is which artifacts share and what stages make may count on."""
        return [shelf_of(self._slot(stage.name), stage.code) for stage in stages]

    def _compute(self, decision: Decision) -> tuple[Outcome | None, bool]:
        """Return what was made, and whether nobody else had published it before.

        There is none if the outside data changed while it was read.
        """
        stage, slot, revision = decision.stage, decision.slot, decision.revision
        # Before, because somebody may edit the code while it runs.
        around = self.materializer.surroundings()
        started_at, start = datetime.now(UTC), time.perf_counter()
        arguments = partial(self._arguments, decision)
        with in_environment(self.params.options.environment), secrets_hidden():
            # First, because what goes wrong with it should not cost the computation.
            window = stage.data_seen(self.params, self.as_of)
            value, attempt = called(stage.function, arguments, stage.extras.retry)
        external = partial(self.materializer.external, stage, self.params, self.as_of)
        if external() != decision.external:
            return None, False
        if self.materializer.others(stage, self.params, self.as_of) != decision.others:
            return None, False
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

        def still() -> None:
            # What was read while it was written counts as well.
            if stage.reads is not None and external() != decision.external:
                raise _Changed

        try:
            published = self.store.publish(
                slot,
                revision,
                result.value,
                describe,
                pictures,
                self.materializer.sample_rows,
                stage.code,
                still,
            )
        except _Changed:
            return None, False
        except SourceError:
            if external() != decision.external:
                return None, False
            raise
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
        outcome = Outcome(slot, published.record, False, reason, sample=published.sample)
        return outcome, not published.adopted

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

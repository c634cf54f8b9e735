"""What a stage would do, and what it did, each with the reason in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from ml_pipeline.code.fingerprint import SCHEME
from ml_pipeline.runs.check_result import CheckReport
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.fallbacks import Fallback
from ml_pipeline.store.formats.sample import Sample
from ml_pipeline.store.record import Input, OtherAsset, Record
from ml_pipeline.store.slots import Slot

Action: TypeAlias = Literal["compute", "reuse", "undecided", "blocked"]
PAST: Final[Mapping[Action, str]] = {
    "compute": "computed",
    "reuse": "reused",
    "undecided": "undecided",
    "blocked": "blocked",
}


@dataclass(frozen=True)
class Decision:
    """What a stage would do now.

    Attributes:
        stage: the stage.
        slot: where its asset lives.
        revision: fingerprint of its code and of all that it would read.
        inputs: records of the upstream artifacts that it would read.
        external: digest of the outside data that it would read.
        reuse: the record to reuse, or None where it has to be computed.
        reason: why, as a phrase.
        reused_inputs: names of the inputs that another run made.
        older_inputs: names of those among them that code and data as they are now would make
            otherwise.
        others: the assets that it would read and that are no stages, by key.
        lender: the environment that has what is to be reused, where that is another.
        lent_inputs: environments that inputs were reused from, where these are others, by name.
    """

    stage: Stage
    slot: Slot
    revision: str
    inputs: dict[str, Record]
    external: str | None
    reuse: Record | None
    reason: str
    reused_inputs: tuple[str, ...] = ()
    older_inputs: tuple[str, ...] = ()
    others: Mapping[str, OtherAsset] = field(default_factory=dict)
    lender: Fallback | None = None
    lent_inputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def action(self) -> Action:
        """What the stage would do."""
        return "compute" if self.reuse is None else "reuse"

    @property
    def because(self) -> str:
        """Why, with what would be read of other runs."""
        if self.reuse is not None or not self.reused_inputs:
            return self.reason
        reused = [self._reused(name, self.inputs[name]) for name in self.reused_inputs]
        return f"{self.reason} ({', '.join(reused)})"

    @property
    def sentence(self) -> str:
        """The decision in one line."""
        return f"{self.stage.name}: {PAST[self.action]}: {self.because}"

    def recorded(self, paths: Mapping[str, str]) -> dict[str, Any]:
        """Return what the record of the artifact says of code and inputs.

        Args:
            paths: directory of each input below the store's root, by name.
        """
        stage = self.stage
        return {
            "revision": self.revision,
            "code": stage.code,
            "code_scheme": SCHEME if stage.fingerprint else 0,
            "code_parts": stage.fingerprint.parts if stage.fingerprint else {},
            "external": self.external,
            "inputs": {
                name: Input(
                    run_id=record.run_id,
                    revision=record.revision,
                    digest=record.content.digest,
                    code=stage.reading.code(record),
                    path=paths[name],
                )
                for name, record in self.inputs.items()
            },
            "others": dict(self.others),
        }

    def _reused(self, name: str, record: Record) -> str:
        lender = self.lent_inputs.get(name)
        told = f"{name} reused from {record.run_id}{f' of {lender}' if lender else ''}"
        if name in self.older_inputs:
            told += f", revision {record.revision}, although its code or data have changed since"
        return told


@dataclass(frozen=True)
class Undecided:
    """What a stage would do, as far as that can be told before what it reads is computed.

    Attributes:
        stage: the stage.
        reason: why nothing is decided, as a phrase.
        may_reuse: whether something is published that is right if its inputs come out the same.
    """

    stage: Stage
    reason: str
    may_reuse: bool

    @property
    def action(self) -> Action:
        """What the stage would do."""
        return "undecided" if self.may_reuse else "compute"

    @property
    def because(self) -> str:
        """Why, and what it depends on."""
        return (
            f"{self.reason}; reused if that comes out as before" if self.may_reuse else self.reason
        )


@dataclass(frozen=True)
class Blocked:
    """What a stage would not do, since something before it is known not to pass its checks.

    Attributes:
        stage: the stage.
        because: what does not pass.
    """

    stage: Stage
    because: str
    action: Action = "blocked"


@dataclass(frozen=True)
class Outcome:
    """What a stage did.

    Attributes:
        slot: where the artifact is.
        record: the artifact's record.
        reused: whether another run made it.
        reason: why it was computed or reused, and anything unusual about it.
        reused_from: the environment that it was reused from, where that is another.
        checks: what checks have found in the artifact.
        sample: columns and first rows of a table that was computed, where somebody wants to see.
    """

    slot: Slot
    record: Record
    reused: bool
    reason: str = ""
    reused_from: str | None = None
    checks: tuple[CheckReport, ...] = ()
    sample: Sample | None = None

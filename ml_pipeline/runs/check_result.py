"""What a check says of an artifact, and what is known of it then."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.findings import Finding, Severity
from ml_pipeline.text import shortened

_MOST_ROWS: Final = 20
_LONGEST: Final = 2000


@dataclass(frozen=True)
class CheckResult:
    """What a check says of an artifact. Return it from a check, or simply whether it passes.

    Attributes:
        passed: whether the artifact passes.
        description: what must hold, what was found and what to do, in a sentence.
        metadata: numbers, texts and short tables to show beside it: a list of flat mappings, or a
            frame, is shown as a table.
        severity: how bad it is if the artifact does not pass, ``warn`` or ``error``; what the check
            was declared with if None.
    """

    passed: bool
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity | None = None


@dataclass(frozen=True)
class CheckReport:
    """What a check came to for one artifact.

    Attributes:
        asset: the asset.
        check: name of the check.
        blocking: whether nothing is made of an artifact that does not pass.
        finding: what was found.
        is_new: whether it was found by this run.
    """

    asset: str
    check: str
    blocking: bool
    finding: Finding
    is_new: bool = True

    @property
    def passed(self) -> bool:
        """Whether the artifact passes."""
        return self.finding.passed

    @property
    def blocks(self) -> bool:
        """Whether nothing may be made of the artifact."""
        return self.blocking and not self.passed and self.finding.severity == "error"

    @property
    def sentence(self) -> str:
        """What was found, in a line."""
        return f"{self.asset}: {self.check}: {self.finding.description}"

    def document(self) -> dict[str, Any]:
        """Return it in JSON form."""
        return {
            "asset": self.asset,
            "check": self.check,
            "passed": self.passed,
            "severity": self.finding.severity,
            "blocking": self.blocking,
            "description": self.finding.description,
            "metadata": dict(self.finding.metadata),
            "thresholds": dict(self.finding.thresholds),
        }


def plain_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a result in JSON form, tables and texts cut to what people read.

    Raises:
        PipelineError: if something in it is neither a number, a text nor a table.
    """
    return {str(name): _plain(value, str(name)) for name, value in metadata.items()}


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value, name)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return shortened(value, _LONGEST)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(one, name) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, name) for one in value[:_MOST_ROWS]]
    if hasattr(value, "head") and hasattr(value, "to_dicts"):
        return _plain(value.head(_MOST_ROWS).to_dicts(), name)
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        return _plain(value.item(), name)
    raise PipelineError(
        f"Metadata of a check must be numbers, texts, dates, lists and mappings of these, or a"
        f" frame, but '{name}' holds a {type(value).__name__}. Leave it out, or tell it as text."
    )

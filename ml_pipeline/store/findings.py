"""What checks have found in an artifact, kept beside it so that nobody has to look twice.

A finding is no part of the record: the same artifact may be judged again, by another check or with
other thresholds. What it was found with is its key; under another key it is not used. A file that
is lost or cannot be read costs time and nothing else.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from ml_pipeline.errors import ArtifactDamaged
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.document import Document, Moment, Part

FINDINGS: Final = "checks.json"
"""File beside a record that tells what checks have found in the artifact."""

Severity = Literal["warn", "error"]
"""How bad it is that a check fails."""


class Finding(Part):
    """What one check has found in one artifact.

    Attributes:
        key: digest of all that decides it: the check's code, its thresholds and what it was given.
        passed: whether the artifact passes.
        severity: how bad it is if not.
        description: what was found, and what to do about it.
        metadata: numbers, texts and short tables to show beside it.
        thresholds: values that the check was given, by dotted name.
        earlier: what it has seen of earlier artifacts, in JSON form.
        at: when it was found.
    """

    key: str
    passed: bool
    severity: Severity
    description: str
    metadata: dict[str, Any]
    thresholds: dict[str, Any]
    earlier: list[Any]
    at: Moment


class Findings(Document):
    """What all checks have found in one artifact, each at last.

    Attributes:
        checks: by the check's name.
    """

    called: ClassVar[str] = "what checks have found"
    remedy: ClassVar[str] = "The next run looks again."

    checks: dict[str, Finding]


def findings(store: ArtifactStore, directory: str) -> dict[str, Finding]:
    """Return what is known of the artifact in a directory, by the check's name."""
    path = f"{directory}/{FINDINGS}"
    data = store.read(path)
    with contextlib.suppress(ArtifactDamaged):
        return {} if data is None else Findings.from_json(data, store.address(path)).checks
    return {}


def add_findings(store: ArtifactStore, directory: str, found: Mapping[str, Finding]) -> None:
    """Note what was found; what others have noted of other checks stays."""
    known = {**findings(store, directory), **found}
    store.overwrite(f"{directory}/{FINDINGS}", Findings(checks=known).to_json())

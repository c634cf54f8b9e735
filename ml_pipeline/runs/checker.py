"""Asking the checks of a stage of one artifact, and each of them once.

What was found is kept beside the artifact, by all that decides it: who reuses the artifact reports
the same without loading it.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from ml_pipeline.current import in_environment
from ml_pipeline.errors import ArtifactMissing, CheckFailed, StoreUnreachable, told
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.model import ParamSet
from ml_pipeline.params.secret import secrets_hidden, without_secrets
from ml_pipeline.runs.catalog import Entry, lineage_by_asset
from ml_pipeline.runs.check_result import CheckReport
from ml_pipeline.runs.checks import Check
from ml_pipeline.runs.earlier import Earlier
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.findings import Finding, add_findings, findings
from ml_pipeline.store.recent import RecentValues
from ml_pipeline.store.record import Record

if TYPE_CHECKING:
    from ml_pipeline.runs.decider import Decider

Asked = Literal["all", "blocking", "none"]
"""Which checks are asked: a sweep asks those that block, since nobody looks at the others there."""

_UNKEPT: Final = ""
_HELD_BYTES: Final = 256 * 2**20

log = logging.getLogger(__name__)


class Checker:
    """Asks checks for one set of parameters at one date."""

    def __init__(
        self,
        decider: "Decider",
        params: ParamSet,
        as_of: AsOf | None,
        asked: Asked = "all",
        recent: RecentValues | None = None,
    ) -> None:
        """Prepare to ask.

        Args:
            decider: pipeline and store.
            params: values of all parameters.
            as_of: the date.
            asked: which checks.
            recent: values that this process has at hand.
        """
        self._decider = decider
        self._store = decider.store
        self._params = params
        self._as_of = as_of
        self._asked = asked
        self._recent = recent or RecentValues(_HELD_BYTES)

    def reports(
        self, stage: Stage, record: Record, known: Mapping[str, Record]
    ) -> tuple[CheckReport, ...]:
        """Ask the checks of a stage, as far as it is not known what they find.

        Args:
            stage: the stage.
            record: the artifact's record.
            known: records of what it was made from; what is missing is located.
        """
        checks = self._checks(stage)
        if not checks:
            return ()
        directory = stage.slot(self._params, self._as_of).revision(record.revision)
        records = self._records(stage, Entry(directory, record), known)
        kept = {} if self._params.options.force else findings(self._store, directory)
        reports, new = [], {}
        for check in checks:
            key, finding = self._key(check, records), kept.get(check.name)
            is_new = finding is None or not self._holds(check, finding, key)
            if finding is None or is_new:
                finding = self._found(check, key, records)
                if finding.key != _UNKEPT:
                    new[check.name] = finding
            reports.append(CheckReport(stage.name, check.name, check.blocking, finding, is_new))
        if new:
            try:
                add_findings(self._store, directory, new)
            except StoreUnreachable as error:
                log.warning("what checks have found in %s is not kept. %s", stage.name, error)
        return tuple(reports)

    def is_cleared(self, stage: Stage, record: Record, known: Mapping[str, Record]) -> bool:
        """Whether it is known that something may be made of an artifact; nothing is loaded.

        Args:
            stage: the stage.
            record: the artifact's record.
            known: records of what it was made from; what is missing is located.

        Raises:
            CheckFailed: if it is known that nothing may.
        """
        checks, is_known = self._checks(stage), True
        if not checks:
            return True
        directory = stage.slot(self._params, self._as_of).revision(record.revision)
        records = self._records(stage, Entry(directory, record), known)
        kept, reports = findings(self._store, directory), []
        for check in checks:
            finding = kept.get(check.name)
            if finding is None or not self._holds(check, finding, self._key(check, records)):
                is_known = False
                continue
            reports.append(CheckReport(stage.name, check.name, check.blocking, finding, False))
        refuse_blocked(reports, self._params, self._as_of)
        return is_known

    def known_problem(self, stage: Stage, record: Record, known: Mapping[str, Record]) -> str:
        """Return why nothing may be made of an artifact, as far as that is known; else nothing.

        Args:
            stage: the stage.
            record: the artifact's record.
            known: records of what it was made from; what is missing is located.
        """
        try:
            self.is_cleared(stage, record, known)
        except CheckFailed as error:
            return str(error)
        return ""

    def known_upstream(self, stages: Sequence[Stage]) -> str:
        """Return why no stage may be made of what is there, as far as that is known; else nothing.

        Args:
            stages: what would be made.
        """
        if self._params.options.force:
            return ""
        found = (self.known_problem(one, record, {}) for one, record in self._upstream(stages, {}))
        return next(filter(None, found), "")

    def refuse_upstream(self, stages: Sequence[Stage], known: Mapping[str, Record]) -> None:
        """Refuse to make stages of artifacts that do not pass, whoever has made these.

        Args:
            stages: what is to be made.
            known: records of artifacts that somebody has asked of already.

        Raises:
            CheckFailed: naming the checks that fail.
        """
        for stage, record in self._upstream(stages, known):
            refuse_blocked(self.reports(stage, record, known), self._params, self._as_of)

    def _upstream(
        self, stages: Sequence[Stage], known: Mapping[str, Record]
    ) -> Iterator[tuple[Stage, Record]]:
        """Yield what has checks and is read by stages without being one of them or known."""
        chosen = {stage.name for stage in stages}
        upstream = {
            one.name: one
            for stage in stages
            for one in self._decider.pipeline.upstream_of(stage.name)
            if one.name not in chosen and one.name not in known and self._checks(one)
        }
        for stage in upstream.values():
            try:
                record = self._decider.locate(stage, self._params, self._as_of)
            except ArtifactMissing:
                # Whether that is needed is found out by who needs it.
                continue
            yield stage, record

    def _checks(self, stage: Stage) -> list[Check]:
        if self._asked == "none":
            return []
        return [check for check in stage.checks if check.blocking or self._asked == "all"]

    def _records(self, stage: Stage, judged: Entry, known: Mapping[str, Record]) -> "_Records":
        known = {**known, stage.name: judged.record}
        return _Records(self._decider, self._params, self._as_of, judged, known)

    def _key(self, check: Check, records: "_Records") -> str:
        """Return the digest of all that decides what a check finds, but earlier artifacts."""
        if check.code is None:
            return _UNKEPT
        read = {check.asset, *check.signature.inputs.values()}
        stages = self._decider.pipeline.stages
        return digest_of(
            {
                "code": check.code,
                "severity": check.severity,
                "params": self._params.values(check.signature.groups.values()),
                "read": {name: stages[name].reading.digest(records[name]) for name in sorted(read)},
            }
        )

    def _holds(self, check: Check, finding: Finding, key: str) -> bool:
        if finding.key != key or key == _UNKEPT:
            return False
        return not finding.earlier or self._earlier(check).tells_as(finding.earlier)

    def _earlier(self, check: Check) -> Earlier:
        stage = self._decider.pipeline.stages[check.asset]
        keys = self._decider.pipeline.keys
        return Earlier(self._store, stage, self._params, self._as_of, keys)

    def _found(self, check: Check, key: str, records: "_Records") -> Finding:
        signature, earlier = check.signature, self._earlier(check)
        given = signature.arguments(self._params, self._as_of, self._decider.pipeline.keys)
        given |= dict.fromkeys(signature.provided, earlier)
        for argument, name in signature.inputs.items():
            given[argument] = self._value(name, records, argument in signature.lazy)
        with in_environment(self._params.options.environment), secrets_hidden():
            try:
                result, severity = check.result(
                    given, lambda: self._value(check.asset, records, lazy=False)
                )
                passed, found, metadata = result.passed, result.description, result.metadata
            except Exception as error:
                log.exception("the check '%s' of %s failed", check.name, check.asset)
                key, passed, severity, metadata = _UNKEPT, False, check.severity, {}
                found = f"it could not be told, since the check failed: {told(error)}"
        return Finding(
            key=key,
            passed=passed,
            severity=severity,
            description=without_secrets(found),
            metadata=dict(metadata),
            thresholds=self._thresholds(check),
            earlier=earlier.told,
            at=datetime.now(UTC),
        )

    def _thresholds(self, check: Check) -> dict[str, Any]:
        model = self._params.model
        groups = [group for group in check.signature.groups.values() if group not in model.scope]
        return self._params.flat(groups)

    def _value(self, name: str, records: "_Records", lazy: bool) -> Any:
        record = records[name]
        slot = self._decider.pipeline.stage(name).slot(self._params, self._as_of)
        if lazy:
            return self._store.load(slot, record, lazy)
        value = self._recent.copy_of(record.content)
        if value is None:
            value = self._store.load(slot, record)
            kept_as = self._store.formats.named(record.content.format)
            self._recent.keep(record.content, kept_as, value, is_fresh=False)
        return value


class _Records:
    """The records of what a check may take: what is known, else what the artifact was made from.

    What there is now may be newer than that, and say nothing of the artifact.
    """

    def __init__(
        self,
        decider: "Decider",
        params: ParamSet,
        as_of: AsOf | None,
        judged: Entry,
        known: dict[str, Record],
    ) -> None:
        self._decider = decider
        self._params = params
        self._as_of = as_of
        self._judged = judged
        self._known = known

    def __getitem__(self, name: str) -> Record:
        if name not in self._known:
            stage = self._decider.pipeline.stage(name)
            slot, read = stage.slot(self._params, self._as_of), self._made_from.get(name)
            if read is None or read.path != slot.revision(read.record.revision):
                record = self._decider.locate(stage, self._params, self._as_of)
            else:
                record = read.record
            self._known[name] = record
        return self._known[name]

    @cached_property
    def _made_from(self) -> dict[str, Entry | None]:
        found = lineage_by_asset(self._decider.store, self._judged)
        return {self._decider.pipeline.present_name(name): one for name, one in found.items()}


def refuse_blocked(reports: Iterable[CheckReport], params: ParamSet, as_of: AsOf | None) -> None:
    """Refuse to make anything of an artifact that does not pass a check that blocks.

    Args:
        reports: what checks have found in it.
        params: values of all parameters.
        as_of: the date.

    Raises:
        CheckFailed: naming every such check.
    """
    failed = [report for report in reports if report.blocks]
    if not failed:
        return
    of = f" of {as_of}" if as_of is not None else ""
    told_of = "; ".join(f"'{one.check}': {one.finding.description.rstrip('.')}" for one in failed)
    judged = [one.finding for one in failed if one.finding.key != _UNKEPT]
    limits = {name for found in judged for name in found.thresholds}
    asked = [
        f"{params.model.find(name).told} = {value}"
        for name, value in params.flat(params.model.groups).items()
        if name in limits and name in params.origins
    ]
    groups = ", ".join(sorted({name.partition(".")[0] for name in limits}))
    instead = f", or ask for other thresholds ({', '.join(asked) or f'those of {groups}'})"
    raise CheckFailed(
        f"{failed[0].asset}{of} must pass its checks before anything is made of it, but does not"
        f" pass {told_of}. It stays published, and this run makes nothing of it. Mend what is"
        f" wrong{instead if limits else ''}, then run again."
    )

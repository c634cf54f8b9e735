"""Checks: what is asked of an artifact once it is there.

A check is a function that takes the artifact and says whether it passes. Its arguments are told as
those of a stage: the asset itself, what it was made from, ``as_of``, parameter groups, thresholds
among them, and the earlier artifacts of the asset (`Earlier`). It returns a `CheckResult`, or
whether the artifact passes, or a schema of pandera that it must have; and such a schema is a check
itself.
"""

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypedDict, get_args

from ml_pipeline.code.fingerprint import fingerprint_of, fingerprint_of_class
from ml_pipeline.errors import PipelineError
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.calls import completed, refuse_generator
from ml_pipeline.runs.check_result import CheckResult, plain_metadata
from ml_pipeline.runs.earlier import Earlier
from ml_pipeline.runs.options import Extras, refuse_unknown
from ml_pipeline.runs.schemas import applied, is_schema
from ml_pipeline.runs.signature import Signature, signature_of
from ml_pipeline.store.findings import Severity

if TYPE_CHECKING:
    from ml_pipeline.runs.stage import Stage

_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PROVIDED: Final = (
    " A check may also take the asset that it is about, what that was made from, and the earlier"
    " artifacts of it, annotated with Earlier."
)


class CheckOptions(TypedDict, total=False):
    """The options of `Pipeline.asset_check`.

    Attributes:
        name: of the check; that of the function if omitted.
        blocking: whether nothing is made of an artifact that does not pass: its date fails.
        severity: how bad it is if an artifact does not pass, ``warn`` or ``error``.
        description: what is checked; the first line of the docstring if omitted.
        code_version: stands for the code instead of its fingerprint.
    """

    name: str
    blocking: bool
    severity: Severity
    description: str | None
    code_version: str | None


@dataclass(frozen=True)
class Check:
    """One check of one asset.

    Attributes:
        name: unique among those of the asset.
        asset: name of the stage.
        made_by: name of the module that declared it.
        code: declared version or fingerprint; None where nobody could tell when it changes, so that
            what it finds is never kept.
        judge: returns what it says, for given arguments.
        signature: what it asks for.
        blocking: whether nothing is made of an artifact that does not pass.
        severity: how bad it is if one does not.
        description: what is checked.
    """

    name: str
    asset: str
    made_by: str
    code: str | None
    judge: Callable[..., Any]
    signature: Signature
    blocking: bool = False
    severity: Severity = "error"
    description: str | None = None

    def result(
        self, arguments: Mapping[str, Any], artifact: Callable[[], Any]
    ) -> tuple[CheckResult, Severity]:
        """Return what the check says in plain form, and how bad it is.

        Args:
            arguments: all that it asks for.
            artifact: returns what is judged.

        Raises:
            PipelineError: if it says nothing that a check could say.
            Exception: whatever the function raises.
        """
        said = completed(self.judge(**arguments))
        if is_schema(said):
            said = applied(said, artifact())
        # Those of NumPy are called like Python's own, and are none.
        if type(said).__name__ in ("bool", "bool_"):
            said = CheckResult(bool(said))
        if not isinstance(said, CheckResult):
            raise PipelineError(
                f"The check '{self.name}' must return whether the artifact passes, a CheckResult or"
                f" a schema, but returned a {type(said).__name__}."
            )
        severity = said.severity or self.severity
        if severity not in get_args(Severity):
            raise PipelineError(
                f"The severity of a result must be warn or error, but that of '{self.name}' is"
                f" {severity!r}."
            )
        found = said.description or ("as it must be" if said.passed else "it does not pass")
        return CheckResult(bool(said.passed), found, plain_metadata(said.metadata)), severity


def check_of(
    judged: Any,
    stage: "Stage",
    made_by: str,
    takes: tuple[str, ParamModel, Collection[str]],
    options: CheckOptions,
    first_party: tuple[str, ...],
) -> Check:
    """Return what somebody has declared as a check.

    Args:
        judged: a function, or a schema of pandera, class or object.
        stage: what it is about.
        made_by: name of the module that declares it.
        takes: what it may take: the pipeline's name and parameters, and the names of the stage and
            of those upstream of it.
        options: what was said of it.
        first_party: what the pipeline says is its own.

    Raises:
        PipelineError: if it is neither, the stage has one of that name, an option does not fit, or
            an argument names nothing.
    """
    said = options.get("name") or _name_of(judged)
    refuse_unknown(said, options, CheckOptions.__annotations__)
    blocking, severity = options.get("blocking", False), options.get("severity", "error")
    problem = None
    if not _NAME.fullmatch(said):
        problem = f"must have a name of letters, digits and underscores, but is called '{said}'"
    elif severity not in get_args(Severity):
        problem = f"must have the severity warn or error, but '{said}' has {severity!r}"
    elif blocking and severity != "error":
        problem = f"that blocks must have the severity error, but '{said}' has {severity}"
    elif said in [check.name for check in stage.checks]:
        problem = f"must have a name of its own, but there is a '{said}' already"
    elif not is_schema(judged) and not inspect.isfunction(judged):
        problem = f"must be a function or a schema of pandera, but '{said}' is {judged!r}"
    if problem is not None:
        raise PipelineError(f"A check of '{stage.name}' {problem}.")
    pinned = options.get("code_version")
    signature, judge = _NOTHING, judged
    if not is_schema(judged):
        refuse_generator(judged)
        extras = Extras(provide=_earlier, provided=_PROVIDED)
        signature = signature_of(judged, *takes, extras)
        if signature.asks_ledger:
            raise PipelineError(
                f"The check '{said}' of '{stage.name}' must judge artifacts, but takes what is"
                " served. Let a stage take that, and check what it makes."
            )
        pinned = pinned or fingerprint_of(judged, first_party).digest
    else:
        judge = _returning(judged)
        if isinstance(judged, type):
            pinned = pinned or fingerprint_of_class(judged, first_party)
    doc = inspect.getdoc(judged) if inspect.isfunction(judged) else judged.__dict__.get("__doc__")
    return Check(
        name=said,
        asset=stage.name,
        made_by=made_by,
        code=pinned,
        judge=judge,
        signature=signature,
        blocking=blocking,
        severity=severity,
        description=options.get("description") or (doc or "").strip().partition("\n")[0] or None,
    )


_NOTHING: Final = Signature({}, {}, frozenset())


def _name_of(judged: Any) -> str:
    named = getattr(judged, "__name__", None) or getattr(judged, "name", None) or "schema"
    return _HUMP.sub("_", str(named)).lower()


def _returning(schema: Any) -> Callable[..., Any]:
    return lambda: schema


def _earlier(_argument: str, annotation: Any) -> object | None:
    return Earlier if annotation is Earlier else None

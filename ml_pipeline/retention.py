"""How long an environment keeps what it has: a table of ages, each with what it spares.

    retention = { artifacts = "400d", keep_newest = 50, revisions = "30d", dagster_runs = "90d" }

What no line names stays for ever, and so does what ``never`` is said of, which an environment
says of a line that it would inherit.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

import pydantic
from pydantic_core import PydanticCustomError

from ml_pipeline.ages import read_age
from ml_pipeline.errors import nearest
from ml_pipeline.text import quoted

_NEVER: Final = "never"
_LEAST: Final = timedelta(days=1)
_LEAST_OF_STUDIES: Final = timedelta(days=7)
_WRONG: Final = "wrong"
_SPARING: Final = {
    "keep_newest": ("artifacts",),
    "keep_former": ("artifacts", "revisions"),
    "keep_latest": ("dagster_runs",),
}
"""Lines that spare something, with those without which they have no effect."""


def _age(least: timedelta) -> Any:
    def read(value: Any) -> timedelta | None:
        if value is None or value == _NEVER:
            return None
        try:
            age = value if isinstance(value, timedelta) else read_age(value)
        except ValueError as error:
            said = str(error).replace("an age is", "must be", 1)
            raise PydanticCustomError(_WRONG, "{said}", {"said": said}) from None
        if age < least:
            said = f"must be at least {least.days}d, or {_NEVER}, but got {quoted(value)}"
            raise PydanticCustomError(_WRONG, "{said}", {"said": said})
        return age

    return Annotated[timedelta | None, pydantic.BeforeValidator(read)]


class Retention(pydantic.BaseModel):
    """After which age what goes; None for never.

    Attributes:
        artifacts: published artifacts, with their records.
        keep_newest: of how many runs of each asset, the newest, artifacts stay.
        revisions: revisions that a newer one replaced, and what crashed writers left.
        keep_former: whether what environments had before stays, beside what they have.
        dagster_runs: runs that are over, with their events and what their steps printed.
        keep_latest: whether runs stay that made the latest materialization of a partition: without
            them, Dagster takes it for missing.
        studies: Optuna's studies, since their last change.
        logs: what commands have printed.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    artifacts: _age(_LEAST) = None  # type: ignore[valid-type]
    keep_newest: Annotated[int, pydantic.Field(ge=1, strict=True)] | None = None
    revisions: _age(_LEAST) = None  # type: ignore[valid-type]
    keep_former: pydantic.StrictBool = True
    dagster_runs: _age(_LEAST) = None  # type: ignore[valid-type]
    keep_latest: pydantic.StrictBool = True
    studies: _age(_LEAST_OF_STUDIES) = None  # type: ignore[valid-type]
    logs: _age(_LEAST) = None  # type: ignore[valid-type]

    @property
    def of_store(self) -> tuple[Any, ...]:
        """What is said of the store, which environments that share one have to agree on."""
        return self.artifacts, self.keep_newest, self.revisions, self.keep_former

    @property
    def is_empty(self) -> bool:
        """Whether nothing ever goes."""
        ages = self.artifacts, self.revisions, self.dagster_runs, self.studies, self.logs
        return all(age is None for age in ages)


def problems_of(written: Mapping[str, Any], here: str) -> list[str]:
    """Say what is wrong with a table of ages, a line each.

    Args:
        written: the table.
        here: how messages call it.
    """
    try:
        read = Retention.model_validate(written)
    except pydantic.ValidationError as error:
        return [_told(here, detail) for detail in error.errors(include_url=False)]
    problems = [
        f"{here}.{line}: must go with {' or '.join(ages)}, without which it has no effect"
        for line, ages in _SPARING.items()
        if line in read.model_fields_set and not read.model_fields_set.intersection(ages)
    ]
    goes_anyway = read.artifacts is not None and read.keep_newest is None
    if goes_anyway and read.revisions is not None and read.revisions >= read.artifacts:
        problems.append(
            f"{here}.revisions: must be less than artifacts, since what is as old as that goes"
            " anyway"
        )
    return problems


def _told(here: str, detail: Any) -> str:
    line = ".".join([here, *(str(part) for part in detail["loc"][:1])])
    if detail["type"] == "extra_forbidden":
        known = list(Retention.model_fields)
        return f"{line}: must be one of {', '.join(known)}.{nearest(str(detail['loc'][0]), known)}"
    if detail["type"] == _WRONG:
        return f"{line}: {detail['msg']}"
    return f"{line}: {detail['msg']}, got {quoted(detail['input'])}"

"""What arguments want of a partition's key, and what they get where nobody knows more than it."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, Optional

import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.keys import PLAIN, KnownKeys, Meaning, Wish, wish_of
from ml_pipeline.runs.stages import Pipeline


class Fit(ParamGroup):
    """How to fit."""

    rate: float = 1.0


@pytest.mark.parametrize(
    ("annotation", "wish"),
    [
        (date, Wish("date")),
        (datetime, Wish("datetime")),
        (str, Wish("str")),
        ("datetime.date", Wish("date")),
        ("date | None", Wish("date", may_lack=True)),
        (Optional[date], Wish("date", may_lack=True)),  # noqa: UP045 - as somebody may write it
        (Annotated[datetime, {}], Wish("datetime")),
        (AsOf, Wish("key")),
        (Any, Wish("key", may_lack=True)),
        (int, None),
        (date | int, None),
        (None, None),
        ("Day", None),
    ],
)
def test_annotation_tells_how_a_key_is_wanted(annotation: Any, wish: Wish | None) -> None:
    assert wish_of(annotation) == wish


@pytest.mark.parametrize(
    ("as_of", "values"),
    [
        (date(2026, 1, 5), [date(2026, 1, 5), "2026-01-05", date(2026, 1, 5)]),
        ("2026-01-05", [date(2026, 1, 5), "2026-01-05", date(2026, 1, 5)]),
        ("oslo", ["oslo", "oslo", None]),
    ],
)
def test_key_of_which_nobody_knows_more_is_a_day_of_utc_or_text(
    as_of: AsOf, values: list[Any]
) -> None:
    meaning = PLAIN.meaning(as_of)
    assert [meaning.value("key"), meaning.value("str"), meaning.value("date")] == values
    start = datetime(2026, 1, 5, tzinfo=UTC) if values[2] else None
    assert meaning.value("datetime") == start


def test_key_that_is_known_elsewhere_stands_for_what_was_said_there() -> None:
    start = datetime(2026, 1, 5, 6, tzinfo=UTC)
    keys = KnownKeys({date(2026, 1, 5): Meaning("2026-01-05", start)})
    assert keys.meaning(date(2026, 1, 5)).value("datetime") == start
    assert keys.meaning(date(2026, 1, 6)) == PLAIN.meaning(date(2026, 1, 6))


def test_pipeline_with_keys_leaves_what_was_declared_alone() -> None:
    declared = Pipeline("toy", ParamModel(fit=Fit))

    @declared.asset(code_version="1")
    def stage(as_of: datetime, region: str) -> int:
        return as_of.hour

    oslo = Meaning("5|oslo", datetime(2026, 1, 5, 7, tzinfo=UTC), {"region": Meaning("oslo")})
    bound = declared.with_keys(KnownKeys({"5|oslo": oslo}))
    params = declared.params.defaults
    assert bound.declared is declared
    assert bound.stage("stage").arguments(params, "5|oslo") == {
        "as_of": oslo.start,
        "region": "oslo",
    }
    with pytest.raises(PipelineError, match="'as_of' must have a datetime, but the partition '5"):
        declared.stage("stage").arguments(params, "5|oslo")
    assert bound.stage("stage").slot(params, "5|oslo") == declared.stage("stage").slot(
        params, "5|oslo"
    )

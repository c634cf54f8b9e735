from datetime import UTC, datetime

from ml_pipeline.store.lineage import upstream
from ml_pipeline.store.record import Content, Input, Record


def record(asset: str, *reads: str) -> Record:
    """Return the record of an asset that has read others, each in the directory of its name."""
    return Record(
        asset=asset,
        run_id="ab",
        revision="cd",
        as_of=None,
        identity={},
        params={},
        code="1",
        inputs={name: Input(run_id="ab", revision="cd", digest="ef", path=name) for name in reads},
        content=Content(file="data.json", format="json", bytes=1, digest="ef"),
        started_at=datetime(2026, 1, 5, tzinfo=UTC),
        duration_s=1.0,
    )


def walked(first: Record, *others: Record) -> list[tuple[str, bool]]:
    """Return the names met on the way up, and whether their record is there."""
    known = {one.asset: one for one in others}
    found = upstream([first], lambda made: known.get(made.path))
    return [(name, made is not None) for name, _, made in found]


def test_upstream_of_a_diamond_is_each_once_the_nearest_first() -> None:
    score = record("score", "model", "features")
    others = record("model", "features", "table"), record("features", "table"), record("table")
    assert walked(score, *others) == [("model", True), ("features", True), ("table", True)]


def test_upstream_goes_on_beside_what_is_gone() -> None:
    score = record("score", "model", "features")
    assert walked(score, record("features", "table"), record("table")) == [
        ("model", False),
        ("features", True),
        ("table", True),
    ]


def test_upstream_of_records_that_name_each_other_ends() -> None:
    one, other = record("one", "other"), record("other", "one", "other")
    assert walked(one, one, other) == [("other", True), ("one", True)]


def test_upstream_of_what_has_read_nothing_is_nothing() -> None:
    assert walked(record("table")) == []

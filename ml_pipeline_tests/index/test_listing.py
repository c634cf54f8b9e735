"""Lists from an index are those that all records would give, one by one."""

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import filelock
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.errors import QueryError
from ml_pipeline.index import catch_up
from ml_pipeline.index.database import open_database
from ml_pipeline.index.newest import translated
from ml_pipeline.index.opened import ask
from ml_pipeline.index.stored import Index
from ml_pipeline.index.upkeep import rebuild
from ml_pipeline.leaderboard import cells
from ml_pipeline.runs import query
from ml_pipeline.runs.catalog import Entry, entries, newest
from ml_pipeline.runs.listing import listed
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.bench import rewrite
from ml_pipeline_tests.toys.many import PIPELINE, write

ODD: Sequence[dict[str, Any]] = (
    {"fit": {"learning_rate": 0.01, "depth": 3, "seed": 2**60 + 1}},
    {"fit": {"learning_rate": 1, "depth": 3, "note": "12"}},
    {"fit": {"learning_rate": 0.02, "depth": True}, "data": {"region": "südost: 'a'\\"}},
    {"fit": {"since": "1998-5-1", "seed": None}, "data": {"region": None}},
    {"fit": {"since": "1999-01-01", "shape": {"deep": 1}}, "old": {"since": "2001-01-01"}},
    {"data": {"region": "bias"}, "fit": {"depth": "4"}, "model": {"note": "x\0y", "depth": 1}},
)


@pytest.fixture(scope="module", params=["plain", "odd"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a store with an index: of runs alike, or with odd ones among them."""
    root = tmp_path_factory.mktemp("store")
    write(root, 60)
    records = sorted(root.glob("score/**/record.json"))
    if request.param == "odd":
        for record, params in zip(records, ODD, strict=False):
            rewrite(record, record, params=params)
    # A later revision counts alone, whatever the one before it had.
    for place, record in enumerate(records[6:9], 1):
        other = record.parent.with_name(f"rev={place:016x}") / "record.json"
        other.parent.mkdir()
        late = datetime(2026, 7, 1, tzinfo=UTC) + timedelta(seconds=place)
        rewrite(
            record,
            other,
            revision=f"{place:016x}",
            started_at=late.isoformat(),
            metrics={"error": place / 3},
        )
    store = ArtifactStore(str(root))
    store.index = str(root.parent / f"{request.param}.db")
    return store


def one_by_one(
    store: ArtifactStore, where: str | None, sort: str | None, most: int
) -> tuple[list[str], int] | list[str]:
    found = newest(entries(store, ["score"]))
    found.sort(key=lambda one: one.path)
    found.sort(key=lambda one: one.record.started_at, reverse=True)
    try:
        kept = query.by(query.matching(found, where, PIPELINE.params), sort, PIPELINE.params)
    except QueryError as refused:
        return list(refused.problems)
    return [entry.path for entry in kept[:most]], len(kept[most:])


def from_index(
    store: ArtifactStore, where: str | None, sort: str | None, most: int
) -> tuple[list[str], int] | list[str]:
    try:
        found = listed(store, PIPELINE, ["score"], where, sort, most)
    except QueryError as refused:
        return list(refused.problems)
    return [entry.path for entry in found.entries], found.more


NAMES = (
    *("learning_rate", "fit.depth", "depth", "seed", "region", "data.region", "error", "bias"),
    *("as_of", "made_at", "run_id", "asset", "revision", "environment", "duration_s", "note"),
    *("since", "shape", "nothing"),
)
VALUES = (
    *("0.005", "1", "0.5", "3", "2", "north", "'südost: ''a''\\'", "true", "none", "bias"),
    *("2026-01-03", "2026-6-1", "'2026-06-01 00:00:07'", "1998-05-01", "'4'", "score", "1e30"),
    *("1152921504606846977", "learning_rate", "12", "''"),
)
name, value = st.sampled_from(NAMES), st.sampled_from(VALUES)
clause = st.one_of(
    st.tuples(name, st.sampled_from(["<", "<=", "=", "!=", ">", ">="]), value).map("".join),
    st.tuples(name, value, value).map(lambda told: "{} in ({}, {})".format(*told)),
    st.tuples(name, value, value).map(lambda told: "{} not between {} and {}".format(*told)),
    name.map(lambda told: f"{told} is not null"),
    name.map(lambda told: f"{told} like '%o%'"),
)
whole = st.recursive(
    clause,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
        inner.map(lambda told: f"not ({told})"),
    ),
    max_leaves=4,
)


@given(
    where=st.none() | whole,
    sort=st.none() | name | name.map(lambda told: f"-{told}"),
    most=st.integers(1, 40),
)
def test_listed_is_what_records_one_by_one_give(
    store: ArtifactStore, where: str | None, sort: str | None, most: int
) -> None:
    assert from_index(store, where, sort, most) == one_by_one(store, where, sort, most)


@pytest.mark.parametrize(
    "where",
    [
        "learning_rate<0.01 and depth=1",
        "region=north or not error>0.5",
        "as_of>=2026-01-03 and made_at<2026-6-1 00:00:20",
        "fit.seed in (1, 2) and bias>learning_rate",
    ],
)
def test_plain_conditions_are_evaluated_by_the_database(where: str, tmp_path: Path) -> None:
    write(tmp_path / "store", 40)
    store = ArtifactStore(str(tmp_path / "store"))

    def chosen(index: Index) -> list[list[str]]:
        index.read(["score"])
        columns = index.columns(["score"], PIPELINE.params)
        newest, asked = index.newest(["score"], str), translated(where, columns)
        assert asked is not None
        by = columns.source("error")
        ids = [newest.ids(asked, by, True, 5, is_common) for is_common in (False, True)]
        return [[path for path, _ in index.summaries(some)] for some in ids]

    first, in_order = ask(store, chosen)
    assert first == in_order
    expected = one_by_one(store, where, "-error", 5)
    assert from_index(store, where, "-error", 5) == expected
    assert expected[0] == first


def test_listed_sees_whatever_happens_to_the_store(tmp_path: Path) -> None:
    root = tmp_path / "store"
    write(root, 20)
    store = ArtifactStore(str(root))
    store.index = str(tmp_path / "index.db")

    def seen() -> tuple[list[str], int] | list[str]:
        assert from_index(store, None, None, 50) == one_by_one(store, None, None, 50)
        return from_index(store, "error>=0", "error", 50)

    assert len(seen()[0]) == 10
    write(root, 24, 20)
    assert len(seen()[0]) == 12
    first, second, third = sorted(root.glob("score/**/record.json"))[:3]
    whole = first.read_bytes()
    first.unlink()
    assert len(seen()[0]) == 11
    first.write_bytes(
        whole.replace(b'"error": 0', b'"error": 1').partition(b',\n  "seal"')[0] + b"}"
    )
    assert seen()[0][-1] == str(first.parent.relative_to(root))  # the worst one now
    second.write_bytes(b"garbage")
    found = listed(store, PIPELINE, ["score"])
    assert (len(found.entries), found.missed) == (11, [str(second.parent.relative_to(root))])
    for file in third.parent.iterdir():
        file.unlink()
    third.parent.rmdir()
    assert len(seen()[0]) == 10
    (root / "score").rename(tmp_path / "away")
    assert not listed(store, PIPELINE, ["score"]).is_any


def test_listed_shows_no_more_of_a_record_than_lists_need(tmp_path: Path) -> None:
    write(tmp_path / "store", 2)
    store = ArtifactStore(str(tmp_path / "store"))
    (record,) = (tmp_path / "store").glob("score/**/record.json")
    rewrite(record, record, picture="<svg/>", origins={"fit.seed": "typed"})
    (entry,) = listed(store, PIPELINE, ["score"]).entries
    told = json.loads(record.read_text())
    left_out = {
        "picture": None,
        "origins": {},
        "provenance": {**told["provenance"], "packages": {}},
    }
    assert entry == Entry(entry.path, type(entry.record).model_validate(told | left_out))


def test_more_results_than_memory_holds_are_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "store", 20)
    store = ArtifactStore(str(tmp_path / "store"))
    monkeypatch.setattr(cells, "MOST_CELLS", 9)
    with pytest.raises(QueryError) as refused:
        cells.cells_of(store, PIPELINE)
    (problem,) = refused.value.problems
    assert problem == (
        "at most 9 results can be compared at once, since all of them are held in memory, but there"
        " are more: choose fewer by a condition on parameters, metrics or labels, or by the first"
        " and last date. To list the best of any number, `ml-pipeline runs list --sort METRIC`"
    )
    with pytest.raises(QueryError, match="there are more that fulfil that: choose fewer"):
        cells.cells_of(store, PIPELINE, "region like 'n%'")
    assert len(cells.cells_of(store, PIPELINE, "seed!=0")) == 0
    assert len(cells.cells_of(store, PIPELINE, None, date(2026, 1, 2))) == 9


def test_pages_of_what_is_read_are_in_order_already_however_many_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, given: Any, *_others: Any) -> None:
        if "ORDER BY artifacts.id" in statement:
            explained = f"EXPLAIN QUERY PLAN {statement}"
            raw = connection.connection.driver_connection
            plans.append("; ".join(row[3] for row in raw.execute(explained, given)))

    monkeypatch.setattr(catch_up, "_MOST_BESIDE", 10)
    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", explain)
    try:
        write(tmp_path / "store", 60)
        store = ArtifactStore(str(tmp_path / "store"))
        store.index = str(tmp_path / "index.db")
        assert rebuild(store, ["model", "score"], lambda _done, _total: None) == 60
        whole, plans[:] = plans[:], []
        write(tmp_path / "store", 70, 60)
        assert len(listed(store, PIPELINE, ["model", "score"], most=90).entries) == 70
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", explain)
    assert whole
    assert plans
    assert not any("TEMP B-TREE" in plan for plan in whole + plans)


def test_indexes_made_after_most_was_read_are_all_there_though_somebody_died_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "index.db"

    def indexes() -> set[str]:
        with contextlib.closing(sqlite3.connect(file)) as opened:
            return {
                row[0]
                for row in opened.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
            }

    monkeypatch.setattr(catch_up, "_MOST_BESIDE", 10)
    write(tmp_path / "store", 60)
    store = ArtifactStore(str(tmp_path / "store"))
    store.index = str(file)
    open_database(str(file))
    whole, seen = indexes(), []
    rebuild(store, ["model", "score"], lambda _done, _total: seen.append(indexes()))
    assert {"values_by_number", "artifacts_by_age", "artifacts_by_run"} <= whole - seen[0]
    assert "artifacts_by_run_meanwhile" in seen[0] - whole
    assert indexes() == whole
    assert from_index(store, "depth=1", "error", 9) == one_by_one(store, "depth=1", "error", 9)
    with contextlib.closing(sqlite3.connect(file)) as opened:
        opened.execute("DROP INDEX values_by_number")
        opened.execute("CREATE INDEX artifacts_by_run_meanwhile ON artifacts (line, run_id)")
    with filelock.FileLock(file.with_suffix(".filling")):
        open_database(str(file))
        assert "values_by_number" not in indexes()
    open_database(str(file))
    assert indexes() == whole

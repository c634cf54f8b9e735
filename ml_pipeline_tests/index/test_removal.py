"""Artifacts that are older than they are kept: what goes, and what stays because of what."""

import contextlib
import os
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from ml_pipeline.index.removal import Expiry, removable
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.promotion import Terms, promote
from ml_pipeline.store import claims
from ml_pipeline.store.housekeeping import remove
from ml_pipeline_tests.toys.bench import Bench, age, entry_of

YEAR = timedelta(days=365)
LONG_AGO = timedelta(days=500)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.setenv("TOY_HOME", str(bench.home))
    return bench


def grown_old(bench: Bench, made: dict[str, Outcome], by: timedelta = LONG_AGO) -> dict[str, str]:
    """Let artifacts have been made and written earlier; return their directories by asset."""
    for outcome in made.values():
        age(bench.record(outcome), by)
        for file in bench.directory(outcome).iterdir():
            then = file.stat().st_mtime - by.total_seconds()
            os.utime(file, (then, then))
    return {name: entry_of(outcome).path for name, outcome in made.items()}


def due(bench: Bench, keep_newest: int = 0, in_use: tuple[str, ...] = ()) -> set[str]:
    found = removable(
        bench.store, None, True, expiry=Expiry(YEAR, keep_newest), in_use=in_use
    )  # fmt: skip
    assert all(item.why == "older than artifacts are kept" and item.bytes for item in found)
    return {item.path for item in found}


def test_artifacts_go_by_age_and_what_stays_keeps_what_it_was_made_from(bench: Bench) -> None:
    old = grown_old(bench, bench.run())
    assert due(bench) == set(old.values())
    young = bench.run(region="south")
    assert due(bench) == set(old.values())
    # A new model of the old table is reason enough for the table to stay.
    bench.run(learning_rate=0.7)
    assert due(bench).isdisjoint({old["table"], *(entry_of(one).path for one in young.values())})
    assert old["model"] in due(bench)


def test_artifacts_of_the_newest_runs_of_each_asset_stay(bench: Bench) -> None:
    older = grown_old(bench, bench.run(["table"], region="north"), LONG_AGO * 2)
    newer = grown_old(bench, bench.run(["table"], region="south"))
    assert due(bench, keep_newest=1) == set(older.values())
    assert due(bench, keep_newest=2) == set()
    assert due(bench) == {*older.values(), *newer.values()}


def test_artifacts_that_were_promoted_once_stay_with_all_they_were_made_from(
    bench: Bench,
) -> None:
    first = bench.run()
    promote(bench.store, entry_of(first["score"]), "prod", Terms())
    second = bench.run(learning_rate=0.7)
    promote(bench.store, entry_of(second["score"]), "prod", Terms())
    grown_old(bench, first)
    assert due(bench) == set()
    going = removable(bench.store, None, False, expiry=Expiry(YEAR))
    assert {item.path for item in going} == {
        entry_of(first[name]).path for name in ("model", "score")
    } - {entry_of(one).path for one in second.values()}
    # Promoted again while whoever removes is at it.
    promote(bench.store, entry_of(first["score"]), "prod", Terms(note="back"))
    assert list(remove(bench.store, going, False)) == []


def test_artifacts_that_a_running_stage_reads_stay(bench: Bench) -> None:
    old = grown_old(bench, bench.run(["table", "features"]))
    items = removable(bench.store, None, expiry=Expiry(YEAR))
    assert {item.path for item in items} == set(old.values())
    assert due(bench, in_use=(old["table"],)) == {old["features"]}
    hold = bench.tell("hold-model")
    running = threading.Thread(target=bench.run, args=(["model"],))
    running.start()
    try:
        deadline = time.monotonic() + 20
        while not claims.names(bench.store) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert due(bench) == set()
        gone = list(remove(bench.store, items))
        assert [item.path for item in gone] == [old["table"]]
    finally:
        hold.unlink()
        running.join()
    (made,) = bench.run(["model"]).values()
    assert made.reused


def test_claims_that_cannot_be_read_name_nothing(bench: Bench) -> None:
    assert bench.store.put_if_absent(".claims/other", b'{"token": "x"}')
    assert bench.store.put_if_absent(".claims/broken", b"half")
    assert claims.read_by_holders(bench.store) == set()


@pytest.mark.long
def test_runs_beside_whoever_removes_old_artifacts_all_succeed(bench: Bench) -> None:
    for region in ("north", "south", "east"):
        grown_old(bench, bench.run(region=region))
    stop = threading.Event()
    failures: list[BaseException] = []

    def removing() -> None:
        try:
            while not stop.is_set():
                list(remove(bench.store, removable(bench.store, None, expiry=Expiry(YEAR))))
        except BaseException as error:
            failures.append(error)
            raise

    remover = threading.Thread(target=removing)
    remover.start()
    try:
        for seed in range(6):
            for region in ("north", "south", "east"):
                made = bench.run(region=region, learning_rate=seed / 10 + 0.01)
                with contextlib.suppress(FileNotFoundError):  # gone before it has grown old
                    grown_old(bench, made)
    finally:
        stop.set()
        remover.join()
    assert failures == []
    made = bench.run(region="north", learning_rate=0.51)
    assert bench.values(made) == bench.values(bench.run(region="north", learning_rate=0.51))

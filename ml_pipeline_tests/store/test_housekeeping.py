import os
import shutil
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from ml_pipeline.index.removal import removable
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.housekeeping import Removable, remove, verify
from ml_pipeline_tests.toys.bench import DAY, Bench, flip
from ml_pipeline_tests.toys.pipeline import STAGES, fresh
from ml_pipeline_tests.toys.process import Running, run
from ml_pipeline_tests.toys.shelf import publish, slot_of

NOW = timedelta(0)
MONTH = timedelta(days=30)
LONG_AGO = timedelta(days=60)


def older(path: Path, by: timedelta) -> None:
    """Let files have been written earlier by the store's clock."""
    for file in [path, *path.rglob("*")]:
        if file.is_file():
            then = file.stat().st_mtime - by.total_seconds()
            os.utime(file, (then, then))


def clean(bench: Bench, age: timedelta) -> list[Removable]:
    """Remove what can be removed and check that it was, and nothing else."""
    before = bench.files()
    items = removable(bench.store, age)
    assert list(remove(bench.store, items)) == items
    assert bench.files() == before - {name for item in items for name in item.objects}
    assert removable(bench.store, age) == []
    return items


def directories(*outcomes: Outcome) -> list[str]:
    return sorted(outcome.slot.revision(outcome.record.revision) for outcome in outcomes)


# Empty folders


def folders(bench: Bench) -> set[str]:
    return {str(path.relative_to(bench.root)) for path in bench.root.rglob("*") if path.is_dir()}


def test_gc_leaves_no_empty_folder_where_it_removed_something(bench: Bench) -> None:
    made = bench.run(["table"])["table"]
    bench.record(made).unlink()
    other = bench.run(["table"], region="south")["table"]
    clean(bench, NOW)
    assert "table/region=north" not in folders(bench)
    assert other.slot.revision(other.record.revision) in folders(bench)
    assert {name for name in folders(bench) if name.startswith(".")} == {".claims", ".staging"}


def test_gc_removes_old_empty_folders_and_no_new_ones(bench: Bench) -> None:
    bench.run(["table"])
    before = folders(bench)
    for name in ("table/region=old/run=1/rev=2", "table/region=new/run=1/rev=2", ".staging/x"):
        (bench.root / name).mkdir(parents=True)
    for name in ("table/region=old/run=1/rev=2", ".staging/x"):
        os.utime(bench.root / name, (0, 0))
    items = removable(bench.store, MONTH)
    assert [(item.path, item.why, item.bytes) for item in items] == [
        (".staging/x", "an empty folder", 0),
        ("table/region=old/run=1/rev=2", "an empty folder", 0),
    ]
    assert list(remove(bench.store, items)) == items
    new = {"table/region=new", "table/region=new/run=1", "table/region=new/run=1/rev=2"}
    assert folders(bench) == before | new


def test_gc_that_finds_a_folder_in_use_again_leaves_it(bench: Bench) -> None:
    folder = bench.root / "table/region=old/run=1/rev=2"
    folder.mkdir(parents=True)
    items = removable(bench.store, NOW)
    (folder / "data.parquet").write_bytes(b"x")
    list(remove(bench.store, items))
    assert (folder / "data.parquet").exists()


def test_writers_beside_whoever_removes_empty_folders_lose_nothing(bench: Bench) -> None:
    store, stop = bench.store, threading.Event()

    def tidy() -> None:
        while not stop.is_set():
            for folder in store.empty_folders(time.time() + 1):
                store.remove_empty(folder)

    tidying = threading.Thread(target=tidy)
    tidying.start()
    try:
        slots = [slot_of(rate=0.001 * (number + 1)) for number in range(300)]
        for slot in slots:
            publish(store, "r1", {"a": 1}, slot)
            store.put_if_absent(f"{slot.path}/beside", b"x")
            store.remove(f"{slot.path}/beside")
    finally:
        stop.set()
        tidying.join()
    assert all(store.find(slot, "r1") is not None for slot in slots)


# Verifying


def test_verify_of_a_sound_store_finds_nothing(bench: Bench) -> None:
    bench.run()
    bench.run(rows=9)
    checked = list(verify(bench.store, STAGES))
    assert len(checked) == 8
    assert all(one.problem is None for one in checked)


def test_verify_names_everything_that_is_wrong(bench: Bench) -> None:
    made = bench.run()
    flip(bench.data(made["table"]))
    bench.data(made["features"]).unlink()
    bench.record(made["model"]).write_bytes(b"{}")
    told = {one.path: one.problem for one in verify(bench.store, STAGES) if one.problem}
    assert sorted(told) == directories(made["table"], made["features"], made["model"])
    table, features, model = (
        str(told[directories(made[name])[0]]) for name in ("table", "features", "model")
    )
    assert table.startswith(f"{bench.data(made['table'])} must have the digest ")
    assert features.endswith("must be there, since its record is, but is missing.")
    assert model.startswith(f"{bench.record(made['model'])} must be a record, but cannot be read")


def test_verify_of_an_empty_store_is_empty(bench: Bench) -> None:
    assert list(verify(bench.store, STAGES)) == []


def test_verify_in_memory(bench: Bench) -> None:
    from ml_pipeline.runs.materializer import Materializer

    store = ArtifactStore(f"memory://{bench.folder}")
    outcomes = list(Materializer(bench.pipeline, store).run(bench.pipeline.params.defaults, DAY))
    assert [one.problem for one in verify(store, STAGES)] == [None] * 4
    path = directories(outcomes[0])[0]
    store.overwrite(f"{path}/data.parquet", b"other")
    assert [one.path for one in verify(store, STAGES) if one.problem] == [path]


# Removing


def test_removable_of_a_store_in_use_is_empty(bench: Bench) -> None:
    bench.run()
    bench.run(learning_rate=0.3)
    older(bench.root, LONG_AGO)
    assert removable(bench.store, NOW) == []
    assert removable(bench.store, MONTH) == []


def test_removable_are_replaced_revisions_of_the_age(bench: Bench) -> None:
    first = bench.run()
    bench.edit(table="2", score="2")
    bench.run()
    assert removable(bench.store, MONTH) == []
    older(bench.root, LONG_AGO)
    items = removable(bench.store, MONTH)
    # The features are as they were, and were made from the first revision of the table.
    assert [item.path for item in items] == directories(first["score"])
    for item in items:
        assert item.why == "replaced by a newer revision"
        assert item.bytes == sum((bench.root / name).stat().st_size for name in item.objects)
        assert item.objects[0].endswith("record.json")


def test_remove_never_takes_the_newest_revision(bench: Bench) -> None:
    for version in ("1", "2", "3"):
        bench.edit(table=version)
        newest = bench.run(["table"])
        older(bench.root, timedelta(days=1))
    bench.run()
    older(bench.root, LONG_AGO)
    assert len(clean(bench, NOW)) == 2
    bench.started()
    made = bench.run()
    assert bench.started() == []
    assert made["table"].record == newest["table"].record
    assert bench.values(made) == fresh()


def test_remove_takes_a_whole_chain_that_was_replaced(bench: Bench) -> None:
    first = bench.run()
    bench.edit(**dict.fromkeys(STAGES, "2"))
    bench.run()
    older(bench.root, LONG_AGO)
    assert [item.path for item in clean(bench, MONTH)] == directories(*first.values())
    bench.started()
    assert bench.values(bench.run()) == fresh()
    assert bench.started() == []


def test_remove_keeps_a_young_revision_that_was_replaced(bench: Bench) -> None:
    first = bench.run()
    bench.edit(table="2")
    bench.run()
    older(bench.root, timedelta(days=29))
    assert clean(bench, MONTH) == []
    assert bench.directory(first["table"]).exists()


def test_remove_keeps_what_the_newest_of_other_assets_were_made_from(bench: Bench) -> None:
    bench.run()
    bench.edit(table="2")
    bench.run()
    older(bench.root, LONG_AGO)
    # The features are as they were, and their record names the first revision of the table.
    clean(bench, NOW)
    features = bench.run(["features"])["features"]
    assert (bench.root / features.record.inputs["table"].path / "record.json").exists()


def test_remove_keeps_the_revision_that_current_code_gives(bench: Bench) -> None:
    first = bench.run()
    bench.edit(table="2")
    bench.run()
    bench.edit()
    assert bench.run()["table"].record == first["table"].record
    bench.run(force=True)
    older(bench.root, LONG_AGO)
    (bench.directory(first["table"]) / "confirmed.json").touch()
    clean(bench, MONTH)
    bench.started()
    bench.run()
    assert bench.started() == []


def test_newest_is_the_same_for_readers_and_for_housekeeping(bench: Bench) -> None:
    first = bench.run(["table"])["table"]
    bench.edit(table="2")
    second = bench.run(["table"])["table"]
    assert second.record.started_at > first.record.started_at
    # Confirmed, copied or restored from a backup, so that its files are the youngest.
    older(bench.directory(second), LONG_AGO)
    older(bench.directory(first), timedelta(days=40))
    clean(bench, MONTH)
    assert bench.directory(second).joinpath("record.json").exists()


def test_orphans_are_removed_once_they_are_of_age(bench: Bench) -> None:
    made = bench.run()
    bench.record(made["model"]).unlink()
    assert removable(bench.store, MONTH) == []
    older(bench.root, LONG_AGO)
    (item,) = clean(bench, MONTH)
    assert item.path == directories(made["model"])[0]
    assert item.why == "orphan: files without a record"
    bench.started()
    assert bench.values(bench.run()) == fresh()


def test_orphan_with_one_young_file_stays(bench: Bench) -> None:
    made = bench.run()
    bench.record(made["model"]).unlink()
    older(bench.root, LONG_AGO)
    (bench.directory(made["model"]) / "new.skops").write_bytes(b"x")
    assert removable(bench.store, MONTH) == []


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_crash_left_is_removed_once_it_is_of_age(bench: Bench, stage: str) -> None:
    order = bench.tell(f"exit-{stage}")
    assert Running(bench.job()).wait() is None
    order.unlink()
    assert len(bench.claims()) == 1
    assert clean(bench, MONTH) == []
    older(bench.root, LONG_AGO)
    (item,) = clean(bench, MONTH)
    assert item.why == "left by a run that crashed"
    assert bench.claims() == set()
    assert run(bench.job(lease_s=60)).values() == fresh()


def test_staged_files_of_a_crash_are_removed_once_they_are_of_age(bench: Bench) -> None:
    bench.run()
    left = bench.root / ".staging" / "0123" / "data.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * 100)
    assert clean(bench, MONTH) == []
    older(bench.root, LONG_AGO)
    (item,) = clean(bench, MONTH)
    assert item == Removable(
        ".staging/0123", "left by a run that crashed", 100, (".staging/0123/data.parquet",)
    )


def test_a_live_claim_beside_a_dead_one_stays(bench: Bench) -> None:
    claims = bench.root / ".claims"
    claims.mkdir(parents=True)
    (claims / "dead").write_bytes(b"x")
    older(bench.root, LONG_AGO)
    (claims / "alive").write_bytes(b"x")
    clean(bench, MONTH)
    assert ".claims/alive" in bench.claims()


def test_a_dead_claim_is_removed_though_another_is_alive(bench: Bench) -> None:
    claims = bench.root / ".claims"
    claims.mkdir(parents=True)
    (claims / "dead").write_bytes(b"x")
    older(bench.root, LONG_AGO)
    (claims / "alive").write_bytes(b"x")
    clean(bench, MONTH)
    assert not (claims / "dead").exists()


def test_removable_passes_over_files_that_are_no_artifacts(bench: Bench) -> None:
    bench.run()
    (bench.root / "README.txt").write_text("mine")
    (bench.root / "table" / "notes.txt").write_text("mine")
    older(bench.root, LONG_AGO)
    assert removable(bench.store, NOW) == []


def test_removable_of_an_empty_store_is_empty(bench: Bench) -> None:
    assert removable(bench.store, NOW) == []


def test_remove_of_what_is_gone_already_is_fine(bench: Bench) -> None:
    bench.run()
    bench.edit(score="2")
    bench.run()
    older(bench.root, LONG_AGO)
    items = removable(bench.store, MONTH)
    shutil.rmtree(bench.root / items[0].path)
    assert list(remove(bench.store, items)) == items


def test_remove_in_memory(bench: Bench) -> None:
    from ml_pipeline.runs.materializer import Materializer

    store = ArtifactStore(f"memory://{bench.folder}")
    params = bench.pipeline.params.defaults
    list(Materializer(bench.pipeline, store).run(params, DAY, ["table"]))
    bench.edit(table="2")
    list(Materializer(bench.pipeline, store).run(params, DAY, ["table"]))
    time.sleep(0.01)
    items = removable(store, NOW)
    assert len(items) == 1
    assert list(remove(store, items)) == items
    assert len(list(store.directories("table"))) == 1


def test_removing_while_a_run_is_at_work_does_it_no_harm(bench: Bench) -> None:
    hold = bench.tell("hold-model")
    running = Running(bench.job())
    calls = bench.home / "calls"
    while not calls.exists() or "model" not in calls.read_text():
        time.sleep(0.01)
    assert clean(bench, timedelta(minutes=10)) == []
    hold.unlink()
    report = running.wait()
    assert report is not None
    assert report.values() == fresh()

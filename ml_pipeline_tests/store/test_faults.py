"""What can go wrong around a run: it dies, the disk is full or read-only, bytes rot, clocks jump.

After each accident, nothing wrong may be served, and the next run must make good what is missing
and no more.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ml_pipeline.errors import ArtifactDamaged, StoreUnreachable
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.housekeeping import verify
from ml_pipeline.store.record import Record
from ml_pipeline.store.slots import Slot
from ml_pipeline_tests.toys.bench import Bench, age, flip
from ml_pipeline_tests.toys.pipeline import STAGES, fresh, plain
from ml_pipeline_tests.toys.process import Running, run, survives

pytestmark = pytest.mark.long

ALL = list(STAGES)
KILLS_BY_LINE = 40
KILLS_BY_TIME = 12


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Mount a small disk where the store is; call it again to change its options."""
    root = tmp_path / "store"
    mounted = False

    def mount(options: str) -> None:
        nonlocal mounted
        root.mkdir(exist_ok=True)
        kind = ["-o", f"remount,{options}"] if mounted else ["-t", "tmpfs", "-o", options, "tmpfs"]
        done = subprocess.run(["mount", *kind, str(root)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"may not mount: {done.stderr.decode().strip()}")
        mounted = True

    if os.geteuid():
        pytest.skip("only root may mount")
    yield mount
    if mounted:
        subprocess.run(["umount", "--lazy", str(root)], check=True)


def published(bench: Bench) -> set[str]:
    """Return the names of the stages that a reader can see."""
    return {name.partition("/")[0] for name in bench.files() if name.endswith("/record.json")}


def assert_sound(bench: Bench) -> None:
    """Whatever can be seen must be whole and right."""
    right = fresh()
    for stage in ALL:
        for directory in bench.store.directories(stage):
            record = bench.store.read_record(directory)
            assert record is not None
            outcome = bench.pipeline.stage(stage).slot(bench.pipeline.params.defaults, record.as_of)
            assert plain(bench.store.load(outcome, record)) == right[stage]


# Killed at any instant


def test_killed_at_any_line_leaves_nothing_half_done(bench: Bench) -> None:
    counted = run(bench.job(die_at=-1)).lines
    assert counted > 1_000
    for kill in range(KILLS_BY_LINE):
        shutil.rmtree(bench.root)
        bench.started()
        at = 1 + (counted - 2) * kill // (KILLS_BY_LINE - 1)
        assert Running(bench.job(die_at=at)).wait() is None, f"survived line {at} of {counted}"
        assert_sound(bench)
        before = published(bench)
        bench.started()
        report = run(bench.job(lease_s=0.05))
        assert report.values() == fresh(), f"killed at line {at}"
        unfinished = [stage for stage in ALL if stage not in before]
        assert report.computed() == unfinished
        assert bench.started() == unfinished
        # Who dies between publishing and giving its claim back leaves the claim behind.
        assert len([name for name in bench.claims() if name.startswith(".claims")]) <= 1


def test_killed_at_any_time_leaves_nothing_half_done(bench: Bench) -> None:
    began = time.monotonic()
    run(bench.job(params={"rows": 20_000}))
    whole = time.monotonic() - began
    for kill in range(KILLS_BY_TIME):
        shutil.rmtree(bench.root)
        running = Running(bench.job(params={"rows": 20_000}))
        time.sleep(whole * (0.2 + 0.8 * kill / KILLS_BY_TIME))
        running.signal(signal.SIGKILL)
        running.wait()
        assert all(checked.problem is None for checked in verify(bench.store, ALL))
        before = published(bench) if bench.root.exists() else set()
        bench.started()
        report = run(bench.job(lease_s=0.05, params={"rows": 20_000}))
        assert report.errors == {}
        assert bench.started() == [stage for stage in ALL if stage not in before]
        assert all(checked.problem is None for checked in verify(bench.store, ALL))


def test_killed_again_and_again_comes_to_an_end(bench: Bench) -> None:
    deaths = 0
    while Running(bench.job(die_at=1_500 + 800 * deaths, lease_s=0.05)).wait() is None:
        deaths += 1
        assert_sound(bench)
    assert deaths > 3
    bench.started()
    assert run(bench.job()).values() == fresh()
    assert bench.started() == []


@pytest.mark.parametrize("stage", ALL)
def test_died_within_a_stage_computes_that_one_and_what_follows(bench: Bench, stage: str) -> None:
    order = bench.tell(f"exit-{stage}")
    assert Running(bench.job()).wait() is None
    order.unlink()
    bench.started()
    assert run(bench.job()).values() == fresh()
    assert bench.started() == ALL[ALL.index(stage) :]


# Disks


def test_full_disk_fails_with_advice_and_goes_on_once_there_is_space(
    bench: Bench, disk: Callable[..., None]
) -> None:
    disk("size=512k")
    filler = bench.root / "filler"
    failures = []
    for pages in range(14):
        for child in bench.root.iterdir():
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        free = os.statvfs(bench.root).f_bavail - pages
        filler.write_bytes(b"x" * 4096 * free)
        try:
            bench.run()
        except StoreUnreachable as error:
            failures.append(str(error))
        assert_sound(bench)
        before = published(bench)
        filler.unlink()
        bench.started()
        assert bench.values(bench.run()) == fresh()
        assert bench.started() == [stage for stage in ALL if stage not in before]
    assert len(failures) >= 6
    for message in failures:
        assert message.startswith(f"Could not write to the store {bench.root}: ")
        assert "No space left on device" in message
        assert message.endswith(
            "Check that it exists, that you may write to it, and that it has space,"
            " or set ML_PIPELINE_STORE."
        )


def test_file_too_large_fails_with_advice_and_goes_on_without_the_limit(bench: Bench) -> None:
    seen = set()
    for limit in (40, 200, 600, 1_000, 1_500, 4_000):
        shutil.rmtree(bench.root, ignore_errors=True)
        report = run(bench.job(largest_file=limit))
        for kind, message in report.errors.values():
            assert kind == "StoreUnreachable", message
            assert message.startswith(f"Could not write to the store {bench.root}: ")
        seen.add((bool(report.errors), len(published(bench))))
        assert_sound(bench)
        before = published(bench)
        bench.started()
        assert run(bench.job()).values() == fresh()
        assert bench.started() == [stage for stage in ALL if stage not in before]
    assert {failed for failed, _ in seen} == {True}
    assert len(seen) > 1, "the limits should bite at different places"


def test_no_space_while_a_frame_is_written_is_told_as_such(
    bench: Bench, disk: Callable[..., None]
) -> None:
    disk("size=1m")
    free = os.statvfs(bench.root).f_bavail
    (bench.root / "filler").write_bytes(b"x" * 4096 * (free - 6))
    with pytest.raises(StoreUnreachable) as refused:
        bench.run(rows=50_000)
    assert "Could not write to the store" in str(refused.value)
    assert published(bench) == set()
    assert bench.claims() == set()


def test_no_space_while_a_lazy_frame_is_written_is_told_as_such(
    bench: Bench, disk: Callable[..., None]
) -> None:
    disk("size=1m")
    bench.run(["table"], rows=20_000)
    free = os.statvfs(bench.root).f_bavail
    (bench.root / "filler").write_bytes(b"x" * 4096 * (free - 4))
    with pytest.raises(StoreUnreachable) as refused:
        bench.run(["features"], rows=20_000)
    assert "Could not write to the store" in str(refused.value)
    assert published(bench) == {"table"}
    assert bench.claims() == set()


def test_read_only_store_serves_what_is_published(bench: Bench, disk: Callable[..., None]) -> None:
    disk("size=1m")
    bench.run()
    bench.started()
    disk("ro")
    made = bench.run()
    assert bench.started() == []
    assert bench.values(made) == fresh()
    assert all(checked.problem is None for checked in verify(bench.store, ALL))
    assert all(decision.reuse for decision in bench.plan())  # type: ignore[union-attr]


def test_read_only_store_refuses_to_compute_before_any_work_is_done(
    bench: Bench, disk: Callable[..., None]
) -> None:
    disk("size=1m")
    bench.run()
    disk("ro")
    bench.started()
    with pytest.raises(StoreUnreachable) as refused:
        bench.run(learning_rate=0.7)
    assert str(refused.value).startswith(f"Could not write to the store {bench.root}: ")
    assert "Read-only file system" in str(refused.value)
    assert bench.started() == []
    disk("rw")
    bench.run(learning_rate=0.7)
    assert bench.started() == ["model", "score"]


def test_root_that_is_a_file_is_refused(bench: Bench) -> None:
    bench.root.write_text("not a directory")
    with pytest.raises(StoreUnreachable) as refused:
        bench.run()
    assert str(refused.value).startswith(f"Could not open the store {bench.root}: ")


def test_store_removed_under_way_is_made_again(bench: Bench) -> None:
    bench.run()
    shutil.rmtree(bench.root)
    bench.started()
    assert bench.values(bench.run()) == fresh()
    assert bench.started() == ALL


# Rot


def spoil(bench: Bench, outcome: object, how: str) -> None:
    data, record = bench.data(outcome), bench.record(outcome)  # type: ignore[arg-type]
    if how == "data gone":
        data.unlink()
    elif how == "data empty":
        data.write_bytes(b"")
    elif how == "data cut short":
        data.write_bytes(data.read_bytes()[:-1])
    elif how == "data longer":
        data.write_bytes(data.read_bytes() + b"\0")
    elif how == "record gone":
        record.unlink()
    elif how == "record empty":
        record.write_bytes(b"")
    elif how == "record cut short":
        record.write_bytes(record.read_bytes()[:200])
    elif how == "record not UTF-8":
        record.write_bytes(b"\xff\xfe" + record.read_bytes())
    elif how == "record of another kind":
        record.write_text('{"asset": "table"}')
    elif how == "record is a list":
        record.write_text("[]")
    elif how == "record names no known format":
        record.write_text(record.read_text().replace('"format": "', '"format": "un'))
    elif how == "directory gone":
        shutil.rmtree(data.parent)


@pytest.mark.parametrize("stage", ALL)
@pytest.mark.parametrize(
    "how",
    [
        "data gone", "data empty", "data cut short", "data longer", "record gone", "record empty",
        "record cut short", "record not UTF-8", "record of another kind", "record is a list",
        "directory gone",
    ],
)  # fmt: skip
def test_rotten_artifact_is_computed_again_alone(bench: Bench, stage: str, how: str) -> None:
    made = bench.run()
    bench.started()
    spoil(bench, made[stage], how)
    again = bench.run()
    assert bench.started() == [stage]
    assert bench.values(again) == fresh()
    reason = again[stage].reason
    if how.endswith("gone") and how != "data gone":
        assert reason.startswith(f"{stage}: computed: nothing is published yet")
    else:
        assert str(bench.directory(made[stage])) in reason
        assert "is not used" in reason
    assert all(checked.problem is None for checked in verify(bench.store, ALL))
    bench.started()
    bench.run()
    assert bench.started() == []


@pytest.mark.parametrize("stage", ALL)
def test_record_of_other_parameters_is_not_taken_for_the_wanted_ones(
    bench: Bench, stage: str
) -> None:
    made = bench.run()
    other = bench.run(rows=9)
    shutil.copy(bench.record(other[stage]), bench.record(made[stage]))
    shutil.copy(bench.data(other[stage]), bench.data(made[stage]))
    bench.started()
    again = bench.run()
    assert bench.started() == [stage]
    assert bench.values(again) == fresh()
    assert "is not used: the next run that needs it makes it again" in again[stage].reason


def load_with_flipped_bits(root: str, slot: Slot, record: Record) -> None:
    """Load an artifact again and again, each time with other bits flipped."""
    store = ArtifactStore(root)
    data = Path(root) / slot.revision(record.revision) / record.content.file
    whole = data.read_bytes()
    for place in range(0, len(whole), 1 + len(whole) // 700):
        for bits in (0x11, 0x80):
            spoilt = bytearray(whole)
            spoilt[place] ^= bits
            data.write_bytes(spoilt)
            with pytest.raises(ArtifactDamaged):
                store.load(slot, record, lazy=bool(place % 2))
    data.write_bytes(whole)


@pytest.mark.parametrize("stage", ALL)
def test_flipped_bits_are_never_served_wherever_they_are(bench: Bench, stage: str) -> None:
    made = bench.run()[stage]
    assert survives(load_with_flipped_bits, str(bench.root), made.slot, made.record), (
        "a reader that is handed damaged bytes may end the process"
    )
    assert bench.value(made) == fresh()[stage]


@pytest.mark.parametrize("stage", ["table", "features", "model"])
def test_flipped_bits_are_mended_on_the_way(bench: Bench, stage: str) -> None:
    made = bench.run()
    flip(bench.data(made[stage]))
    bench.started()
    again = bench.run(learning_rate=0.4) if stage != "model" else bench.run(["score"], force=True)
    assert stage in bench.started()
    right = fresh({"learning_rate": 0.4} if stage != "model" else {})
    assert bench.values(again) == {name: right[name] for name in again}
    assert bench.value(made[stage]) == fresh()[stage]
    assert all(checked.problem is None for checked in verify(bench.store, ALL))


def test_every_artifact_rotten_is_all_computed_again(bench: Bench) -> None:
    made = bench.run()
    for outcome in made.values():
        spoil(bench, outcome, "data cut short")
    bench.started()
    assert bench.values(bench.run()) == fresh()
    assert bench.started() == ALL


def test_stray_files_disturb_nothing(bench: Bench) -> None:
    made = bench.run()
    for directory in (bench.root, bench.root / "table", bench.directory(made["table"]).parent):
        (directory / "README.txt").write_text("hello")
        (directory / ".DS_Store").write_bytes(b"\0")
    (bench.directory(made["table"]).parent / "rev=nothing").mkdir()
    (bench.directory(made["table"]) / "extra.parquet").write_bytes(b"PAR1")
    bench.started()
    assert bench.values(bench.run()) == fresh()
    assert bench.started() == []
    bench.run(learning_rate=0.3)


def test_foreign_bytes_where_the_data_belongs_are_not_taken_for_it(bench: Bench) -> None:
    made = bench.run()
    data, record = bench.data(made["table"]), bench.record(made["table"])
    data.write_bytes(b"x" * made["table"].record.content.bytes)
    record.unlink()
    bench.started()
    again = bench.run()
    assert bench.started() == ["table"]
    assert bench.values(again) == fresh()


# Clocks


@pytest.mark.parametrize("days", [-4000, -1, 0, 4000])
def test_clock_that_jumped_changes_nothing_about_reuse(bench: Bench, days: int) -> None:
    for outcome in bench.run().values():
        age(bench.record(outcome), timedelta(days=days))
        for file in bench.directory(outcome).iterdir():
            then = time.time() - days * 86400
            os.utime(file, (then, then))
    bench.started()
    assert bench.values(bench.run()) == fresh()
    assert bench.started() == []
    assert bench.plan(learning_rate=0.2)
    assert bench.values(bench.run(learning_rate=0.2)) == fresh({"learning_rate": 0.2})


def test_clock_that_jumped_does_not_make_a_live_claim_stale(bench: Bench) -> None:
    hold = bench.tell("hold-table")
    running = Running(bench.job(selection=["table"], lease_s=5))
    while not (bench.home / "calls").exists():
        time.sleep(0.01)
    (claim,) = bench.claims()
    os.utime(bench.root / claim, (0, 0))
    waiting = Running(bench.job(selection=["table"], lease_s=5))
    time.sleep(0.4)
    hold.unlink()
    assert running.wait() is not None
    assert waiting.wait() is not None
    assert bench.started() == ["table"]


def test_unreachable_store_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable) as refused:
        ArtifactStore("nowhere://bucket/prefix")
    assert str(refused.value).startswith("Could not open the store nowhere://bucket/prefix: ")

import json
import signal
import threading
import time
from collections.abc import Callable

import pytest

from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.claims import BeingComputed, claimed
from ml_pipeline.store.housekeeping import verify
from ml_pipeline.store.slots import Slot
from ml_pipeline_tests.toys.bench import DAY, Bench, flip
from ml_pipeline_tests.toys.pipeline import PARAMS, STAGES, fresh, toy
from ml_pipeline_tests.toys.process import Running, run

pytestmark = pytest.mark.long

ALL = list(STAGES)
LEASE_S = 1.2


@pytest.fixture
def slot() -> Slot:
    return toy().stage("table").slot(PARAMS.defaults, DAY)


def until(happened: Callable[[], object], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.005)


def has_called(bench: Bench, count: int) -> Callable[[], bool]:
    file = bench.home / "calls"
    return lambda: file.exists() and len(file.read_text().splitlines()) >= count


def never() -> bool:
    return False


# Whole runs, each in a process of its own


def test_two_runs_at_once_compute_every_stage_once(bench: Bench) -> None:
    held = bench.tell("hold-table")
    runs = [Running(bench.job(lease_s=15)) for _ in range(2)]
    until(has_called(bench, 1), "a run begins")
    until(lambda: len(bench.claims()) > 0, "a claim")
    time.sleep(0.3)
    held.unlink()
    reports = [one.wait() for one in runs]
    assert sorted(bench.started()) == sorted(ALL)
    for report in reports:
        assert report is not None
        assert report.errors == {}
        assert report.values() == fresh()
    reasons = {
        one.reason
        for report in reports
        if report is not None
        for one in report.made["2026-01-05"]
        if one.stage == "table" and one.reused
    }
    assert reasons == {"table: reused: another run computed it meanwhile"}
    assert bench.claims() == set()


def test_many_runs_at_once_compute_every_stage_once(bench: Bench) -> None:
    runs = [Running(bench.job(lease_s=15, dates=["2026-01-05", "2026-01-06"])) for _ in range(6)]
    reports = [one.wait() for one in runs]
    assert sorted(bench.started()) == sorted(ALL * 2)
    for report in reports:
        assert report is not None
        assert report.errors == {}
        assert report.values() == fresh()
    assert bench.claims() == set()


def test_two_runs_at_once_with_other_parameters_do_not_wait_for_each_other(bench: Bench) -> None:
    held = bench.tell("hold-table")
    slow = Running(bench.job(lease_s=15))
    until(has_called(bench, 1), "the slow run begins")
    quick = Running(bench.job(lease_s=15, params={"rows": 9}))
    until(has_called(bench, 2), "the other begins as well")
    held.unlink()
    assert slow.wait() is not None
    assert quick.wait() is not None


def test_two_runs_at_once_of_a_damaged_artifact_mend_it_once(bench: Bench) -> None:
    made = bench.run(["table"])
    bench.data(made["table"]).unlink()
    bench.started()
    held = bench.tell("hold-table")
    runs = [Running(bench.job(lease_s=15, selection=["table"])) for _ in range(2)]
    until(has_called(bench, 1), "a run begins")
    time.sleep(0.3)
    held.unlink()
    reports = [one.wait() for one in runs]
    assert bench.started() == ["table"]
    for report in reports:
        assert report is not None
        assert report.errors == {}
        assert report.values() == {"table": fresh()["table"]}


def test_many_runs_at_once_that_need_a_damaged_input_all_succeed(bench: Bench) -> None:
    made = bench.run()
    for count in (20, 30, 40, 50):
        flip(bench.data(made["features"]))
        bench.started()
        runs = [
            Running(bench.job(lease_s=15, params={"learning_rate": (count + place) / 100}))
            for place in range(4)
        ]
        for one in runs:
            report = one.wait()
            assert report is not None
            assert report.errors == {}
        assert bench.value(made["features"]) == fresh()["features"]


def test_holder_killed_is_relieved_after_its_lease(bench: Bench) -> None:
    held = bench.tell("hold-model")
    holder = Running(bench.job())
    until(has_called(bench, 3), "the model begins")
    waiter = Running(bench.job(lease_s=LEASE_S))
    time.sleep(0.2)
    holder.signal(signal.SIGKILL)
    assert holder.wait() is None
    held.unlink()
    report = waiter.wait()
    assert report is not None
    assert report.values() == fresh()
    assert report.computed() == ["model", "score"]
    assert bench.started()[:5] == ["table", "features", "model", "model", "score"]
    assert bench.claims() == set()


def test_holder_that_is_slow_but_alive_is_not_robbed(bench: Bench) -> None:
    held = bench.tell("hold-table")
    holder = Running(bench.job(lease_s=LEASE_S))
    until(has_called(bench, 1), "the holder begins")
    waiter = Running(bench.job(lease_s=LEASE_S))
    time.sleep(4 * LEASE_S)
    assert bench.started() == ["table"]
    held.unlink()
    assert holder.wait() is not None
    report = waiter.wait()
    assert report is not None
    assert report.values() == fresh()
    assert sorted(["table", *bench.started()]) == sorted(ALL)


def test_holder_that_slept_and_was_robbed_does_no_harm(bench: Bench) -> None:
    held = bench.tell("hold-table")
    holder = Running(bench.job(lease_s=LEASE_S))
    until(has_called(bench, 1), "the holder begins")
    holder.signal(signal.SIGSTOP)
    waiter = Running(bench.job(lease_s=LEASE_S))
    until(has_called(bench, 2), "the waiter takes over")
    holder.signal(signal.SIGCONT)
    held.unlink()
    for one in (holder, waiter):
        report = one.wait()
        assert report is not None
        assert report.errors == {}
        assert report.values() == fresh()
    assert bench.started().count("table") == 2
    assert bench.claims() == set()
    assert all(checked.problem is None for checked in verify(bench.store, ALL))


def test_claim_of_a_dead_holder_taken_by_many_at_once_costs_at_most_work(bench: Bench) -> None:
    bench.tell("exit-table")
    assert Running(bench.job()).wait() is None
    (bench.home / "exit-table").unlink()
    bench.started()
    runs = [Running(bench.job(lease_s=LEASE_S)) for _ in range(5)]
    for one in runs:
        report = one.wait()
        assert report is not None
        assert report.errors == {}
        assert report.values() == fresh()
    assert 4 <= len(bench.started()) <= 4 * 5
    assert bench.claims() == set()
    assert len([name for name in bench.files() if name.endswith("record.json")]) == 4
    assert all(checked.problem is None for checked in verify(bench.store, ALL))


def test_takeover_by_many_with_a_stage_that_is_not_deterministic_leaves_one_result(
    bench: Bench,
) -> None:
    bench.tell("exit-table")
    assert Running(bench.job()).wait() is None
    (bench.home / "exit-table").unlink()
    bench.tell("noise-table")
    runs = [Running(bench.job(lease_s=LEASE_S, selection=["table"])) for _ in range(5)]
    values = []
    for one in runs:
        report = one.wait()
        assert report is not None
        assert report.errors == {}
        values.append(report.values()["table"])
    assert all(value == values[0] for value in values)
    assert len([name for name in bench.files() if name.endswith("record.json")]) == 1


def test_interrupt_releases_the_claim_at_once(bench: Bench) -> None:
    held = bench.tell("hold-features")
    holder = Running(bench.job(lease_s=15))
    until(has_called(bench, 2), "the features begin")
    assert len(bench.claims()) == 1
    holder.signal(signal.SIGINT)
    report = holder.wait()
    assert report is not None
    assert report.errors["2026-01-05"][0] == "KeyboardInterrupt"
    assert bench.claims() == set()
    held.unlink()
    began = time.monotonic()
    assert run(bench.job(lease_s=15)).computed() == ["features", "model", "score"]
    assert time.monotonic() - began < 5


def test_failure_in_the_holder_lets_the_waiter_try_at_once(bench: Bench) -> None:
    held = bench.tell("hold-model")
    holder = Running(bench.job(lease_s=15))
    until(has_called(bench, 3), "the model begins")
    waiter = Running(bench.job(lease_s=15))
    time.sleep(0.2)
    holder.signal(signal.SIGINT)
    assert holder.wait() is not None
    held.unlink()
    began = time.monotonic()
    report = waiter.wait()
    assert report is not None
    assert report.computed() == ["model", "score"]
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("garbage", [b"", b"{}", b"null", b"\xff\x00", b'{"token": 3}', b"[" * 50])
def test_claim_that_is_garbage_is_taken_over_after_the_lease(bench: Bench, garbage: bytes) -> None:
    revision = bench.plan()[0].revision  # type: ignore[union-attr]
    slot = toy().stage("table").slot(PARAMS.defaults, DAY)
    claim = bench.root / ".claims" / f"table-{slot.run_id}-{revision}"
    claim.parent.mkdir()
    claim.write_bytes(garbage)
    began = time.monotonic()
    report = run(bench.job(lease_s=LEASE_S))
    assert report.values() == fresh()
    assert time.monotonic() - began > LEASE_S
    assert bench.claims() == set()


# One claim from the model to the score, which has no parameters of its own


def test_run_of_a_covered_stage_alone_waits_for_whoever_goes_on_to_it(bench: Bench) -> None:
    held = bench.tell("hold-score")
    whole = Running(bench.job(lease_s=15))
    until(has_called(bench, 4), "the score begins")
    (claim,) = bench.claims()
    assert claim.startswith(".claims/model-")
    with pytest.raises(BeingComputed):
        list(bench.materializer.run(PARAMS.defaults, DAY, ["score"], waits=False))
    assert bench.claims() == {claim}
    alone = Running(bench.job(lease_s=15, selection=["score"]))
    other = Running(bench.job(lease_s=15, selection=["model"]))
    until(lambda: len(bench.claims()) == 2, "its own claim")
    assert other.wait() is not None, "the model is there, so nobody waits for it"
    held.unlink()
    assert whole.wait() is not None
    report = alone.wait()
    assert report is not None
    assert [one.reason for one in report.made["2026-01-05"]] == [
        "score: reused: another run computed it meanwhile"
    ]
    assert bench.started() == ALL
    assert bench.claims() == set()


def test_holder_that_ends_before_what_its_claim_covers_is_relieved(bench: Bench) -> None:
    bench.tell("exit-score")
    assert Running(bench.job(lease_s=15)).wait() is None
    (bench.home / "exit-score").unlink()
    assert len(bench.claims()) == 1
    bench.started()
    began = time.monotonic()
    assert run(bench.job(lease_s=15, selection=["score"])).computed() == ["score"]
    assert time.monotonic() - began < 10
    assert bench.started() == ["score"]
    bench.tell("raise-score")
    with pytest.raises(RuntimeError):
        bench.run(learning_rate=0.7)
    assert bench.claims() == set()


def test_claim_is_kept_for_what_is_made_of_what_nobody_had_before(bench: Bench) -> None:
    def claims_after(stage: str, **values: object) -> int:
        made = bench.materializer.run(PARAMS.parse(values), DAY)
        for outcome in made:
            if outcome.record.asset == stage:
                count = len(bench.claims())
        assert bench.claims() == set()
        return count

    assert claims_after("model") == 1
    assert claims_after("model", force=True) == 0
    assert claims_after("features", window=5) == 0
    bench.started()
    # The same bytes from other code: what was made of them is looked for.
    bench.edit(model="2")
    made = bench.materializer.run(PARAMS.defaults, DAY, claims_first=True)
    assert [one.record.asset for one in made if not one.reused] == ["model"]
    assert bench.started() == ["model"]


def test_input_damaged_under_the_claim_on_it_is_mended(bench: Bench) -> None:
    for outcome in bench.materializer.run(PARAMS.defaults, DAY):
        if outcome.record.asset == "model":
            flip(bench.data(outcome))
    assert "model was damaged and has been computed again" in outcome.reason
    assert bench.started() == ["table", "features", "model", "model", "score"]
    assert bench.claims() == set()


# Claims by themselves


def test_claimed_is_exclusive_and_released(bench: Bench, slot: Slot) -> None:
    store = bench.store
    inside, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with claimed(store, slot, "abc", never, 5) as ours:
            assert ours
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with lock:
                inside -= 1

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == 1
    assert bench.claims() == set()


def test_claimed_yields_false_once_another_has_published(bench: Bench, slot: Slot) -> None:
    published = threading.Event()
    with claimed(bench.store, slot, "abc", never, 5):
        threading.Timer(0.2, published.set).start()
        with claimed(bench.store, slot, "abc", published.is_set, 5) as ours:
            assert not ours
        assert len(bench.claims()) == 1, "the claim of the other stays"


def test_claimed_of_what_is_published_already_leaves_no_claim(bench: Bench, slot: Slot) -> None:
    with claimed(bench.store, slot, "abc", lambda: True, 5) as ours:
        assert not ours
    assert bench.claims() == set()


def test_claimed_with_an_error_while_looking_leaves_no_claim(bench: Bench, slot: Slot) -> None:
    def unreachable() -> bool:
        raise StoreUnreachable("gone")

    with pytest.raises(StoreUnreachable), claimed(bench.store, slot, "abc", unreachable, 5):
        pass
    assert bench.claims() == set()


def test_claimed_renews_while_it_is_held(bench: Bench, slot: Slot) -> None:
    with claimed(bench.store, slot, "abc", never, 0.25):
        (name,) = bench.claims()
        claim = bench.root / name
        first = claim.read_bytes()
        until(lambda: claim.read_bytes() != first, "a sign of life", seconds=1)
        assert json.loads(first)["token"] == json.loads(claim.read_bytes())["token"]
        assert not any(secret in first.decode() for secret in ("root", str(bench.folder)))


def test_claimed_does_not_remove_a_claim_that_another_has_taken(bench: Bench, slot: Slot) -> None:
    with claimed(bench.store, slot, "abc", never, 60):
        (name,) = bench.claims()
        (bench.root / name).write_bytes(b'{"token": "another", "beat": "1"}')
    assert bench.claims() == {name}


def test_claimed_does_not_renew_a_claim_that_another_has_taken(bench: Bench, slot: Slot) -> None:
    with claimed(bench.store, slot, "abc", never, 0.25):
        (name,) = bench.claims()
        theirs = b'{"token": "another", "beat": "1"}'
        (bench.root / name).write_bytes(theirs)
        time.sleep(0.3)
        assert (bench.root / name).read_bytes() == theirs


def test_claimed_goes_on_when_its_claim_has_vanished(bench: Bench, slot: Slot) -> None:
    with claimed(bench.store, slot, "abc", never, 0.25) as ours:
        assert ours
        (name,) = bench.claims()
        (bench.root / name).unlink()
        time.sleep(0.2)
    assert bench.claims() == set()


def test_claimed_works_in_a_store_in_memory(bench: Bench, slot: Slot) -> None:
    store = ArtifactStore(f"memory://{bench.folder}")
    with claimed(store, slot, "abc", never, 0.25) as ours:
        assert ours
        assert len(list(store.entries(""))) == 1
    assert list(store.entries("")) == []


def test_claimed_of_another_revision_does_not_wait(bench: Bench, slot: Slot) -> None:
    with (
        claimed(bench.store, slot, "abc", never, 60),
        claimed(bench.store, slot, "abd", never, 60) as ours,
    ):
        assert ours

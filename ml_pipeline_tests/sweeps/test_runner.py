"""Processes, and the runner that brings cells to them."""

import importlib
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.sweeps.processes import READY, Ended, Processes
from ml_pipeline_tests.toys import sweeps as toy
from ml_pipeline_tests.toys.sweep_bench import Bench, days, until


def serve(work: Connection, greeting: str) -> None:
    """Answer as told."""
    time.sleep(0.05)
    work.send(READY)
    while True:
        try:
            order = work.recv()
        except EOFError:
            return
        if order == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif order == "leave":
            os._exit(0)
        elif order == "close":
            work.close()
            time.sleep(60)
        elif isinstance(order, float):
            time.sleep(order)
        work.send((greeting, order, os.getpid()))


@pytest.fixture
def processes() -> Any:
    made: Processes[Any] = Processes(2, multiprocessing.get_context("forkserver"), serve, "hello")
    yield made
    made.close()


def drained(processes: "Processes[Any]") -> list[tuple[Any, Any]]:
    found = []
    while processes.has_busy:
        found += list(processes.answers())
    return found


def test_processes_answer_what_they_were_given(processes: "Processes[Any]") -> None:
    for round_ in range(5):
        processes.give(f"a{round_}", "first", None)
        processes.give(f"b{round_}", "second", 60)
        assert not processes.has_idle
        answers = dict(drained(processes))
        assert answers["first"][:2] == ("hello", f"a{round_}")
        assert answers["second"][:2] == ("hello", f"b{round_}")
    assert processes.has_idle


def test_process_that_dies_is_replaced_and_its_neighbour_is_not(
    processes: "Processes[Any]",
) -> None:
    processes.give("a", "first", None)
    processes.give("b", "second", None)
    before = {purpose: answer[2] for purpose, answer in drained(processes)}
    for order, exitcode in (("kill", -9), ("leave", 0)):
        processes.give(order, "dies", None)
        processes.give(0.2, "lives", None)
        answers = dict(drained(processes))
        assert answers["dies"] == Ended(exitcode)
        assert answers["lives"][2] == before["second"]


def test_process_that_closes_its_pipe_is_killed_and_replaced(processes: "Processes[Any]") -> None:
    processes.give("close", "odd", None)
    assert dict(drained(processes))["odd"] == Ended(-9)
    processes.give("a", "first", None)
    assert drained(processes)[0][1][1] == "a"


def test_process_that_dies_idle_costs_nobody_anything(processes: "Processes[Any]") -> None:
    processes.give("a", "first", None)
    processes.give("b", "second", None)
    for _, answer in drained(processes):
        os.kill(answer[2], signal.SIGKILL)
    until(lambda: not any(place._process.is_alive() for place in processes._places), "their end")
    for order in ("c", "d"):
        processes.give(order, order, None)
    assert sorted(answer[1] for _, answer in drained(processes)) == ["c", "d"]


def test_process_that_takes_too_long_is_killed_and_replaced(processes: "Processes[Any]") -> None:
    processes.give(60.0, "slow", 0.2)
    processes.give(0.4, "quick", 30)
    began = time.monotonic()
    answers = dict(drained(processes))
    assert answers["slow"] == Ended(None)
    assert answers["quick"][1] == 0.4
    assert time.monotonic() - began < 20


def test_process_gets_ready_before_its_clock_starts(processes: "Processes[Any]") -> None:
    processes.give("a", "first", 0.04)
    assert dict(drained(processes))["first"][1] == "a"


def test_wait_that_another_thread_interrupts_ends_before_the_answer(
    processes: "Processes[Any]",
) -> None:
    processes.give(30.0, "slow", None)
    threading.Timer(0.2, processes.interrupt).start()
    began = time.monotonic()
    while not _is_interrupted(processes):
        assert list(processes.answers()) == []
    assert time.monotonic() - began < 20
    assert processes.has_busy


def _is_interrupted(processes: "Processes[Any]") -> bool:
    return processes._interrupted.poll()


def test_answers_come_back_at_the_time_they_are_wanted(processes: "Processes[Any]") -> None:
    processes.give(0.5, "slow", None)
    seen = [list(processes.answers(time.monotonic() + 0.05)) for _ in range(3)]
    assert seen == [[], [], []]
    assert len(drained(processes)) == 1


def end_at_once(work: Connection, marks: str) -> None:
    """End twice before being ready, and then get ready, if marks are kept."""
    mark = Path(marks) / str(len(list(Path(marks).iterdir())))
    if mark.name == "2":
        serve(work, "at last")
    mark.touch()


def test_processes_that_end_before_they_are_ready_are_started_again(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    made: Processes[Any] = Processes(1, context, end_at_once, str(tmp_path))
    try:
        made.give("a", "first", None)
        assert drained(made)[0][1][:2] == ("at last", "a")
    finally:
        made.close()


def test_processes_that_never_get_ready_end_the_sweep() -> None:
    context = multiprocessing.get_context("forkserver")
    made: Processes[Any] = Processes(1, context, os._exit, 3)
    try:
        made.give("a", "first", None)
        with pytest.raises(PipelineError, match="3 in a row ended with exit code "):
            drained(made)
    finally:
        made.close()


def test_processes_that_cannot_start_say_so() -> None:
    class Context:
        Pipe = staticmethod(multiprocessing.Pipe)

        class Process:
            def __init__(self, target: Any, args: Any) -> None:
                pass

            def start(self) -> None:
                raise EOFError

    with pytest.raises(PipelineError, match="must be able to import the pipeline and to start"):
        Processes(1, Context(), serve)  # type: ignore[arg-type]


# The runner


def test_shared_stages_are_made_once_for_each_date(bench: Bench) -> None:
    swept = bench.run(2, learning_rate="0.1,0.2", depth="1,2")
    assert len(swept.cells) == 8
    assert swept.failures == []
    calls = bench.calls()
    assert [call for call in calls if call.startswith("table")] == [
        "table 2026-01-01",
        "table 2026-01-02",
    ]
    assert len([call for call in calls if call.startswith("model")]) == 8


def test_shared_stages_that_fail_on_a_date_fail_its_cells_and_no_others(bench: Bench) -> None:
    swept = bench.run(3, learning_rate="0.1,0.2", table_act="fail", on_day=2)
    failed = {(cell.trial.number, str(cell.as_of)): cell.error for cell in swept.failures}
    assert failed == {
        (0, "2026-01-02"): "There is nothing on 2026-01-02.",
        (1, "2026-01-02"): "There is nothing on 2026-01-02.",
    }
    assert [attempt.state for attempt in swept.attempts] == ["failed", "failed"]
    assert len([cell for cell in swept.cells if cell.error is None]) == 4
    assert len([call for call in bench.calls() if call.startswith("table")]) == 3


def test_shared_stages_that_depend_on_a_part_of_what_varies(bench: Bench) -> None:
    swept = bench.run(rows="20,30", depth="1,2,3")
    assert swept.failures == []
    assert [call for call in bench.calls() if call.startswith("table")] == ["table 2026-01-01"] * 2


def test_cells_keep_no_pictures(bench: Bench) -> None:
    sweep = bench.sweep(depth="1,2")
    sweep.run()
    runner = sweep._runner(sweep.materializer)
    for trial in sweep.request.combinations.trials:
        runner.add(trial, days(1)[0])
    records = [record for shared in runner._shared.values() for record in shared.records.values()]
    assert [record.asset for record in records] == ["table"]
    assert [record.picture for record in records] == [None]


def test_workers_import_every_module_that_adds_a_stage(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "spread_out"
    package.mkdir()
    toys = "from ml_pipeline_tests.toys import sweeps as toy\n"
    sources = {
        "__init__": "",
        "config": f"{toys}FLOW = toy.Pipeline('spread', toy.PARAMS)\n",
        "first": (
            "from spread_out import config\n"
            "from ml_pipeline_tests.toys.sweeps import Data, Surroundings\n"
            "@config.FLOW.asset(code_version='1')\n"
            "def table(as_of, data: Data, around: Surroundings) -> dict:\n"
            "    return {'rows': [1, 2], 'day': 0}\n"
        ),
        "second": (
            "from spread_out import config\n"
            "from ml_pipeline_tests.toys.sweeps import Fit\n"
            "from ml_pipeline import Objective, Result\n"
            "@config.FLOW.asset(\n"
            "    objective=Objective(metric='loss', direction='minimize'), code_version='1'\n"
            ")\n"
            "def score(as_of, table: dict, fit: Fit) -> Result:\n"
            "    return Result({}, {'loss': fit.learning_rate})\n"
        ),
    }
    for name, source in sources.items():
        (package / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    flow, *_ = [importlib.import_module(f"spread_out.{name}") for name in list(sources)[1:]]
    swept = bench.with_pipeline(flow.FLOW).run(learning_rate="0.2,0.1")
    assert swept.failures == []
    assert swept.best is not None
    assert swept.best.value == 0.1


def test_workers_find_only_a_pipeline_with_a_name(bench: Bench) -> None:
    pipeline = toy.Pipeline("nameless", toy.PARAMS)
    pipeline.asset(code_version="1")(toy.table)
    with pytest.raises(PipelineError, match="'nameless' must be a name in the module of its"):
        bench.with_pipeline(pipeline).run(rows="20,30")


def test_workers_cannot_share_a_store_in_memory(bench: Bench) -> None:
    sweep = bench.sweep(depth="1,2")
    sweep.store = sweep.materializer.store = ArtifactStore("memory://sweep")
    with pytest.raises(PipelineError, match="must be where other processes reach it, but is in"):
        sweep.run()


def test_workers_whose_code_has_changed_end_the_sweep(bench: Bench, tmp_path: Path) -> None:
    sweep = bench.sweep(depth="1,2")
    start = sweep._start_workers

    def changed(*given: Any) -> Any:
        stage = sweep.pipeline.stages["model"]
        object.__setattr__(stage, "code", "edited")
        try:
            return start(*given)
        finally:
            object.__setattr__(stage, "code", "1")

    sweep._start_workers = changed  # type: ignore[method-assign]
    with pytest.raises(PipelineError, match="The code of model has changed since the sweep began"):
        sweep.run()


def test_workers_whose_store_is_out_of_reach_end_the_sweep(bench: Bench) -> None:
    sweep = bench.sweep(depth="1,2")
    store, start = sweep.store, sweep._start_workers
    blocked = bench.folder / "file"
    blocked.touch()

    def elsewhere(*given: Any) -> Any:
        store.uri = str(blocked / "store")
        return start(*given)

    sweep._start_workers = elsewhere  # type: ignore[method-assign]
    with pytest.raises(PipelineError, match="Could not open the store"):
        sweep.run()

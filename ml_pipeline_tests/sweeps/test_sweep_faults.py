"""Workers that are killed, hang or run out of memory; whole sweeps that are killed and taken up."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline.sweeps.attempts import SweepProgress
from ml_pipeline_tests.sweeps.test_study import opened
from ml_pipeline_tests.toys.sweep_bench import Bench, group_of, outcome, until

pytestmark = pytest.mark.long

SPACES = {"learning_rate": "log[1e-3..10]", "depth": "[1..9]"}


def reasons(swept: Any) -> dict[str, list[Any]]:
    """Return what failed and why."""
    return {
        reason: [cell.trial.varied["fit.act"] for cell in cells]
        for reason, cells in swept.failures_by_reason.items()
    }


# Workers


def test_workers_that_end_in_any_way_fail_their_trial_only(bench: Bench) -> None:
    swept = bench.run(act="compute,kill,leave,abort,hang,hold", search={"trial_timeout_s": 1.0})
    assert reasons(swept) == {
        (
            "the process that made model and score was killed twice: most likely it needs more"
            " memory than there is"
        ): ["kill"],
        "the process that made model and score ended twice with exit code 0": ["leave"],
        "the process that made model and score ended twice by SIGABRT": ["abort"],
        "making model and score took longer than 1 s and was stopped": ["hang"],
    }
    assert [a.told["act"] for a in swept.attempts if a.state == "complete"] == ["compute", "hold"]


def test_worker_that_is_killed_once_is_replaced_and_its_cell_made_at_once(bench: Bench) -> None:
    began = time.monotonic()
    swept = bench.run(act="compute,kill_once")
    assert swept.failures == []
    assert time.monotonic() - began < 10, "the claim of the dead is not waited for"
    assert [call for call in bench.calls() if call.startswith("model")] == [
        "model 2026-01-01 0.1 3"
    ] * 3
    assert list(bench.folder.rglob(".claims/*")) == []


def test_worker_that_is_killed_in_shared_stages_is_replaced(bench: Bench) -> None:
    swept = bench.run(2, depth="1,2", table_act="kill_once", on_day=1)
    assert swept.failures == []
    tables = [call for call in bench.calls() if call.startswith("table")]
    assert tables == ["table 2026-01-01"] * 2 + ["table 2026-01-02"]


def test_shared_stages_that_hang_fail_the_cells_that_need_them(bench: Bench) -> None:
    swept = bench.run(2, depth="1,2", table_act="hang", on_day=2, search={"trial_timeout_s": 1.0})
    assert {str(cell.as_of): cell.error for cell in swept.failures} == {
        "2026-01-02": "making table took longer than 1 s and was stopped"
    }
    assert len([cell for cell in swept.cells if cell.error is None]) == 2


def test_worker_that_is_killed_from_outside_now_and_then_loses_nothing(bench: Bench) -> None:
    from multiprocessing import forkserver

    killed = []

    def kill_one(progress: SweepProgress) -> None:
        # Far enough apart that nothing is hit twice, which would be its own fault.
        if progress.done % 5 == 0:
            server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
            children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)
            killed.append(children[0])

    swept = bench.sweep(depth="range(1,21)", pause_s=0.05).run(progress=kill_one)
    assert len(set(killed)) == 4
    assert swept.failures == []
    assert len(swept.cells) == 20


def test_worker_that_runs_out_of_memory_fails_its_trial_only(bench: Bench) -> None:
    swept = bench.run(act="compute,allocate,print", search={"trial_memory_mb": 1500, "workers": 1})
    ((reason, acts),) = reasons(swept).items()
    assert reason.startswith("MemoryError: Unable to allocate")
    assert acts == ["allocate"]
    assert "allocated" not in bench.calls()


def test_worker_with_too_little_memory_to_start_ends_the_sweep(bench: Bench) -> None:
    with pytest.raises(PipelineError, match=r"trial_memory_mb must be at least \d+, but is 64: a"):
        bench.run(depth="1,2", search={"trial_memory_mb": 64})


# The whole sweep


def test_sweep_that_is_killed_leaves_nobody_and_is_taken_up(bench: Bench) -> None:
    values = {"depth": "range(1,21)", "pause_s": 0.1}
    with bench.elsewhere(**values) as process:
        for _ in range(5):
            process.stderr.readline()
        process.kill()
        process.wait()
        until(lambda: not group_of(process.pid), "the end of every process", 10)
    done = len([call for call in bench.calls() if call.startswith("score")])
    assert 5 <= done < 18
    swept = bench.run(depth="range(1,21)")
    assert swept.failures == []
    assert done - 2 <= swept.plan.reused <= done
    assert len([c for c in bench.calls() if c.startswith("score")]) == 20 - swept.plan.reused


def test_search_that_is_killed_goes_on_as_if_it_had_not_been(bench: Bench) -> None:
    straight = Bench(bench.folder / "straight")
    straight.home.mkdir(parents=True)
    expected = outcome(straight.run(2, **SPACES, search={"n_trials": 14}))
    for stop_after in (5, 13):
        with bench.elsewhere(2, **SPACES, pause_s=0.4, search={"n_trials": 14}) as process:
            for _ in range(stop_after):
                process.stderr.readline()
            process.kill()
            process.wait()
            until(lambda pid=process.pid: not group_of(pid), "the end of every process", 10)
    swept = bench.run(2, **SPACES, search={"n_trials": 14})
    assert outcome(swept) == expected
    assert swept.plan.reused >= 6
    states = {trial.state.name for trial in opened(bench.study_file(swept)).trials}
    assert states == {"COMPLETE"}


def test_sweep_that_is_killed_at_any_time_can_be_taken_up(bench: Bench) -> None:
    values: dict[str, Any] = {**SPACES, "search": {"n_trials": 8}}
    for after in (0.0, 0.13):
        with bench.elsewhere(**values, pause_s=0.1) as process:
            process.stderr.readline()
            time.sleep(after)
            process.kill()
            process.wait()
            until(lambda pid=process.pid: not group_of(pid), "the end of every process", 10)
    swept = bench.run(**values)
    assert [attempt.state for attempt in swept.attempts] == ["complete"] * 8
    assert list(bench.studies.glob("*.damaged-*")) == []


def test_sweep_that_is_interrupted_stops_at_once_and_leaves_nobody(bench: Bench) -> None:
    with bench.elsewhere(act="compute,hold,print", depth="range(1,9)") as process:
        bench.tell("held")
        process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=15)
        assert "KeyboardInterrupt" in err
        assert err.count("Traceback") == 1, "workers have nothing to say of it"
        assert group_of(process.pid) == []
    (bench.home / "held").unlink()
    swept = bench.run(act="compute,hold,print", depth="range(1,9)")
    assert swept.failures == []
    assert swept.plan.reused >= 1


def test_search_that_is_interrupted_leaves_its_trials_to_the_next(bench: Bench) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(progress: Any) -> None:
        if progress.done == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        bench.sweep(**SPACES, search={"n_trials": 6}).run(progress=interrupt)
    swept = bench.run(**SPACES, search={"n_trials": 6})
    assert [attempt.trial.number for attempt in swept.attempts] == list(range(6))
    assert [attempt.state for attempt in swept.attempts] == ["complete"] * 6


def test_sweep_runs_without_a_server_of_forks(bench: Bench) -> None:
    """As on systems that have none: workers are started from nothing."""
    code = (
        "import json, sys\n"
        "from ml_pipeline.sweeps import workers\n"
        "workers._HAS_SERVER = False\n"
        "from ml_pipeline_tests.toys import sweep_child as child\n"
        "if __name__ == '__main__':\n"
        "    workers.warm_up(child.PIPELINE)\n"
        "    child.main(json.loads(sys.argv[1]))\n"
    )
    order = {
        "folder": str(bench.folder),
        "count": 1,
        "values": bench.values(depth="1,2"),
        "scheduler": None,
    }
    script = bench.folder / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script), json.dumps(order)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["failures"] == 0


def test_parent_stays_small_however_many_trials_there_are(bench: Bench) -> None:
    code = (
        "import gc, json, sys, time\n"
        "from ml_pipeline_tests.toys.sweep_bench import Bench\n"
        "from pathlib import Path\n"
        "bench = Bench(Path(sys.argv[1]))\n"
        "def used():\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(status.partition('VmRSS:')[2].split()[0]) / 1024\n"
        "bench.run(depth='1,2')\n"
        "found = []\n"
        "for first, count in ((100, 20), (1000, 200)):\n"
        "    gc.collect()\n"
        "    before, began = used(), time.perf_counter()\n"
        "    swept = bench.run(rows=64, on_day=99, learning_rate=f'linspace(1,2,{count})')\n"
        "    assert swept.failures == []\n"
        "    found.append([used() - before, (time.perf_counter() - began) / count])\n"
        "print(json.dumps(found))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bench.folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    (_, few), (grown, many) = json.loads(done.stdout)
    assert grown < 30, "MiB for 200 trials"
    assert many < 3 * few + 0.05, "seconds for each"

"""Sweeps on a Dask cluster of two workers: results, limits, deaths and the end are as at home."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.errors import PipelineError
from ml_pipeline.sweeps.dask_workers import DaskCluster
from ml_pipeline_tests.toys.dask_site import DaskSite, dask_site
from ml_pipeline_tests.toys.sweep_bench import Bench, outcome, until
from ml_pipeline_tests.toys.team import kill

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskSite]:
    with dask_site(tmp_path_factory.mktemp("dask"), 2) as made:
        yield made


def computing(site: DaskSite) -> list[int]:
    """Return the processes beside the workers that compute, or are ready to."""
    found = []
    groups = {process.pid for process in site.processes}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes()
                group = os.getpgid(int(folder.name))
            except OSError:
                continue
            if group in groups and b"forkserver" in words:
                found.append(int(folder.name))
    return found


def test_sweep_on_dask_is_what_it_is_here(site: DaskSite, bench: Bench) -> None:
    values: dict[str, Any] = {"depth": "range(1,4)", "act": "compute,hang,fail"}
    limits = {"search": {"trial_timeout_s": 1.0}}
    swept = bench.sweep(2, machines=site.cluster, **values, **limits).run()
    assert swept.plan.workers == 2
    other = Bench(bench.folder / "other")
    other.home.mkdir(parents=True)
    here = other.run(2, **values, **limits)
    assert outcome(swept) == outcome(here)
    assert {reason: len(cells) for reason, cells in swept.failures_by_reason.items()} == {
        reason: len(cells) for reason, cells in here.failures_by_reason.items()
    }
    assert list(bench.folder.rglob(".claims/ml_pipeline-*")) == []


def test_search_on_dask_with_one_seat_tries_what_it_tries_here(
    site: DaskSite, bench: Bench
) -> None:
    asked: dict[str, Any] = {
        "learning_rate": "log[1e-3..10]",
        "search": {"n_trials": 6, "workers": 1},
    }
    swept = bench.sweep(2, machines=site.cluster, **asked).run()
    other = Bench(bench.folder / "other")
    other.home.mkdir(parents=True)
    assert outcome(swept) == outcome(other.run(2, **asked))


def test_stopped_sweep_leaves_no_computation_on_the_cluster(site: DaskSite, bench: Bench) -> None:
    def give_up(_progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.sweep(machines=site.cluster, depth="1,2,3,4", act="compute,hang").run(
            progress=give_up
        )
    bench.calls()
    time.sleep(0.5)
    assert bench.calls() == []
    until(lambda: _hanging(site) == 0, "the end of every computation", 10)
    assert bench.sweep(machines=site.cluster, depth="1,2").run().failures == []


def test_cluster_is_free_again_whenever_a_sweep_on_it_is_interrupted(
    site: DaskSite, bench: Bench
) -> None:
    for instant in range(1, 13):
        stop = threading.Timer(instant / 20, os.kill, (os.getpid(), signal.SIGINT))
        stop.start()
        with pytest.raises(KeyboardInterrupt):
            bench.sweep(machines=site.cluster, depth="1,2", act="hang").run()
    with site.cluster.connected() as client:
        until(lambda: set(client.run(_tasks).values()) == {0}, "the end of every task", 10)
    assert bench.sweep(2, machines=site.cluster, depth="3,4").run().failures == []


def test_killed_sweep_leaves_no_computation_on_the_cluster(site: DaskSite, bench: Bench) -> None:
    with bench.elsewhere(scheduler=str(site.file), depth="1,2", act="hang") as process:
        until(lambda: _hanging(site) == 2, "both workers at work")
        process.kill()
    with site.cluster.connected() as client:
        until(lambda: set(client.run(_tasks).values()) == {0}, "the end of every task", 10)


def test_sweep_that_has_no_worker_says_so_and_goes_on_when_one_comes(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_pipeline.sweeps.dask_workers._LOOK_S", 0.2)
    monkeypatch.setattr("ml_pipeline.sweeps.dask_workers._ABSENT_S", 0.5)
    with dask_site(tmp_path_factory.mktemp("empty"), 0) as site:
        said: list[str] = []

        def notice(line: str) -> None:
            said.append(line)
            if len(said) in (2, 4):
                site.start_worker()

        def progressed(progress: Any) -> None:
            if progress.done == 1:
                kill(site.processes[-1])

        swept = bench.sweep(machines=site.cluster, depth="1,2,3", pause_s=0.1).run(
            progress=progressed, notice=notice
        )
    absent = rf"The Dask scheduler at {site.file} has had no worker for \d+ s: the sweep waits"
    absent += rf" until there is one\. Start one: `dask worker --scheduler-file {site.file}`\."
    come = r"A Dask worker has come: the sweep goes on\."
    assert [bool(re.fullmatch(absent, line)) for line in said] == [True, True, False] * 2
    assert [bool(re.fullmatch(come, line)) for line in said] == [False, False, True] * 2
    assert swept.failures == []
    assert len(swept.cells) == 3


def _tasks(dask_worker: Any) -> int:
    """Count what runs in a worker's threads, cancelled or not."""
    return len(dask_worker.state.executing)


def _hanging(site: DaskSite) -> int:
    """Count processes forked to compute: those whose parent is the server of a worker."""
    servers = set(computing(site))
    parents = []
    for pid in servers:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.append(int(stat[1]))
    return len([parent for parent in parents if parent in servers])


def test_worker_that_sees_another_store_or_other_sources_is_refused(
    site: DaskSite, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_pipeline.settings import settings

    monkeypatch.setenv("ML_PIPELINE_SOURCES", '{"shop": "here.csv"}')
    settings.cache_clear()
    try:
        with pytest.raises(PipelineError, match="Sources must be the same on every machine, but"):
            bench.sweep(machines=site.cluster, depth="1,2").run()
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_scheduler_that_is_not_there_is_refused_before_anything_is_computed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_pipeline.sweeps.dask_workers._REACHED_S", 1)
    with pytest.raises(PipelineError, match=r"A Dask scheduler must answer at tcp://127\.0\.0\.1"):
        bench.sweep(machines=DaskCluster("tcp://127.0.0.1:9"), depth="1,2").run()
    with pytest.raises(PipelineError, match=r"scheduler must answer at .*none\.json"):
        DaskCluster(str(tmp_path / "none.json")).seats()
    assert bench.calls() == []


def test_scheduler_that_goes_ends_the_sweep_in_words_and_what_is_done_stays(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with dask_site(tmp_path_factory.mktemp("gone"), 1) as site:
        sweep = bench.sweep(machines=site.cluster, depth="range(1,9)", pause_s=0.2)

        def stop(progress: Any) -> None:
            if progress.done == 2:
                threading.Thread(target=site.processes[0].kill).start()

        with pytest.raises(PipelineError, match=r"has gone\. Start the sweep again"):
            sweep.run(progress=stop)
    assert bench.run(depth="range(1,9)").plan.reused >= 2

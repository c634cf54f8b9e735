"""A silent server, and processes that are killed while they send: each run is there once."""

import logging
import math
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.params.identity import digest_of
from ml_pipeline.tracking.mlflow.limits import original
from ml_pipeline.tracking.mlflow.notes import RunNote
from ml_pipeline.tracking.mlflow.sender import Sender
from ml_pipeline.tracking.mlflow.sending import sending_of
from ml_pipeline.tracking.mlflow.tracker import MlflowTracker
from ml_pipeline.tracking.outbox import Outbox
from ml_pipeline.tracking.tracker import InSweep
from ml_pipeline_tests.toys.bench import Bench
from ml_pipeline_tests.toys.mlflow_server import MlflowServer

pytestmark = pytest.mark.long

ON_POSTGRES = True
KILLS = 25
RUNS = 8
LONGEST_S = 2.0

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "mlflow", "mlflow.models", "skops.io", "polars"])


def noted(bench: Bench, outbox: Outbox, uri: str, sweep: str | None = None) -> Any:
    """Run the toy pipeline for some windows, and note what came of it."""
    tracker = MlflowTracker(bench.pipeline, outbox, sending_of(outbox, uri))
    runs = []
    for place in range(RUNS):
        params = bench.pipeline.params.parse({"window": 1 + place})
        runs.append(list(bench.materializer.run(params, date(2026, 1, 5))))
    began = time.monotonic()
    for place, outcomes in enumerate(runs):
        for outcome in outcomes:
            tracker.made(bench.store, outcome, InSweep(sweep, place) if sweep else None)
    tracker.settle()
    assert time.monotonic() - began < LONGEST_S
    judged = [outcomes[-1].record for outcomes in runs]
    return {record.run_id: record.metrics["r2"] for record in judged}


def held(server: MlflowServer, bench: Bench) -> dict[str, float]:
    """Return the metric of each run that the server has, each of which is there once, whole."""
    runs = server.runs(bench.pipeline.name)
    keys = Counter(run.data.tags["ml_pipeline.key"] for run in runs)
    assert set(keys.values()) <= {1}
    found = {}
    for run in runs:
        assert run.info.status == "FINISHED"
        assert run.info.lifecycle_stage == "active"
        assert len(run.data.params) == 6
        assert len(run.outputs.model_outputs) == 1
        found[run.data.tags["ml_pipeline.run_id"]] = run.data.metrics["r2"]
    models = server.client.search_logged_models([runs[0].info.experiment_id], max_results=500)
    assert Counter(model.source_run_id for model in models) == {run.info.run_id: 1 for run in runs}
    assert {str(model.status) for model in models} == {"READY"}
    return found


def test_silent_server_is_told_once_and_delays_nothing_and_hears_all_later(
    mlflow_server: MlflowServer,
    bench: Bench,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench.pipeline.name = "silent"
    outbox = Outbox(tmp_path / "box")
    alone = Bench(tmp_path, bench.pipeline)
    mlflow_server.kill()
    with caplog.at_level(logging.WARNING, "ml_pipeline.tracking"):
        expected = noted(alone, outbox, mlflow_server.uri)
    assert [record.message.count(str(outbox.folder)) for record in caplog.records] == [1]
    assert "The run goes on" in caplog.records[0].message
    assert "nothing answers" in str(outbox.told()[1])
    assert len(outbox.waiting()) == RUNS
    assert Sender(outbox, mlflow_server.uri).send().problem is not None
    assert len(outbox.waiting()) == RUNS
    mlflow_server.start()
    # What was reused meanwhile, and what the answer to was lost, is noted again.
    assert noted(alone, outbox, mlflow_server.uri, "study") == expected
    until = time.monotonic() + 240
    while outbox.waiting():
        assert time.monotonic() < until, outbox.told()
        time.sleep(0.1)
    assert held(mlflow_server, alone) == expected
    tags = [run.data.tags for run in mlflow_server.runs("silent")]
    assert {tag["ml_pipeline.trial_of.study"] for tag in tags} == {str(n) for n in range(RUNS)}


def send(folder: str, uri: str) -> None:
    Sender(Outbox(Path(folder)), uri, patience_s=20).send()


def test_sender_that_is_killed_at_any_instant_leaves_each_run_there_once(
    mlflow_server: MlflowServer, bench: Bench, tmp_path: Path
) -> None:
    bench.pipeline.name = "killed"
    outbox = Outbox(tmp_path / "box")
    # An address at which nothing answers: nobody sends but this test.
    expected = noted(bench, outbox, "http://127.0.0.1:9")
    chance = random.Random(digest_of("instants"))
    died = 0
    for _ in range(KILLS):
        process = _FORKS.Process(target=send, args=(str(outbox.folder), mlflow_server.uri))
        process.start()
        process.join(chance.expovariate(1 / 0.6))
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        died += process.exitcode == -signal.SIGKILL
        if not outbox.waiting():
            break
    assert died > 3
    send(str(outbox.folder), mlflow_server.uri)
    assert outbox.waiting() == []
    assert outbox.refused() == {}
    assert held(mlflow_server, bench) == expected


def test_two_senders_at_once_send_each_note_once(
    mlflow_server: MlflowServer, bench: Bench, tmp_path: Path
) -> None:
    bench.pipeline.name = "twice"
    outbox = Outbox(tmp_path / "box")
    expected = noted(bench, outbox, "http://127.0.0.1:9")
    both = [_FORKS.Process(target=send, args=(str(outbox.folder), mlflow_server.uri)) for _ in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert held(mlflow_server, bench) == expected


def test_process_sends_nothing_while_it_is_young_and_leaves_all_to_a_sender_when_it_ends(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    note = RunNote(
        experiment="left",
        key="left",
        store="00",
        name="left",
        params={},
        metrics={"r2": 0.1 + 0.2},
        tags={},
        models=[],
        began_ms=1,
        ended_ms=2,
    )
    code = (
        "import json, sys, time\n"
        "from pathlib import Path\n"
        "from ml_pipeline.tracking.mlflow.sending import Sending\n"
        "from ml_pipeline.tracking.outbox import Outbox\n"
        "outbox = Outbox(Path(sys.argv[1]))\n"
        "sending = Sending(outbox, sys.argv[2])\n"
        "outbox.add(json.loads(sys.argv[3]))\n"
        "sending.begin()\n"
        "time.sleep(1)\n"
        "assert len(outbox.waiting()) == 1 and not sending._is_running\n"
        "sys.exit(3)\n"
    )
    given = [str(tmp_path / "box"), mlflow_server.uri, note.model_dump_json()]
    ended = subprocess.run([sys.executable, "-c", code, *given], check=False, timeout=120)
    assert ended.returncode == 3
    until = time.monotonic() + 240
    while Outbox(tmp_path / "box").waiting():
        assert time.monotonic() < until
        time.sleep(0.1)
    (run,) = mlflow_server.runs("left")
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"r2": 0.1 + 0.2})


def test_odd_names_long_texts_and_extreme_numbers_come_back_from_the_server(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    outbox = Outbox(tmp_path / "box")
    numbers = [-0.0, 5e-324, 1.7976931348623157e308, 0.1 + 0.2, -1 / 3, 2.0**53 + 2, 1e22]
    metrics = {f"top {place}% / größe_x2": number for place, number in enumerate(numbers)}
    long = "line\n" * 3000
    params: dict[str, Any] = {"group.long": long, "a:b": True, "../up": None}
    params |= {f"many.{place}": place for place in range(250)}
    note = RunNote(
        experiment="odd names: 100%",
        key="it's/odd",
        store="00",
        name="odd",
        params=params,
        metrics={**metrics, "bad": math.nan, "worse": -math.inf},
        tags={"ml_pipeline.label.shop": 'O\'Hara "&" Söhne', "much": long},
        models=[],
        began_ms=1,
        ended_ms=2,
    )
    for _ in range(2):
        outbox.add(note.model_dump())
    outbox.add({"kind": "run", "experiment": "odd"})
    done = Sender(outbox, mlflow_server.uri).send()
    assert (done.sent, done.refused, done.problem) == (2, 1, None)
    assert "Field required" in next(iter(outbox.refused().values()))
    (run,) = mlflow_server.runs("odd names: 100%")
    there = {original(name): value for name, value in run.data.metrics.items()}
    assert there == metrics
    assert {original(name) for name in run.data.params} == set(params)
    assert run.data.params["many.249"] == "249"
    assert run.data.tags["bad"] == "nan"
    assert run.data.tags["ml_pipeline.label.shop"] == 'O\'Hara "&" Söhne'
    (file,) = (mlflow_server.folder / "artifacts").rglob("whole_values.json")
    assert long in file.read_text().encode().decode("unicode_escape")

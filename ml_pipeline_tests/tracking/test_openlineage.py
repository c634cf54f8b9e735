"""What an OpenLineage server hears of runs, and that no run waits for it."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from openlineage.client import facet_v2, set_producer
from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import execution_parameters_run, schema_dataset, tags_run

from ml_pipeline.errors import SettingsError
from ml_pipeline.settings import settings
from ml_pipeline.tracking.openlineage.sender import Sender
from ml_pipeline.tracking.openlineage.tracker import OpenLineageTracker
from ml_pipeline.tracking.switched_on import openlineage_url, tracker_of
from ml_pipeline.tracking.tracker import InSweep, StageFailure
from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.toys.bench import DAY, Bench
from ml_pipeline_tests.toys.lineage_server import LineageServer, serving_lineage

pytestmark = pytest.mark.long


@pytest.fixture
def server() -> Iterator[LineageServer]:
    with serving_lineage() as running:
        yield running


def tracker(bench: Bench, url: str, **options: Any) -> OpenLineageTracker:
    return OpenLineageTracker(bench.pipeline, Sender(url, **options), "tests")


def tell(
    bench: Bench, told: OpenLineageTracker, sweep: InSweep | None = None, **values: Any
) -> float:
    """Run, tell of everything, and return how long the telling took, in seconds."""
    outcomes = bench.run(**values).values()
    start = time.perf_counter()
    for outcome in outcomes:
        told.made(bench.store, outcome, sweep)
    told.settle()
    return time.perf_counter() - start


def test_computed_artifacts_are_told_with_their_columns_and_parameters(
    bench: Bench, server: LineageServer
) -> None:
    told = tracker(bench, server.url, api_key="key")
    tell(bench, told, rows=7)
    names = [(one["eventType"], one["job"]["name"]) for one in server.events]
    stages = ("table", "features", "model", "score")
    assert names == [(state, f"toy.{s}") for s in stages for state in ("START", "COMPLETE")]
    assert {one["Authorization"] for one in server.headers} == {"Bearer key"}
    complete = server.events[3]
    record = bench.run(rows=7)["features"].record
    (read,) = complete["inputs"]
    (made,) = complete["outputs"]
    assert (read["namespace"], read["name"]) == ("file", f"{bench.root}/table")
    assert (made["namespace"], made["name"]) == ("file", f"{bench.root}/features")
    assert made["facets"]["version"]["datasetVersion"] == f"{record.run_id}/{record.revision}"
    assert [one["name"] for one in made["facets"]["schema"]["fields"]] == ["x", "y", "z"]
    assert [one["type"] for one in read["facets"]["schema"]["fields"]] == ["Int64", "Int64"]
    assert made["outputFacets"]["outputStatistics"]["size"] == record.content.bytes
    facets = complete["run"]["facets"]
    given = {one["key"]: one["value"] for one in facets["executionParameters"]["parameters"]}
    assert given == {"data.region": "north", "data.rows": "7", "shape.window": "2"}
    tags = {one["key"]: one["value"] for one in facets["tags"]["tags"]}
    assert (tags["run_id"], tags["revision"]) == (record.run_id, record.revision)
    assert facets["nominalTime"]["nominalStartTime"].startswith("2026-01-05T00:00:00")
    start, end = (datetime.fromisoformat(one["eventTime"]) for one in server.events[2:4])
    assert (end - start).total_seconds() == pytest.approx(record.duration_s)
    assert server.events[2]["run"]["runId"] == complete["run"]["runId"]


def test_events_are_those_of_the_library(bench: Bench, server: LineageServer) -> None:
    tell(bench, tracker(bench, server.url), InSweep("study", 3))
    set_producer("urn:ml_pipeline")
    for one in server.events:
        facets = one["run"]["facets"]
        tags = [tags_run.TagsRunFacetFields(**tag) for tag in facets["tags"]["tags"]]
        params = facets["executionParameters"]["parameters"]
        run = Run(
            one["run"]["runId"],
            {
                "tags": tags_run.TagsRunFacet(tags),
                "executionParameters": execution_parameters_run.ExecutionParametersRunFacet(
                    [execution_parameters_run.ExecutionParameter(**each) for each in params]
                ),
            },
        )
        event = RunEvent(
            eventTime=one["eventTime"],
            producer=one["producer"],
            run=run,
            job=Job(one["job"]["namespace"], one["job"]["name"]),
            eventType=RunState(one["eventType"]),
        )
        assert event.schemaURL == one["schemaURL"]
        assert {"sweep": "study", "trial": "3"}.items() <= {t.key: t.value for t in tags}.items()
        for made in one["outputs"]:
            fields = made["facets"].get("schema", {}).get("fields", [])
            assert all(schema_dataset.SchemaDatasetFacetFields(**each) for each in fields)
        assert set(facets) <= {"tags", "executionParameters", "nominalTime", "parent"}
    assert facet_v2.JobFacet is not None


def test_reused_artifacts_are_not_told_again_and_what_is_told_twice_is_one_run(
    bench: Bench, server: LineageServer
) -> None:
    told = tracker(bench, server.url)
    made = bench.run()["table"]
    for _ in range(2):
        told.made(bench.store, made)
    told.settle()
    assert len({one["run"]["runId"] for one in server.events}) == 1
    assert len(server.events) == 4
    assert "openlineage" not in [thread.name for thread in threading.enumerate()]
    tell(bench, told, as_of=DAY)
    assert [one["job"]["name"] for one in server.events[4:]] == []


def test_failure_is_told_with_its_message_without_credentials(
    bench: Bench, server: LineageServer
) -> None:
    told = tracker(bench, server.url)
    params = bench.pipeline.params.parse({"rows": 9})
    error = RuntimeError("no answer from postgresql://ann:secret@host/db")
    stage = bench.pipeline.stage("model")
    run = "1158faa8-ce3e-464e-a957-7625b6a50746"
    told.failed(bench.store, StageFailure(stage, params, DAY, error, run))
    told.settle()
    start, fail = server.events
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert fail["job"]["name"] == "toy.model"
    assert fail["inputs"][0]["name"] == f"{bench.root}/features"
    assert fail["outputs"] == []
    message = fail["run"]["facets"]["errorMessage"]["message"]
    assert "no answer from" in message
    assert "secret" not in str(server.events)
    parent = fail["run"]["facets"]["parent"]
    assert parent["run"]["runId"] == "1158faa8-ce3e-464e-a957-7625b6a50746"
    assert (parent["job"]["namespace"], parent["job"]["name"]) == ("tests", "toy")


@pytest.mark.parametrize("trouble", ["down", "slow", "refuses"])
def test_server_in_trouble_delays_no_run_and_is_spoken_of_once(
    bench: Bench, server: LineageServer, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    url = server.url
    if trouble == "down":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
    server.pause_s = 3.0 if trouble == "slow" else 0.0
    server.status = 500 if trouble == "refuses" else 201
    told = tracker(bench, url)
    with caplog.at_level(logging.WARNING, logger="ml_pipeline"):
        took = tell(bench, told, rows=5) + tell(bench, told, rows=6)
    assert took < 2.5
    warnings = [one for one in caplog.records if one.name.startswith("ml_pipeline.tracking")]
    assert len(warnings) == 1
    assert "Lineage is not told to all of" in warnings[0].getMessage()
    assert told.sender.dropped > 0


def test_runs_and_sweeps_of_the_command_line_are_told(
    server: LineageServer, tmp_path: Path
) -> None:
    cli, around = CommandLine(tmp_path), {"OPENLINEAGE_URL": server.url}
    day = ("--as-of", "1998-05-31")
    done = cli("run", *day, environment=around)
    assert done.code == 0, done.err
    names = ("orders", "features", "model", "evaluation")
    told = [(one["eventType"], one["job"]["name"]) for one in server.events]
    assert told == [(s, f"ml_pipeline.{n}") for n in names for s in ("START", "COMPLETE")]
    server.events.clear()
    assert cli("run", *day, environment=around).code == 0
    assert server.events == []
    failed = cli("run", "--as-of", "1997-01-02", environment=around)
    assert failed.code == 1
    assert ("FAIL", "ml_pipeline.features") in [
        (one["eventType"], one["job"]["name"]) for one in server.events
    ]
    server.events.clear()
    swept = cli("sweep", "-p", "max_iter=5,6", *day, "--workers", "1", environment=around)
    assert swept.code == 0, swept.err
    made = [one["job"]["name"] for one in server.events if one["eventType"] == "COMPLETE"]
    assert sorted(made) == ["ml_pipeline.evaluation"] * 2 + ["ml_pipeline.model"] * 2


def test_nothing_is_sent_unless_an_address_is_set(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path))

    def found(given: str | None, variable: str = "") -> str | None:
        settings.cache_clear()
        monkeypatch.setenv("OPENLINEAGE_URL", variable)
        if given is None:
            monkeypatch.delenv("ML_PIPELINE_OPENLINEAGE_URL", raising=False)
        else:
            monkeypatch.setenv("ML_PIPELINE_OPENLINEAGE_URL", given)
        return openlineage_url()

    try:
        assert found(None) is None
        assert found("", "http://variable") is None
        assert found(None, "http://variable") == "http://variable"
        assert found("https://setting", "http://variable") == "https://setting"
        kinds = [type(one).__name__ for one in tracker_of(bench.pipeline, None).trackers]  # type: ignore[attr-defined]
        assert "OpenLineageTracker" in kinds
        monkeypatch.setenv("OPENLINEAGE_DISABLED", "True")
        assert found("https://setting", "http://variable") is None
        monkeypatch.delenv("OPENLINEAGE_DISABLED")
        for given, variable, match in (
            ("ftp://host", "", "openlineage_url: must begin with http"),
            (None, "ftp://host", "OPENLINEAGE_URL must begin with http"),
            (None, "http://me:word@host", "must not carry credentials.* OPENLINEAGE_API_KEY"),
            ("http://me:word@host", "", "must not carry credentials.* OPENLINEAGE_API_KEY"),
        ):
            with pytest.raises(SettingsError, match=match):
                found(given, variable)
    finally:
        settings.cache_clear()

"""Typos and values out of bounds are refused at every door that takes config as it was written."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from ml_pipeline_tests.e2e import by_hand
from ml_pipeline_tests.e2e.conftest import LAUNCHED
from ml_pipeline_tests.e2e.dagster_ui import DagsterUi, run_config
from ml_pipeline_tests.e2e.server import ASSETS, Server

pytestmark = pytest.mark.long

BAD = {"training": {"learning_rat": 0.2, "max_depth": 0}, "featurs": {"lookback_days": 7}}
PROBLEMS = (
    "'featurs' is no parameter group. Did you mean 'features'?",
    "'training.learning_rat' does not exist. Did you mean 'learning_rate'?",
    "training.max_depth must be integer >= 1 and <= 32, but got 0",
)
MISNAMED = {"resources": {"parms": {"config": {"training": {"learning_rate": 0.2}}}}}
NEAREST = "'resources: parms' does not exist. Did you mean 'params'?"


@pytest.mark.parametrize("job", [by_hand.IMPLICIT_JOB, by_hand.NAMED_JOB])
def test_graphql_with_typos_and_bad_values_tells_all_and_launches_nothing(
    server: Server, job: str
) -> None:
    before = _singly(server)
    answer = by_hand.launch(server, by_hand.config_of(BAD), LAUNCHED, job)
    for problem in PROBLEMS:
        assert problem in by_hand.said(answer)
    assert _singly(server) == before


@pytest.mark.parametrize(
    "params",
    [
        {"training": {"learning_rate": None}},
        {"training": {"max_iter": "many"}},
        {"training": {"max_iter": 1e9}},
        {"training": {"max_iter": [5]}},
        {"training": 5},
        {"training": []},
        {"data": {"dataset": "order"}},
        [],
        5,
    ],
    ids=str,
)
def test_graphql_with_values_of_the_wrong_kind_is_refused_in_words(
    server: Server, params: Any
) -> None:
    before = _singly(server)
    answer = by_hand.launch(server, by_hand.config_of(params), LAUNCHED)
    assert answer["__typename"] == "RunConfigValidationInvalid" or by_hand.said(answer).startswith(
        "ml_pipeline.errors.ParamsError: "
    )
    assert _singly(server) == before


def test_graphql_with_params_misnamed_in_the_named_job_launches_nothing(server: Server) -> None:
    before = _singly(server)
    answer = by_hand.launch(server, MISNAMED, LAUNCHED, by_hand.NAMED_JOB)
    assert 'unexpected config entry "parms" at path root:resources' in by_hand.said(answer)
    assert _singly(server) == before


def test_graphql_with_params_misnamed_in_the_implicit_job_computes_nothing_however_often(
    ui: DagsterUi, server: Server
) -> None:
    """Dagster itself lets such a name pass there, so that the run has to refuse it."""
    launched = by_hand.launch(server, MISNAMED, LAUNCHED)["run"]["runId"]
    assert server.finished_run(launched)["status"] == "FAILURE"
    again = ui.reexecute(launched)
    expect(ui.run_status).to_have_text("Failure", timeout=90_000)
    expect(ui.page.get_by_text(NEAREST).first).to_be_visible()
    for dagster_run_id in (launched, again):
        assert server.materializations(dagster_run_id) == []


def test_reexecution_with_other_config_that_is_bad_launches_nothing(
    server: Server, launched: str
) -> None:
    before = _singly(server)
    answer = by_hand.launch(server, by_hand.config_of(BAD), LAUNCHED, parent=launched)
    for problem in PROBLEMS:
        assert problem in by_hand.said(answer)
    assert _singly(server) == before


def test_launchpad_opened_on_a_run_with_config_that_is_bad_launches_nothing(
    ui: DagsterUi, server: Server, launched: str
) -> None:
    before = _singly(server)
    ui.relaunch(launched, by_hand.NAMED_JOB, run_config(**BAD))
    for problem in PROBLEMS:
        expect(ui.error).to_contain_text(problem)
    assert _singly(server) == before


@pytest.mark.parametrize("config", [by_hand.config_of(BAD), MISNAMED], ids=["values", "params"])
def test_dagsters_materialize_with_bad_config_computes_nothing(
    server: Server, tmp_path: Path, config: dict[str, Any]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config))
    before = _artifacts(server)
    done = server.materialize(ASSETS, LAUNCHED, file)
    assert done.returncode != 0
    for problem in PROBLEMS if config is not MISNAMED else [NEAREST]:
        assert problem in done.stderr
    assert _artifacts(server) == before


def _singly(server: Server) -> set[str]:
    return {run["runId"] for run in server.runs() if "dagster/backfill" not in run["tags"]}


def _artifacts(server: Server) -> set[Path]:
    return set((server.home / "artifacts").rglob("record.json"))

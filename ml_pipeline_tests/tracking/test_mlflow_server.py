"""What a real MLflow server holds of runs and sweeps, against what the store holds."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import ml_pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.sweeps.board import board_of
from ml_pipeline.tracking.mlflow.sender import Sender
from ml_pipeline.tracking.mlflow.sending import Sending
from ml_pipeline.tracking.mlflow.tracker import MlflowTracker
from ml_pipeline.tracking.outbox import Outbox
from ml_pipeline_tests.e2e.server import tool
from ml_pipeline_tests.toys.mlflow_server import MlflowServer
from ml_pipeline_tests.toys.sweep_bench import Bench as SweepBench

pytestmark = pytest.mark.long

PAGE = Path(ml_pipeline.__file__).parent / "docs" / "mlflow.md"
SWEEP = ["--from", "1998-05-30", "--to", "1998-05-31", "-p", "max_depth=2,3,4,5"]


@dataclass
class Site:
    """A home folder whose results go to a server.

    Attributes:
        swept: what the sweep printed as JSON.
        first: the run that was there before it.
    """

    home: Path
    server: MlflowServer
    swept: Any = None
    first: Any = None

    def command(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [tool("ml-pipeline"), *arguments],
            env={
                **os.environ,
                "ML_PIPELINE_HOME": str(self.home),
                "ML_PIPELINE_MLFLOW_TRACKING_URI": self.server.uri,
            },
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.command(*arguments, "--json"))

    def synced(self) -> None:
        """Let everything be there."""
        done = self.json("mlflow", "sync")
        assert (done["waiting"], done["refused"], done["problem"]) == (0, {}, None)

    def runs(self) -> dict[str, Any]:
        """Return all runs by name; names are unique here."""
        runs = {run.info.run_name: run for run in self.server.runs("ml_pipeline")}
        assert len(runs) == len(self.server.runs("ml_pipeline"))
        return runs


@pytest.fixture(scope="module")
def site(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(tmp_path_factory.mktemp("home"), mlflow_server)
    site.first = site.json("run", "--as-of", "1998-05-31")
    site.swept = site.json("sweep", *SWEEP)
    site.synced()
    return site


def test_sweep_in_mlflow_is_the_leaderboard_to_the_last_digit(site: Site) -> None:
    runs = site.runs()
    study = site.swept["study"]
    parent = runs[study]
    assert parent.info.status == "FINISHED"
    tag = f"ml_pipeline.trial_of.{study}"
    held = {
        (int(run.data.tags[tag]), run.data.params["as_of"]): run
        for run in runs.values()
        if tag in run.data.tags
    }
    assert len(held) == 8
    for trial in site.swept["trials"]:
        for cell in trial["cells"]:
            run = held[trial["number"], cell["as_of"]]
            assert run.data.tags["ml_pipeline.run_id"] == cell["run_id"]
            assert {name: run.data.metrics[name] for name in cell["metrics"]} == cell["metrics"]
            assert run.data.metrics["duration_s"] == cell["seconds"]
            assert run.info.status == "FINISHED"
            assert json.loads(run.data.params["training.max_depth"]) == next(
                iter(trial["varied"].values())
            )
    (search,) = re.findall(r"^```text\n(.*?)```", PAGE.read_text(), re.M | re.S)
    search = search.strip().replace("sweep-aa685ed562341bb1", study)
    found = site.server.client.search_runs([parent.info.experiment_id], search)
    assert {run.info.run_id for run in found} == {run.info.run_id for run in held.values()}
    board = site.json("leaderboard", "--from", "1998-05-30", "--to", "1998-05-31")
    rows = board["groups"][0]["rows"]
    assert parent.data.metrics["mape"] == rows[0]["mean"]
    assert parent.data.tags["ml_pipeline.best_trial"] in parent.data.tags["mlflow.note.content"]
    history = site.server.client.get_metric_history(parent.info.run_id, "trial_mape")
    means = {point.step: point.value for point in history}
    assert sorted(means.values()) == sorted(row["mean"] for row in rows)
    assert means == {trial["number"]: trial["value"] for trial in site.swept["trials"]}


def test_reused_run_is_logged_once_and_linked_however_often_it_is_reused(site: Site) -> None:
    def held() -> dict[str, tuple[str, str]]:
        return {
            name: (run.info.run_id, run.data.tags.get("mlflow.parentRunId", ""))
            for name, run in site.runs().items()
        }

    before = held()
    study = site.swept["study"]
    parent, _ = before.pop(study)
    assert len(before) == 8
    (alone,) = [name for name in before if not name.startswith("trial ")]
    first, of = before.pop(alone)
    assert of == ""
    assert {of for _, of in before.values()} == {parent}
    run = site.runs()[alone]
    assert run.data.tags["ml_pipeline.dagster_run_id"] == site.first["runs"][0]["dagster_run_id"]
    (trial,) = [
        one["number"]
        for one in site.swept["trials"]
        if any(cell["reused"] for cell in one["cells"])
    ]
    assert run.data.tags[f"ml_pipeline.trial_of.{study}"] == str(trial)
    assert f"/runs/{first})" in site.runs()[study].data.tags["mlflow.note.content"]
    again = held()
    site.command("run", "--as-of", "1998-05-30", "-p", "max_depth=2")
    assert site.json("mlflow", "status")["waiting"] == 0
    site.command("sweep", *SWEEP)
    site.synced()
    assert held() == again


def test_what_a_sweep_tried_without_a_result_is_a_run_that_says_why(
    mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    bench = SweepBench(tmp_path)
    bench.home.mkdir()
    outbox = Outbox(tmp_path / "box")
    # An address at which nothing answers: nobody sends but this test.
    tracker = MlflowTracker(bench.pipeline, outbox, Sending(outbox, "http://127.0.0.1:9"))
    search = {"pruner": "median", "n_trials": 9, "strategy": "random", "workers": 1}
    space = {"learning_rate": "log[1e-3..10]", "depth": "[1..9]", "act": "compute,fail"}
    sweep = bench.sweep(3, **space, search=search)
    swept = sweep.run(lambda plan: tracker.sweep_began(bench.store, sweep, plan))
    board = board_of(swept, bench.pipeline)
    for _ in range(2):
        tracker.sweep_ended(bench.store, swept, board)
        done = Sender(outbox, mlflow_server.uri).send()
        assert (done.refused, done.problem) == (0, None)
    runs = {run.info.run_name: run for run in mlflow_server.runs(bench.pipeline.name)}
    assert len(runs) == len(mlflow_server.runs(bench.pipeline.name))
    parent = runs.pop(swept.study)
    expected = {
        f"trial {cell.trial.number} {cell.as_of} failed": ("FAILED", cell.error)
        for cell in swept.failures
    }
    expected |= {
        f"trial {one.trial.number} killed": ("KILLED", f"pruned after {len(one.cells)} of 3")
        for one in swept.attempts
        if one.state == "pruned"
    }
    assert {status for status, _ in expected.values()} == {"FAILED", "KILLED"}
    tags = {name: run.data.tags for name, run in runs.items()}
    assert {
        name: (
            run.info.status,
            tags[name].get("ml_pipeline.error") or tags[name].get("ml_pipeline.stopped"),
        )
        for name, run in runs.items()
    } == expected
    assert {tag["mlflow.parentRunId"] for tag in tags.values()} == {parent.info.run_id}
    for attempt in swept.attempts:
        for day, cell in attempt.cells.items():
            if cell.error is not None:
                run = runs[f"trial {attempt.trial.number} {day} failed"]
                assert (
                    float(run.data.params["fit.learning_rate"])
                    == (attempt.trial.params.values()["fit"]["learning_rate"])
                )
                assert run.data.metrics == {}
    said = {
        cell["mlflow_run_id"]
        for file in (mlflow_server.folder / "artifacts").rglob("sweep.json")
        if (document := json.loads(file.read_text()))["study"] == swept.study
        for trial in document["trials"]
        for cell in trial["cells"]
        if cell["error"]
    }
    assert said == {run.info.run_id for run in runs.values() if run.info.status == "FAILED"}


# MLflow warns of itself while it is imported.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_model_in_mlflow_is_an_entry_with_a_signature_that_loads_the_stored_one(
    site: Site,
) -> None:
    import mlflow

    run = next(run for name, run in site.runs().items() if name.startswith("trial "))
    (output,) = run.outputs.model_outputs
    mlflow.set_tracking_uri(site.server.uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    store = ArtifactStore(str(site.home / "artifacts"), make=False)
    file = Path(run.data.tags["ml_pipeline.artifact.model"])
    directory = str(file.parent.relative_to(site.home / "artifacts"))
    record = store.read_record(directory)
    assert record is not None
    stored = store.load_from(directory, record)
    features = pl.read_parquet(run.data.tags["ml_pipeline.artifact.features"]).to_pandas()
    signature = loaded.metadata.signature
    names = signature.inputs.input_names()
    assert names == list(stored.feature_names_in_)
    assert {str(one.type) for one in signature.inputs.inputs} == {
        "DataType.double",
        "DataType.long",
    }
    assert list(loaded.predict(features[names])) == list(stored.predict(features[names]))
    copies = [one for one in (site.server.folder / "artifacts").rglob("*") if one.is_file()]
    assert copies
    assert max(one.stat().st_size for one in copies) < 20_000
    assert not [one for one in copies if one.suffix in (".skops", ".parquet")]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_promotion_and_rollback_move_the_alias(site: Site) -> None:
    client = site.server.client

    def champion() -> str:
        version = client.get_model_version_by_alias("ml_pipeline.model", "production-champion")
        assert version.source.startswith("models:/m-")
        run = client.get_run(version.run_id)
        assert run.data.tags["ml_pipeline.run_id"] == version.tags["ml_pipeline.run_id"]
        return str(version.tags["ml_pipeline.run_id"])

    one, other = [trial["cells"][1]["run_id"] for trial in site.swept["trials"][:2]]
    for run_id in (one, other):
        site.command("promote", run_id, "--to", "production", "--by", "ann", "--note", "so said")
    site.synced()
    assert champion() == other
    site.command("rollback", "--to", "production")
    site.command("promote", other, "--to", "production", "--alias", "challenger")
    site.synced()
    assert champion() == one
    import mlflow

    mlflow.set_tracking_uri(site.server.uri)
    loaded = mlflow.pyfunc.load_model("models:/ml_pipeline.model@production-champion")
    assert loaded.metadata.flavors["ml_pipeline"]["format"] == "skops"
    registered = client.get_registered_model("ml_pipeline.model")
    versions = client.search_model_versions("name = 'ml_pipeline.model'")
    assert len(versions) == 2
    aliases = {v.tags["ml_pipeline.run_id"]: v.version for v in versions}
    assert registered.aliases == {
        "production-champion": aliases[one],
        "production-challenger": aliases[other],
    }
    assert {v.tags["ml_pipeline.promoted_by"] for v in versions} == {"ann"}


def test_page_about_mlflow_says_what_can_be_typed(site: Site) -> None:
    blocks = re.findall(r"^```sh\n(.*?)```", PAGE.read_text(), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    commands = [line.split()[1:] for line in lines if line.startswith("ml-pipeline ")]
    said = [site.command(*command) for command in commands]
    assert [command[:2] for command in commands][1:] == [
        ["mlflow", "sync"],
        ["mlflow", "status"],
        ["mlflow", "sync"],
    ]
    assert f"MLflow: {site.server.uri}\nWaiting: 0 notes, in {site.home}" in said[2]
    assert said[3] == f"0 notes sent to {site.server.uri}.\n"


def test_mlflow_is_not_imported_unless_it_is_switched_on_nor_by_who_notes(site: Site) -> None:
    code = (
        "import sys, ml_pipeline.definitions, ml_pipeline.dagster.sweep_asset\n"
        "from ml_pipeline.cli.main import commands\n"
        "import ml_pipeline.tracking.mlflow.tracker\n"
        "commands.main(['run', '--as-of', '1998-05-31'], standalone_mode=False)\n"
        "assert 'mlflow' not in sys.modules\n"
    )
    for uri in ("", site.server.uri):
        environment = {"ML_PIPELINE_HOME": str(site.home), "ML_PIPELINE_MLFLOW_TRACKING_URI": uri}
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, **environment}, check=True, timeout=120
        )

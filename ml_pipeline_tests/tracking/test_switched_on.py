"""Which server hears of what: the one of the environment that a run is in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_pipeline.cli.main import commands
from ml_pipeline.settings import settings
from ml_pipeline.tracking.mlflow.sending import outbox_of
from ml_pipeline.tracking.switched_on import mlflow_uri, tracker_of
from ml_pipeline_tests.toys.bench import Bench

# Nothing answers at port 9.
FILE = """
environment = "dev"
mlflow_tracking_uri = "http://127.0.0.1:9/base"
[environments.dev]
[environments.blue]
store = "blue"
mlflow_tracking_uri = "http://127.0.0.1:9/blue"
[environments.green]
inherits = "blue"
store = "green"
[environments.quiet]
store = "quiet"
mlflow_tracking_uri = ""
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "settings.toml").write_text(FILE)
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path))
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_environment_of_a_run_decides_which_server_hears_of_it(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = bench.run()
    for environment in (None, "dev", "blue", "green", "quiet"):
        tracker = tracker_of(bench.pipeline, environment)
        for outcome in outcomes.values():
            tracker.made(bench.store, outcome)
        tracker.settle()
    servers = [mlflow_uri(name) for name in (None, "blue", "green", "quiet")]
    assert servers == [*(f"http://127.0.0.1:9/{name}" for name in ("base", "blue", "blue")), None]
    waiting = [len(outbox_of(uri).waiting()) for uri in servers if uri is not None]
    assert waiting == [2, 2, 2]
    commands.main(["mlflow", "status"], standalone_mode=False)
    told = capsys.readouterr().out
    assert "MLflow: http://127.0.0.1:9/base\nWaiting: 2 notes" in told
    assert "In blue, 2 notes for another server: `--environment blue`" in told
    assert "green" not in told
    commands.main(["mlflow", "status", "--environment", "quiet"], standalone_mode=False)
    assert capsys.readouterr().out.startswith("Nothing is told to MLflow")


def test_variable_of_mlflow_counts_where_no_line_says_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "settings.toml").write_text(FILE.replace("mlflow", "# mlflow"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9/variable")
    settings.cache_clear()
    assert {mlflow_uri(name) for name in (None, "blue")} == {"http://127.0.0.1:9/variable"}

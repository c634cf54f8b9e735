"""`ml-pipeline env` and commands that read an environment, as their users have them."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.cli.main import commands
from ml_pipeline.cli.project import project
from ml_pipeline.errors import MlPipelineError, QueryError, SettingsError
from ml_pipeline.settings import settings
from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.toys.s3_server import serving_s3

TABLES = """
environment = "dev"
writable = ["dev", "blue"]
sources = { shop = "/data/shop" }
[environments.dev]
[environments.prod]
store = "{prod}"
params = { training = { learning_rate = 0.3 } }
[environments.blue]
inherits = "prod"
store = "{blue}"
reads = ["prod"]
sources = { shop = "/data/blue" }
params = { training = { max_depth = 2 } }
retention = { logs = "30d" }
"""


def tables(prod: object, blue: object) -> str:
    return TABLES.replace("{prod}", str(prod)).replace("{blue}", str(blue))


@dataclass(frozen=True)
class InProcess:
    """Commands in this process, which start in milliseconds."""

    folder: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> str:
        settings.cache_clear()
        project.cache_clear()
        commands.main(list(arguments), standalone_mode=False)
        return self.capture.readouterr().out

    def set(self, text: str) -> None:
        (self.folder / ".ml_pipeline" / "settings.toml").write_text(text)


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[InProcess]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".ml_pipeline").mkdir()
    here = InProcess(tmp_path, capsys)
    here.set(tables(tmp_path / "prod", tmp_path / "blue"))
    yield here
    settings.cache_clear()
    project.cache_clear()


def test_env_show_tells_what_is_in_effect_and_what_set_each_line(
    here: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_STUDIES", "postgresql://ann@host/studies")
    monkeypatch.setenv("ML_PIPELINE_ENVIRONMENTS", '{"prod": {"sources": {"more": "/data/more"}}}')
    told = json.loads(here("env", "show", "blue", "--json"))
    assert told["environment"] == "blue"
    assert (told["is_default"], told["writable"]) == (False, True)
    lines = {line["line"]: (line["value"], line["from"]) for line in told["lines"]}
    assert lines == {
        "store": (str(here.folder / "blue"), "settings.toml"),
        "studies": (
            "postgresql://ann@host/studies",
            "outside of tables, variable ML_PIPELINE_STUDIES",
        ),
        "reads": ("prod", "settings.toml"),
        "sources.shop": ("/data/blue", "settings.toml"),
        "sources.more": (
            "/data/more",
            "inherited from prod, variable ML_PIPELINE_ENVIRONMENTS",
        ),
        "params.training.learning_rate": (0.3, "inherited from prod, settings.toml"),
        "params.training.max_depth": (2, "settings.toml"),
        "retention.logs": ("30d", "settings.toml"),
    }
    dev = json.loads(here("env", "show", "--json"))
    assert (dev["environment"], dev["is_default"]) == ("dev", True)
    assert {"line": "reads", "value": "none", "from": "default"} in dev["lines"]
    assert "It is only read here." in here("env", "show", "prod")


def test_env_check_and_list_tell_what_there_is(here: InProcess) -> None:
    assert here("env", "check") == (
        "dev, prod, blue: all fit together. Runs are in dev unless they say otherwise, and may"
        " write to dev, blue.\n"
    )
    assert [row.split()[0] for row in here("env", "list").splitlines()] == [
        *("environment", "dev", "prod", "blue")
    ]
    here.set('environments = ["prod"]\n')
    assert "Runs can be promoted to prod." in here("env", "check")
    assert "No environments are configured" in here("env", "list")
    assert "Until then, every run has this" in here("env", "show")


def test_env_where_a_store_is_relative_tells_where_that_is(
    here: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.set(tables("prod", here.folder / "blue"))
    checked = here("env", "check")
    assert "The store of prod is a relative folder" in checked
    assert f"here it is below {here.folder}." in checked
    below = here.folder / "below"
    below.mkdir()
    monkeypatch.setenv("ML_PIPELINE_HOME", str(here.folder / ".ml_pipeline"))
    monkeypatch.chdir(below)
    assert json.loads(here("env", "show", "prod", "--json"))["store"] == str(below / "prod")
    assert str(below / "prod") in here("env", "list")
    (below / "prod").mkdir()
    told = here("runs", "list", "--environment", "prod")
    assert f"No run yet in {below / 'prod'}: `ml-pipeline run` makes the first." in told


def test_env_check_tells_every_standing_parameter_that_the_pipeline_does_not_take(
    here: InProcess,
) -> None:
    text = tables("prod", "blue").replace("max_depth = 2", 'max_depth = "many", max_dept = 1')
    here.set(text.replace("learning_rate = 0.3", "learning_rate = 30"))
    with pytest.raises(SettingsError) as caught:
        here("env", "check")
    for problem in (
        "training.learning_rate must be number > 0 and <= 1, but got 30 (environments.prod.params)",
        "training.max_depth must be",
        "'training.max_dept' does not exist. Did you mean 'max_depth'?",
    ):
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("env", "show", "bleu"), "an environment must be one of dev, prod, blue. Did you mean"),
        (("runs", "list", "--environment", "x"), "--environment must be one of dev, prod, blue"),
        (("runs", "show", "ab@x"), "the environment of 'ab@x' must be one of dev, prod, blue"),
        (
            ("gc", "--older-than", "1d", "--environment", "prod", "--delete"),
            "one that this deployment may",
        ),
        (("why", "--as-of", "1998-05-31", "--environment", "bleu"), "Did you mean 'blue'?"),
        (("run", "--as-of", "1998-05-31", "--environment", "prod"), "may write to, dev, blue, but"),
        (
            ("run", "--as-of", "1998-05-31", "--environment", "dev", "-p", "environment=dev"),
            "twice",
        ),
    ],
)
def test_environment_that_cannot_be_meant_is_refused(
    here: InProcess, arguments: Sequence[str], problem: str
) -> None:
    with pytest.raises(MlPipelineError) as caught:
        here(*arguments)
    assert problem in str(caught.value)
    assert not (here.folder / "prod").exists()


def test_environment_option_without_environments_is_refused(here: InProcess) -> None:
    here.set("")
    for arguments in (("runs", "list"), ("why", "--as-of", "1998-05-31")):
        with pytest.raises(MlPipelineError, match="no environments are configured"):
            here(*arguments, "--environment", "dev")
    with pytest.raises(QueryError, match="no environments are configured"):
        here("runs", "show", "ab@dev")


def test_id_is_the_same_in_every_environment_for_the_same_parameters(here: InProcess) -> None:
    typed = ("-p", "learning_rate=0.3", "-p", "max_depth=2", "--json")

    def run_id(*more: str) -> str:
        return str(json.loads(here("id", "--as-of", "1998-05-31", *more, *typed))["run_id"])

    ids = {run_id(*more) for more in ((), ("--environment", "blue"), ("--environment", "prod"))}
    assert len(ids) == 1
    here.set("")
    assert run_id() in ids


@pytest.mark.long
def test_commands_name_the_environment_and_reuse_across_two_buckets(tmp_path: Path) -> None:
    from obstore.store import from_url

    cli = CommandLine(tmp_path)
    (tmp_path / ".ml_pipeline").mkdir()
    with serving_s3("prod", "blue") as buckets:
        text = tables("s3://prod/ml", "s3://blue/ml")
        (tmp_path / ".ml_pipeline" / "settings.toml").write_text(text)
        production = {
            **buckets,
            "ML_PIPELINE_ENVIRONMENT": "prod",
            "ML_PIPELINE_WRITABLE": '["prod"]',
        }
        day = ("--as-of", "1998-05-31")
        first = cli("run", *day, "--json", environment=production)
        assert first.code == 0, first.err

        def objects(bucket: str) -> dict[str, str]:
            store = from_url(f"s3://{bucket}", **_options(buckets))
            return {entry["path"]: str(entry["e_tag"]) for batch in store.list() for entry in batch}

        before = objects("prod")
        second = cli("run", *day, "--environment", "blue", "--json", environment=buckets)
        assert second.code == 0, second.err
        made = {one["asset"]: one for one in second.document["runs"][0]["artifacts"]}
        assert made["features"]["reused_from"] == "prod"
        assert "reused_from" not in made["model"]
        assert made["features"]["uri"].startswith("s3://blue/ml/features/")
        assert objects("prod") == before
        assert set(objects("blue")) & set(before) == {
            path for path in before if "/orders/" in path or "/features/" in path
        }
        listed = cli("runs", "list", "--environment", "blue", "--json", environment=buckets)
        assert listed.document["environment"] == "blue"
        assert listed.document["runs"][0]["provenance"]["environment"] == "blue"
        why = cli("why", *day, "--environment", "blue", environment=buckets)
        assert why.out.startswith("Environment blue, which reads prod as well.")
        run_id = first.document["runs"][0]["run_id"]
        shown = cli("runs", "show", f"{run_id}@prod", environment=buckets)
        assert "environment" in shown.out
        board = cli("leaderboard", "--environment", "prod", environment=buckets)
        assert board.out.startswith("Environment prod.")


def _options(buckets: dict[str, str]) -> dict[str, Any]:
    return {
        "config": {
            "aws_access_key_id": buckets["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": buckets["AWS_SECRET_ACCESS_KEY"],
            "aws_region": buckets["AWS_REGION"],
            "aws_endpoint": buckets["AWS_ENDPOINT_URL"],
        },
        "client_options": {"allow_http": True},
    }


def test_retain_tells_what_would_go_and_removes_it_only_when_told(here: InProcess) -> None:
    here.set('retention = { logs = "30d", dagster_runs = "90d" }\n')
    log = here.folder / ".ml_pipeline" / "logs" / "run.log"
    log.parent.mkdir()
    log.write_text("said")
    os.utime(log, (0, 0))
    told = here("retain", "--items")
    assert "run.log" in told
    assert "1 item could go, 4 bytes.\nNothing was removed: --delete does that.\n" in told
    assert "dagster_runs 90d" in told
    document = json.loads(here("retain", "--delete", "--json"))
    assert document["items"] == [
        {
            "policy": "logs 30d",
            "path": "run.log",
            "why": "what a command has printed",
            "bytes": 4,
        }
    ]
    assert not log.exists()
    here.set("")
    with pytest.raises(QueryError, match=r"a table \[retention\] must say what goes"):
        here("retain")

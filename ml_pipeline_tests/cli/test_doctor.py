"""`ml-pipeline doctor`: what is there is told apart from what is not, each by itself."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.cli.health.finding import Finding, asked
from ml_pipeline.cli.main import commands
from ml_pipeline.cli.project import project
from ml_pipeline.errors import SecretError
from ml_pipeline.settings import settings


def fine() -> Iterator[Finding]:
    yield Finding("fine", "ok", "it is")


def failing() -> Iterator[Finding]:
    yield Finding("failing", "ok", "half of it")
    raise KeyError("s3://ann:hidden@host/x")


def refusing() -> Iterator[Finding]:
    raise SecretError("there must be one")
    yield


def hanging() -> Iterator[Finding]:
    yield Finding("hanging", "ok", "half of it")
    time.sleep(30)


def test_asked_checks_neither_hide_nor_wait_for_each_other() -> None:
    checks = {"hanging": hanging, "failing": failing, "refusing": refusing, "fine": fine}
    began = time.monotonic()
    found = asked(checks, 0.5)
    assert time.monotonic() - began < 5
    assert [(one.check, one.level) for one in found] == [
        ("hanging", "ok"),
        ("hanging", "problem"),
        ("failing", "ok"),
        ("failing", "problem"),
        ("refusing", "problem"),
        ("fine", "ok"),
    ]
    assert "did not answer within" in found[1].found
    assert "hidden" not in found[3].found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / ".ml_pipeline"
    home.mkdir()
    yield home
    settings.cache_clear()
    project.cache_clear()


def doctor(capture: pytest.CaptureFixture[str]) -> tuple[int, dict[str, tuple[str, str, str]]]:
    settings.cache_clear()
    project.cache_clear()
    code: Any = commands.main(["doctor", "--json"], standalone_mode=False)
    document = json.loads(capture.readouterr().out)
    found = {
        one["check"]: (one["level"], one["found"], one["remedy"]) for one in document["findings"]
    }
    assert len(found) == len(document["findings"])
    assert document["problems"] == sum(one[0] == "problem" for one in found.values())
    return code, found


def levels(found: dict[str, tuple[str, str, str]], level: str) -> set[str]:
    return {check for check, one in found.items() if one[0] == level}


@pytest.mark.long
def test_doctor_of_a_new_home_has_no_problem_and_leaves_nothing_in_the_store(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = doctor(capsys)
    assert (code, levels(found, "problem")) == (0, set())
    assert levels(found, "warning") == {"daemon"}
    assert {"versions", "settings", "instance schema", "queue", "store", "clock", "index"} < set(
        found
    )
    assert {"studies", "sources", "executor", "scheduler", "disk"} < set(found)
    assert [path for path in (home / "artifacts").rglob("*") if path.is_file()] == []


def test_doctor_tells_settings_that_cannot_be_used_and_what_else_it_can(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "settings.toml").write_text("dates_per_run = 0\n")
    code, found = doctor(capsys)
    assert code == 1
    assert "dates_per_run" in found["settings"][1]
    assert found["versions"][0] == "ok"


UNREACHABLE = """
environment = "dev"
writable = ["dev", "prod"]
scheduler = "tcp://127.0.0.1:9"
index = "postgresql://nobody@127.0.0.1:9/index"
executor = "celery"
executor_config = {{ broker = "pyamqp://127.0.0.1:9//" }}
sources = {{ shop = "{home}/none" }}
[environments.dev]
studies = "postgresql+psycopg2://nobody@127.0.0.1:9/studies"
params = {{ data = {{ source = "shop" }} }}
[environments.prod]
store = "s3://models/ml"
[environments.staging]
store = "{home}/staging"
"""


@pytest.mark.long
def test_doctor_tells_what_cannot_be_reached_apart_and_within_seconds(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-shown")
    (home / "settings.toml").write_text(UNREACHABLE.format(home=home))
    (home / "dagster").mkdir()
    (home / "dagster" / "dagster.yaml").write_text("storage: {sqlite: {base_dri: x}}\n")
    began = time.monotonic()
    code, found = doctor(capsys)
    assert code == 1
    assert time.monotonic() - began < 40
    bad = {"instance", "broker", "scheduler", "store prod", "studies dev", "sources dev"}
    assert bad <= levels(found, "problem")
    assert found["index dev"][0] == "warning"
    assert "slower" in found["index dev"][2]
    assert found["store staging"][0] == "warning"
    assert {"store dev", "versions", "disk", "settings"} <= levels(found, "ok")
    assert "the connection is refused" in found["store prod"][1]
    assert "dagster.yaml must be a configuration" in found["instance"][1]
    assert "none" in found["sources dev"][1]
    assert "not-to-be-shown" not in str(found)


@pytest.mark.long
def test_doctor_is_unhappy_with_a_store_that_cannot_be_written(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if os.geteuid() == 0:
        (home / "artifacts").write_text("a file")
    else:
        (home / "artifacts").mkdir(mode=0o500)
    code, found = doctor(capsys)
    assert code == 1
    assert found["store"][0] == "problem"
    assert "ML_PIPELINE_STORE" in found["store"][1]
    assert found["instance"][0] == "ok"

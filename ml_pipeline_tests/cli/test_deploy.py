"""`ml-pipeline deploy init`: what can be tried of its files without a container engine."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import dagster as dg
import pytest
import yaml

from ml_pipeline.cli.main import commands
from ml_pipeline.cli.project import project
from ml_pipeline.errors import SettingsError
from ml_pipeline.settings import settings
from ml_pipeline_tests.toys.postgres import postgres

MODULE = "ml_pipeline.definitions"
SECRET = re.compile(r"(?i)(password|secret|access_key(_id)?)\w*=(.*)")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    project.cache_clear()
    yield
    settings.cache_clear()
    project.cache_clear()


def init(folder: Path, *kind: str) -> Path:
    commands.main(["deploy", "init", str(folder), *kind], standalone_mode=False)
    return folder


@pytest.mark.parametrize("kind", ["--one-machine", "--team"])
def test_deploy_init_writes_files_without_secrets_and_never_over_any(
    tmp_path: Path, kind: str
) -> None:
    folder = init(tmp_path / "out", kind)
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    assert "@MODULE@" not in "".join(texts.values())
    assert any(MODULE in text for text in texts.values())
    assert len(texts["README.md"].splitlines()) <= 12
    assert [m[3] for m in SECRET.finditer(texts[".env.example"]) if m[3].strip()] == []
    (folder / "README.md").write_text("mine")
    for path in folder.iterdir():
        if path.name != "README.md":
            path.unlink()
    with pytest.raises(SettingsError, match=r"but .*out has README\.md"):
        init(folder, kind)
    assert [path.name for path in folder.iterdir()] == ["README.md"]


def test_deploy_init_without_a_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="One of --one-machine and --team"):
        init(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_compose_file_names_only_what_is_there_or_said_to_be_brought(tmp_path: Path) -> None:
    folder = init(tmp_path / "out", "--team")
    compose: dict[str, Any] = yaml.safe_load((folder / "compose.yaml").read_text())
    assert set(compose["services"]) == {
        "postgres", "objects", "bucket", "code", "webserver", "daemon",
    }  # fmt: skip
    given = set(re.findall(r"^(\w+)=", (folder / ".env.example").read_text(), re.M))
    for name, service in compose["services"].items():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or (folder / source).is_file(), (name, source)
        assert set(service.get("depends_on", ())) <= set(compose["services"])
        assert name == "bucket" or service["healthcheck"]["test"]
    asked = set(re.findall(r"\$\{(\w+):", (folder / "compose.yaml").read_text()))
    assert asked <= given
    named = set(re.findall(r"env: (\w+)\}", (folder / "dagster.yaml").read_text()))
    assert named <= given | set(compose["services"]["code"]["environment"])
    workspace = yaml.safe_load((folder / "workspace.yaml").read_text())
    (server,) = (one["grpc_server"] for one in workspace["load_from"])
    assert server == {"host": "code", "port": 4000, "location_name": MODULE}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_units_are_what_systemd_takes(tmp_path: Path) -> None:
    folder = init(tmp_path / "out", "--one-machine")
    units = sorted(str(path) for path in folder.glob("ml-pipeline*"))
    assert len(units) == 3
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "ml-pipeline" in line]
    assert ours == [], done.stderr


@pytest.mark.long
def test_dagster_yaml_of_a_team_opens_an_instance_on_postgres(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = init(tmp_path / "out", "--team")
    with postgres() as server:
        monkeypatch.setenv("DAGSTER_PG_HOST", "127.0.0.1")
        monkeypatch.setenv("DAGSTER_PG_PORT", str(server.port))
        monkeypatch.setenv("DAGSTER_PG_USERNAME", "postgres")
        monkeypatch.setenv("DAGSTER_PG_PASSWORD", "x")
        monkeypatch.setenv("DAGSTER_PG_DB", "postgres")
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            assert instance.run_monitoring_enabled
            assert instance.run_retries_enabled
            assert instance.get_runs_count() == 0

"""The webserver with our pages is still started where Dagster starts its own."""

import inspect
import sys
from typing import Any

import pytest
from dagster import _cli
from dagster._cli import dev
from dagster_webserver import app, cli, webserver

from ml_pipeline.dagster import private_pages


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is started; the command does nothing but start a webserver and a daemon."""
    found: list[list[str]] = []

    def start(parts: list[str], **_options: Any) -> None:
        found.append(parts)

    def main() -> None:
        for module in ("dagster_webserver", "dagster._daemon"):
            vars(dev)["open_ipc_subprocess"]([sys.executable, "-m", module, "--port", "1"])

    monkeypatch.setattr(dev, "open_ipc_subprocess", start)
    monkeypatch.setattr(_cli, "main", main)
    return found


def test_services_start_our_webserver_in_the_place_of_dagsters(started: list[list[str]]) -> None:
    private_pages.dev()
    ours, daemon = started
    assert ours[1:] == ["-m", "ml_pipeline.dagster.private_pages", "webserver", "--port", "1"]
    assert daemon[1:] == ["-m", "dagster._daemon", "--port", "1"]


def test_dagster_starts_its_webserver_as_it_is_taken_to() -> None:
    source = inspect.getsource(dev)
    assert "open_ipc_subprocess(" in source
    assert '[sys.executable, "-m", "dagster_webserver"]' in source
    assert "DagsterWebserver(" in inspect.getsource(app.create_app_from_workspace_process_context)
    assert "create_app_from_workspace_process_context(" in inspect.getsource(cli)


def test_webserver_has_our_pages_before_its_own_which_take_every_path() -> None:
    server = object.__new__(private_pages.with_pages(webserver.DagsterWebserver))
    server._app_path_prefix = ""
    paths = [route.path for route in server.build_routes()]
    ours = ["/ml_pipeline/form/{pipeline:str}", "/ml_pipeline/page/{store:str}/{path:path}"]
    assert paths[:2] == ours
    assert "/{path:path}" in paths[2:]
    assert "/graphql" in paths[2:]


def test_webserver_of_another_name_starts_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.delattr(app, "DagsterWebserver")
    monkeypatch.setattr(cli, "main", lambda: calls.append("webserver"))
    monkeypatch.delattr(dev, "open_ipc_subprocess")
    monkeypatch.setattr(_cli, "main", lambda: calls.append("dev"))
    private_pages.dev()
    private_pages.webserver()
    assert calls == ["dev", "webserver"]

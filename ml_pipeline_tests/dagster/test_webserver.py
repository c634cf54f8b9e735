"""Runs handed to a real webserver: taken, refused, followed."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.dagster.assets import FAILURES
from ml_pipeline.dagster.webserver import Progress, Webserver
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.errors import LaunchRefused, ParamsError, RemoteError, ServerUnreachable
from ml_pipeline.launch.run_request import RequestedRun, requested_run
from ml_pipeline_tests.e2e.server import ASSETS, Server, free_port

DAY = date(1998, 5, 31)
FAST = {"training": {"max_iter": 5}}


@pytest.fixture
def webserver(server: Server) -> Webserver:
    return Webserver(server.url)


def asked(params: dict[str, Any], *dates: date, selection: list[str] | None = None) -> RequestedRun:
    return requested_run(
        PIPELINE, PIPELINE.params.validate(params, "a test"), dates or (DAY,), selection
    )


def unusable(folder: Path) -> dict[str, Any]:
    """Return parameters whose source is there, but of no use."""
    source = folder / "orders.csv"
    source.write_text("nothing,of,use\n1,2,3\n")
    return {"data": {"source": str(source)}}


def with_config(params: dict[str, Any]) -> RequestedRun:
    """Return a run whose parameters nobody has checked."""
    return RequestedRun([DAY], {"resources": {"params": {"config": params}}}, ASSETS, {}, {})


# Taken


@pytest.mark.long
def test_launch_of_one_date_makes_all_assets_and_tells_of_each(webserver: Webserver) -> None:
    run = asked(FAST)
    heard: list[int] = []
    dagster_run_id = webserver.launch(run)
    ended = webserver.follow(dagster_run_id, lambda progress: heard.append(len(progress.made)))
    assert (ended.status, ended.is_over, ended.has_failed) == ("SUCCESS", True, False)
    assert [(made.asset, made.partition) for made in ended.made] == [
        (asset, str(DAY)) for asset in ASSETS
    ]
    evaluation = ended.made[-1].metadata
    assert evaluation["run_id"] == run.run_ids[DAY]
    assert evaluation["reused"] is False
    assert isinstance(evaluation["mape"], float)
    assert evaluation["origins"] == {"training.max_iter": "a test"}
    assert heard[0] == 0
    assert heard[-1] == len(ASSETS)


@pytest.mark.long
def test_launch_of_a_range_is_one_run(webserver: Webserver, server: Server) -> None:
    dates = [date(1998, 5, 30), DAY]
    ended = webserver.follow(webserver.launch(asked(FAST, *dates)))
    assert [(made.asset, made.partition) for made in ended.made] == [
        (asset, str(day)) for day in dates for asset in ASSETS
    ]


@pytest.mark.long
def test_launch_of_some_assets_makes_only_those(webserver: Webserver) -> None:
    ended = webserver.follow(webserver.launch(asked(FAST, selection=["orders"])))
    assert [made.asset for made in ended.made] == ["orders"]


@pytest.mark.long
def test_launch_at_an_address_with_a_slash_has_the_same_pages(webserver: Webserver) -> None:
    slashed = Webserver(f"{webserver.url}/")
    assert slashed.address("abc") == webserver.address("abc") == f"{webserver.url}/runs/abc"
    assert slashed.launch(asked(FAST, selection=["orders"]), location="ml_pipeline.definitions")


# Runs that fail


@pytest.mark.long
def test_follow_of_a_run_that_fails_has_its_reason(webserver: Webserver, tmp_path: Path) -> None:
    ended = webserver.follow(webserver.launch(asked(unusable(tmp_path))))
    assert ended.has_failed
    assert ended.made == []
    assert "orders.csv" in ended.failures[FAILURES][str(DAY)]
    assert ["orders.csv" in error for error in ended.errors] == [True, True]


@pytest.mark.long
def test_follow_of_no_run_says_so(webserver: Webserver) -> None:
    with pytest.raises(RemoteError, match="could not be found"):
        webserver.follow("00000000-0000-0000-0000-000000000000")


# Refused


@pytest.mark.long
def test_launch_with_bad_values_is_refused_in_the_words_of_the_client(
    webserver: Webserver, server: Server
) -> None:
    bad = {"training": {"learning_rate": 5, "max_dept": 3}, "dat": {}}
    before = len(server.runs())
    with pytest.raises(ParamsError) as here:
        PIPELINE.params.validate(bad)
    with pytest.raises(LaunchRefused) as there:
        webserver.launch(with_config(bad))
    assert str(there.value) == str(here.value).replace("launched", "computed")
    assert len(server.runs()) == before


@pytest.mark.long
def test_launch_with_config_of_no_shape_is_refused_in_dagsters_words(webserver: Webserver) -> None:
    with pytest.raises(LaunchRefused, match="must be dict"):
        webserver.launch(with_config({"training": 5}))


@pytest.mark.long
def test_launch_in_an_unknown_location_names_those_there_are(webserver: Webserver) -> None:
    with pytest.raises(LaunchRefused) as refused:
        webserver.launch(asked(FAST), location="elsewhere")
    assert str(refused.value) == (
        f"{webserver.url} must have the code location 'elsewhere', but has ml_pipeline.definitions."
    )


@pytest.mark.long
def test_launch_of_unknown_assets_is_refused(webserver: Webserver) -> None:
    run = RequestedRun([DAY], {}, ["modle"], {}, {})
    with pytest.raises(LaunchRefused, match="must have one code location with modle, but has"):
        webserver.launch(run)


# No webserver


@pytest.mark.parametrize("address", ["127.0.0.1:3000", "file:///etc/hosts", ""])
def test_launch_at_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ServerUnreachable, match="must begin with http:// or https://"):
        Webserver(address).launch(asked(FAST))


def test_launch_where_nobody_listens_says_how_to_start_a_webserver() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ServerUnreachable) as unreachable:
        Webserver(url).launch(asked(FAST))
    assert str(unreachable.value) == (
        f"A Dagster webserver must answer at {url}, but none can be reached:"
        " [Errno 111] Connection refused. `ml-pipeline ui` starts one; --url names another."
    )


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"[1, 2]", b"\xff", b""])
def test_launch_at_another_kind_of_server_says_what_it_answers(body: bytes) -> None:
    with (
        _answering(body) as url,
        pytest.raises(ServerUnreachable, match="but something else does"),
    ):
        Webserver(url).launch(asked(FAST))


def test_launch_at_another_graphql_says_what_it_lacks() -> None:
    body = b'{"data": null, "errors": [{"message": "Cannot query field repositoriesOrError"}]}'
    with _answering(body) as url, pytest.raises(RemoteError, match="Cannot query field"):
        Webserver(url).launch(asked(FAST))


def test_follow_of_a_webserver_that_is_gone_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml_pipeline.dagster.webserver._LONGEST_WAIT_S", 0.01)
    with pytest.raises(ServerUnreachable):
        Webserver(f"http://127.0.0.1:{free_port()}").follow("abc")


def test_follow_tells_what_the_log_of_a_run_warns_of() -> None:
    lines = [("INFO", "one date is done"), ("WARNING", "No Celery worker answers")]
    told = [{"__typename": "LogMessageEvent", "level": how, "message": said} for how, said in lines]
    connection = {"cursor": "2", "hasMore": False, "events": told}
    run = {"status": "SUCCESS", "eventConnection": connection}
    with _answering(json.dumps({"data": {"runOrError": run}}).encode()) as url:
        assert Webserver(url).follow("abc").warnings == ["No Celery worker answers"]


def test_progress_of_a_run_in_the_queue_is_not_over() -> None:
    assert not Progress().is_over
    assert not Progress().has_failed


@contextlib.contextmanager
def _answering(body: bytes) -> Iterator[str]:
    """Serve the same answer to everybody; yields the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()

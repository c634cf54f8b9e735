"""Marked secrets go through every door, and are found nowhere afterwards."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from ml_pipeline_tests.cli.conftest import CommandLine
from ml_pipeline_tests.e2e.server import Server, environment, wait_until
from ml_pipeline_tests.e2e.shop_server import (
    DAY,
    QUICK,
    backfilled,
    launched,
    serving_shop,
    start,
    written,
)
from ml_pipeline_tests.toys.shop import Search

pytestmark = pytest.mark.long

VARIABLE: Final = "Variable-Pa55Word/1"
MOUNTED: Final = "Mounted-Pa55Word/2"
LITERAL: Final = "Literal-Pa55Word/3"
ADDRESS: Final = "Address-Pa55Word4"
MARKS: Final = (VARIABLE, MOUNTED, LITERAL, ADDRESS)
URI: Final = f"https://ann:{ADDRESS}@shop/orders"
SIGNED: Final = f"https://shop/orders?X-Amz-Signature={ADDRESS}"
WRITTEN_BY_US: Final = ("literal.yaml", "rows.csv", "signed.yaml")
"""Files that hold a mark because somebody wrote it there."""

AT: Final = ("--as-of", DAY)
TABLES: Final = """
environment = "dev"
writable = ["dev", "blue"]
[environments.dev]
[environments.blue]
store = "blue"
reads = ["dev"]
"""
VARIABLES: Final = {
    **QUICK,
    "ML_PIPELINE_DAILY_CRON": "* * * * *",
    "SHOP_TOKEN": VARIABLE,
}
_ONE_AFTER_THE_OTHER = """
import json, sys
from ml_pipeline.cli.main import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        assert end.code == int(sys.argv[2]), (arguments, end.code)
"""
_EVERYTHING = """
{ runsOrError { ... on Runs { results { runId runConfigYaml tags { key value }
  eventConnection { events { __typename ... on MessageEvent { message }
    ... on ExecutionStepFailureEvent { error { message stack causes { message stack } } } } } } } }
}"""


@dataclass
class Leaky:
    """The project, a file with a secret outside of it, and all that was said."""

    folder: Path
    mounted: Path
    said: list[tuple[str, str]] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / ".ml_pipeline"

    def __call__(self, *arguments: str, codes: Sequence[int] = (0,), **variables: str) -> str:
        """Run a command; keep what it said."""
        done = CommandLine(self.folder)(*arguments, environment={**VARIABLES, **variables})
        assert done.code in codes, (arguments, done.code, done.out, done.err)
        self.said.append((" ".join(arguments[:3]), done.out + done.err))
        return done.out + done.err

    def in_one_process(self, commands: Sequence[Sequence[str]], code: int) -> None:
        """Run commands one after the other in one process, which starts once."""
        done = subprocess.run(
            [sys.executable, "-c", _ONE_AFTER_THE_OTHER, json.dumps(commands), str(code)],
            cwd=self.folder,
            env={**environment(self.home), **VARIABLES},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.said.append(("many commands", done.stdout + done.stderr))


@pytest.fixture
def leaky(tmp_path: Path) -> Leaky:
    folder = written(tmp_path / "project", TABLES)
    mounted = tmp_path / "mounted"
    mounted.write_text(f"{MOUNTED}\n")
    return Leaky(folder, mounted)


@pytest.fixture
def server(leaky: Leaky) -> Iterator[Server]:
    with serving_shop(leaky.folder, VARIABLES) as running:
        yield running


def test_secrets_are_used_through_every_door_and_found_nowhere(
    leaky: Leaky, server: Server, record_property: Any
) -> None:
    used = ("-p", f"certificate=file:{leaky.mounted}")
    _command_line(leaky, used)
    _refused(leaky)
    _webserver(leaky, server, used)
    search = Search(MARKS)
    for where, text in leaky.said:
        search.said(where, text)
    search.said("GraphQL", json.dumps(server.graphql(_EVERYTHING)))
    search.folder(leaky.folder, WRITTEN_BY_US)
    record_property("places_searched", search.places)
    print(f"{search.places} places were searched")
    assert search.found == []
    assert search.places > 1000


def _command_line(leaky: Leaky, used: Sequence[str]) -> None:
    run = leaky("run", *AT, *used, "--json")
    run_id = json.loads(run)["runs"][0]["run_id"]
    assert json.loads(run)["runs"][0]["artifacts"][1]["reused"] is False
    # What somebody's own code raises would show both.
    failed = leaky("run", *AT, *used, "-p", "fails=true", "-p", "pages=7", codes=[1])
    assert "ConnectionError: https://shop/?token=***&certificate=*** is refused" in failed
    leaky("run", *AT, *used, "--environment", "blue")
    leaky("run", "--from", "2026-01-06", "--to", "2026-01-08", *used, "-p", "fails=true", codes=[1])
    leaky("sweep", *AT, *used, "-p", "pages=1,2,3", "--json")
    leaky("sweep", *AT, *used, "-p", "pages=4,5", "-p", "fails=true", codes=[1])
    reading = [
        ("id", *AT, *used, "--json"),
        ("why", *AT, *used),
        ("run", "--like", run_id, "--dry-run"),
        ("params",),
        ("params", "--json"),
        ("params", "--template"),
        ("runs", "list", "--json"),
        ("runs", "list", "--environment", "blue"),
        ("runs", "show", run_id, "--json"),
        ("runs", "diff", f"{run_id}@dev", f"{run_id}@blue"),
        ("leaderboard", "--json"),
        ("leaderboard", "--csv", "board.csv", "--html", "board.html"),
        ("env", "check"),
        ("env", "list", "--json"),
        ("env", "show", "blue"),
        ("promote", run_id, "--to", "dev"),
        ("promotions", "--json"),
        ("card", run_id, "--html", "--out", "card.html"),
        ("export", "exported.parquet"),
        ("form", "--out", "form.html"),
        ("compare", f"{run_id}@dev", f"{run_id}@blue"),
        ("index", "rebuild"),
        ("index", "status", "--json"),
        ("doctor", "--json"),
        ("verify",),
        ("gc", "--older-than", "1d"),
        ("reproduce", run_id),
    ]
    leaky.in_one_process(reading, 0)


def _refused(leaky: Leaky) -> None:
    """Give what may not be given wherever it could be."""
    (leaky.folder / "literal.yaml").write_text(json.dumps({"shop": {"token": LITERAL}}))
    (leaky.folder / "rows.csv").write_text(f"pages,token\n1,{LITERAL}\n2,{LITERAL}\n")
    refused = [
        *(("run", *AT, "-p", f"{name}={LITERAL}") for name in ("token", "certificate")),
        ("run", *AT, "-p", f"token=vault:{LITERAL}"),
        ("run", *AT, "-p", f"token=env:{LITERAL}"),
        ("run", *AT, "-p", f"token=[{LITERAL}]"),
        ("run", *AT, "--params-file", "literal.yaml"),
        ("run", *AT, "--params-file", "literal.yaml", "-p", "pages=none"),
        ("sweep", *AT, "-p", f"token={LITERAL},{LITERAL}x"),
        ("sweep", *AT, "-p", f"token=choice({LITERAL})", "-p", "pages=1,2"),
        ("sweep", *AT, "--trials", "rows.csv"),
        ("id", *AT, "-p", f"token={LITERAL}", "--json"),
        ("launch", *AT, "-p", f"token={LITERAL}"),
        *(("run", *AT, "-p", f"address={uri}") for uri in (URI, SIGNED)),
        *(("launch", *AT, "--url", uri) for uri in (URI, SIGNED)),
        ("form", "--url", URI),
        ("runs", "show", f"@{URI}"),
        ("run", *AT, "--environment", URI),
        ("env", "show", URI),
        ("export", URI),
    ]
    leaky.in_one_process(refused, 2)
    # A literal that something else overrides leaves no trace of itself.
    leaky("run", *AT, "--params-file", "literal.yaml", "-p", "token=env:SHOP_TOKEN")
    leaky("env", "show", codes=[2], ML_PIPELINE_PARAMS=json.dumps({"shop": {"token": LITERAL}}))
    settings = (
        ("STORE", URI),
        ("STUDIES", f"postgresql://ann:{ADDRESS}@host/studies"),
        ("INBOX", SIGNED),
        ("INDEX", f"postgresql://ann:{ADDRESS}@host/index"),
        ("SCHEDULER", f"tcp://ann:{ADDRESS}@host:8786"),
        ("MLFLOW_TRACKING_URI", f"https://ann:{ADDRESS}@tracking"),
        ("OPENLINEAGE_URL", SIGNED),
        ("ENVIRONMENTS", json.dumps({"blue": {"store": URI}})),
        ("ENVIRONMENTS", json.dumps({"blue": {"sources": {"shop": SIGNED}}})),
        *(
            ("ENVIRONMENTS", json.dumps({"blue": {line: {"shop": {"token": given}}}}))
            for line, given in (("params", LITERAL), ("limits", LITERAL), ("limits", [LITERAL]))
        ),
    )
    for name, value in settings:
        leaky("env", "check", codes=[2], **{f"ML_PIPELINE_{name}": value})


def _webserver(leaky: Leaky, server: Server, used: Sequence[str]) -> None:
    leaky("launch", *AT, *used, "--url", server.url, "-p", "pages=11")
    leaky("launch", *AT, *used, "--url", server.url, "-p", "fails=true", codes=[1])
    leaky("launch", *AT, *used, "--url", server.url, "--sweep", "-p", "pages=12,13", "--json")
    shop = {"token": "env:SHOP_TOKEN", "certificate": f"file:{leaky.mounted}", "pages": 21}
    for given, is_launched in (
        (shop, True),
        (shop | {"fails": True, "pages": 22}, True),
        (shop | {"token": LITERAL}, False),
        (shop | {"address": URI}, False),
    ):
        answer = launched(server, {"shop": given})
        leaky.said.append(("GraphQL", json.dumps(answer)))
        assert (answer["__typename"] == "LaunchRunSuccess") is is_launched, answer
    backfill = backfilled(server, {"shop": shop})
    for kind, name in (("sensor", "requests"), ("schedule", "daily_window")):
        start(server, kind, name)
    inbox = leaky.home / "inbox"
    asked = {"as_of": DAY, "params": {"shop": shop | {"pages": 31}}}
    (inbox / "good.json").write_text(json.dumps(asked))
    for name, bad in (("literal.yaml", {"token": LITERAL}), ("signed.yaml", {"address": SIGNED})):
        (inbox / name).write_text(json.dumps({"as_of": DAY, "params": {"shop": bad}}) + "\n")
    for name in (
        "accepted/good.json.json",
        *(f"rejected/{n}.problems.txt" for n in WRITTEN_BY_US[::2]),
    ):
        wait_until((inbox / name).exists, 90, name)
    note = json.loads((inbox / "accepted" / "good.json.json").read_text())
    assert server.finished_run(note["dagster_run_id"])["status"] == "SUCCESS"
    assert server.finished_backfill(backfill["backfillId"])["status"] == "COMPLETED_SUCCESS"
    by_schedule = "dagster/schedule_name"
    wait_until(lambda: any(by_schedule in run["tags"] for run in server.runs()), 120, "schedule")
    running = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED"}
    wait_until(lambda: not any(run["status"] in running for run in server.runs()), 120, "quiet")

"""A marked secret goes through every door, and is found nowhere afterwards."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import click
import dagster as dg
import pytest

from ml_pipeline.cli.webservers import link_option
from ml_pipeline.dagster.webserver import Webserver
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.config import DataParams
from ml_pipeline.defs.requests import refused
from ml_pipeline.errors import MlPipelineError, ParamsError
from ml_pipeline.launch.drops import BadDrop, Drop
from ml_pipeline.launch.inbox import Inbox
from ml_pipeline.launch.request_document import Rules, read_request
from ml_pipeline.pipeline.datasets import orders_between
from ml_pipeline.settings import settings
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.sweeps.study_storage import exists
from ml_pipeline_tests.cli.conftest import CommandLine

SECRET = "Pa55Word"
LINKING = click.command()(link_option("where links lead")(lambda url: url))
ADDRESSES = [
    f"https://Ann:{SECRET}@127.0.0.1:1/o.csv",
    f"https://127.0.0.1:1/o.parquet?X-Amz-Signature={SECRET}",
]


def nowhere(folder: Path, *said: str) -> None:
    """Check that the secret is in no file and in nothing that was said, whatever its case."""
    for text in said:
        assert SECRET.lower() not in text.lower()
    for file in folder.rglob("*"):
        if file.is_file():
            assert SECRET.lower().encode() not in file.read_bytes().lower(), file


@pytest.mark.long
@pytest.mark.parametrize("address", ADDRESSES)
def test_credentials_on_the_command_line_and_in_files_are_refused_and_found_nowhere(
    address: str, cli: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "elsewhere.yaml"
    file.write_text(json.dumps({"data": {"source": address}, "training": {"seed": address}}))
    said = []
    for arguments in (
        ("run", "--as-of", "1998-05-31", "-p", f"source={address}"),
        ("run", "--as-of", "1998-05-31", "-p", f"source={address}{'x' * 2000}"),
        ("run", "--as-of", "1998-05-31", "-p", f"learning_rate={address}"),
        ("run", "--as-of", "1998-05-31", "--params-file", "elsewhere.yaml"),
        ("run", "--as-of", "1998-05-31", "-p", address),
        ("run", "--as-of", "1998-05-31", "-p", f"={address}"),
        ("run", "--as-of", address),
        ("run", address),
        ("run", "--like", address),
        ("run", "--params-file", address),
        (address,),
        ("runs", "show", address),
        ("promote", address, "--to", "production"),
        ("id", "--as-of", "1998-05-31", "-p", f"source={address}", "--json"),
        ("sweep", "--as-of", "1998-05-31", "-p", f"source=[sample, '{address}']"),
        ("launch", "--as-of", "1998-05-31", "-p", f"source={address}"),
        ("launch", "--as-of", "1998-05-31", "--url", address),
        ("leaderboard", "--url", address),
        ("export", address),
    ):
        done = cli(*arguments)
        assert done.code == 2, (arguments, done.err)
        said += [done.out, done.err]
    file.unlink()
    nowhere(tmp_path, *said)


@pytest.mark.long
@pytest.mark.parametrize("setting", ["store", "studies", "inbox", "sources", "request_sources"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_credentials_in_settings_are_refused_and_found_nowhere(
    setting: str, address: str, cli: CommandLine, tmp_path: Path
) -> None:
    value = {"sources": {"shop": address}, "request_sources": [address]}.get(setting, address)
    text = value if isinstance(value, str) else json.dumps(value)
    done = cli("run", environment={f"ML_PIPELINE_{setting.upper()}": text})
    assert (done.code, "must not carry credentials" in done.err) == (2, True)
    file = tmp_path / ".ml_pipeline" / "settings.toml"
    file.parent.mkdir(exist_ok=True)
    inline = f'{{shop = "{address}"}}' if isinstance(value, dict) else json.dumps(value)
    file.write_text(f"{setting} = {inline}\n")
    again = cli("leaderboard")
    assert (again.code, "must not carry credentials" in again.err) == (2, True)
    file.unlink()
    nowhere(tmp_path, done.out, done.err, again.out, again.err)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "door",
    [
        lambda address: DataParams(source=address),
        lambda address: PIPELINE.params.parse({"source": address}),
        lambda address: PIPELINE.params.validate({"data": {"source": f"{address}{'x' * 2000}"}}),
        lambda address: ArtifactStore(address),
        lambda address: exists("study", address),
        lambda address: Webserver(address),
        lambda address: orders_between(address, date.min, date.max),
        lambda address: LINKING.main(["--url", address], standalone_mode=False),
    ],
)
def test_credentials_from_python_are_refused_without_a_word_of_them(
    door: Callable[[str], object], address: str
) -> None:
    refused = "must not carry credentials|must be text of 1 to 1024 characters"
    with pytest.raises((MlPipelineError, ValueError), match=refused) as raised:
        door(address)
    error: BaseException | None = raised.value
    while error is not None:
        assert SECRET not in f"{error} {error!r}"
        error = error.__cause__


@pytest.mark.parametrize("address", ADDRESSES)
def test_credentials_in_run_config_are_refused_before_dagster_writes_them_down(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from ml_pipeline.definitions import defs

    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    job = defs.get_repository_def().get_job("__ASSET_JOB")
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        with pytest.raises(dg.DagsterError) as raised:
            job.execute_in_process(
                run_config={"resources": {"params": {"config": {"data": {"source": address}}}}},
                asset_selection=[dg.AssetKey("orders")],
                partition_key="1998-05-31",
                instance=instance,
            )
        assert instance.get_runs_count() == 0
    assert "must not carry credentials" in str(raised.value)
    nowhere(tmp_path, str(raised.value), *capfd.readouterr())


@pytest.mark.parametrize("address", ADDRESSES)
def test_credentials_in_a_request_file_are_refused_and_not_in_the_report(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    request = {"as_of": "1998-05-31", "params": {"source": address, "seed": address}}
    with pytest.raises(ParamsError) as raised:
        read_request(request, "a.json", Rules(PIPELINE, refuses=refused))
    settings.cache_clear()
    data = json.dumps(request).encode()
    inbox = Inbox(str(tmp_path / "inbox"))
    (tmp_path / "inbox" / "a.json").write_bytes(data)
    report = inbox.reject(BadDrop(Drop("a.json", len(data), 0, 9), data, raised.value.problems), "")
    (tmp_path / "inbox" / "rejected" / "a.json").unlink()
    assert "must not carry credentials" in (tmp_path / "inbox" / report).read_text()
    nowhere(tmp_path)


@pytest.mark.parametrize("command", [["form"], ["leaderboard", "--html", "page.html"]])
@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://me:word@host", "must not carry credentials"),
        ("javascript:alert(1)", "must begin with http:// or https://"),
    ],
)
def test_pages_have_no_links_to_what_is_no_webserver(
    command: list[str], url: str, problem: str, cli: CommandLine, tmp_path: Path
) -> None:
    done = cli(*command, "--url", url)
    assert (done.code, f"--url {problem}" in done.err) == (2, True)
    assert not list(tmp_path.glob("*.html"))

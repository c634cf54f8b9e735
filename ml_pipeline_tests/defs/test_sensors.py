"""The sensors of the reference pipeline on a real instance; runs are made as the daemon asks."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData

from ml_pipeline.dagster.requests_sensor import REQUEST_TAG
from ml_pipeline.definitions import defs, location
from ml_pipeline.defs.requests import problems_with_source
from ml_pipeline.defs.sensors import sensors
from ml_pipeline.errors import SettingsError
from ml_pipeline.launch.run_config import ORIGINS_TAG
from ml_pipeline.settings import settings
from ml_pipeline_tests.toys.dagster_site import temporary_instance

REQUESTS, NEW_DATA = "requests", "new_data"
LAST = date(1998, 6, 30)
GOOD = "as_of: 1998-05-31\nparams: {learning_rate: 0.2}\nselect: [orders]\n"


@dataclass
class Sensor:
    """A sensor with the cursor that the daemon would keep."""

    name: str
    instance: dg.DagsterInstance
    cursor: str | None = None

    def tick(self) -> SensorExecutionData:
        (sensor,) = (one for one in sensors(location()) if one.name == self.name)
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, definitions=defs
        ) as context:
            ticked = sensor.evaluate_tick(context)
        self.cursor = ticked.cursor
        return ticked

    def launch(self, request: dg.RunRequest) -> str:
        """Run what a tick has asked for."""
        done = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
            | dict(request.run_config),
            instance=self.instance,
            partition_key=request.partition_key,
            asset_selection=list(request.asset_selection or []),
            tags=dict(request.tags),
            raise_on_error=False,
        )
        return done.run_id


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in [name for name in os.environ if name.startswith("ML_PIPELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path))
    monkeypatch.setenv("ML_PIPELINE_INBOX_SETTLE_S", "0")
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with temporary_instance(tmp_path / "instance") as instance:
        yield instance


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def change(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"ML_PIPELINE_{name.upper()}", value)
        settings.cache_clear()

    return change


@pytest.fixture
def requests(instance: dg.DagsterInstance) -> Sensor:
    return Sensor(REQUESTS, instance)


@pytest.fixture
def inbox(home: Path) -> Path:
    (home / "inbox").mkdir()
    return home / "inbox"


def test_sensors_are_off_and_say_what_they_use(setting: Callable[..., None]) -> None:
    setting(params='{"training": {"learning_rate": 0.3}}', inbox="memory://requests")
    by_name = {sensor.name: sensor for sensor in sensors(location())}
    assert {s.default_status for s in by_name.values()} == {dg.DefaultSensorStatus.STOPPED}
    assert by_name[REQUESTS].description == (
        "Launches a run for every request file in memory://requests."
    )
    assert by_name[NEW_DATA].description == (
        "Runs the dates whose orders in sample are new or have changed."
        " Parameters: training.learning_rate=0.3."
    )
    assert {s.name for s in defs.sensors or []} == {REQUESTS, NEW_DATA, "serving_requests"}


def test_request_becomes_a_run_and_is_accepted_with_its_id(
    requests: Sensor, inbox: Path, instance: dg.DagsterInstance
) -> None:
    (inbox / "one.yaml").write_text(GOOD)
    (request,) = requests.tick().run_requests or []
    assert request.job_name == "__ASSET_JOB"
    assert request.partition_key == "1998-05-31"
    assert request.asset_selection == [dg.AssetKey("orders")]
    assert json.loads(request.tags[ORIGINS_TAG]) == {
        "training.learning_rate": "sensor requests (one.yaml)"
    }
    dagster_run_id = requests.launch(request)
    assert requests.tick().skip_message == "one.yaml accepted"
    note = json.loads((inbox / "accepted" / "one.yaml.json").read_text())
    assert note["dagster_run_id"] == dagster_run_id
    assert instance.get_run_by_id(dagster_run_id).status is dg.DagsterRunStatus.SUCCESS
    assert requests.tick().skip_message == f"no requests in {inbox}"


def test_request_for_a_range_is_one_run_request_with_its_dates(
    requests: Sensor, inbox: Path
) -> None:
    (inbox / "r.json").write_text('{"from": "1998-05-01", "to": "1998-05-31"}')
    (request,) = requests.tick().run_requests or []
    assert request.partition_key is None
    assert request.tags["dagster/asset_partition_range_start"] == "1998-05-01"
    assert request.tags["dagster/asset_partition_range_end"] == "1998-05-31"


def test_tick_repeated_before_the_run_exists_asks_for_the_same_run(
    requests: Sensor, inbox: Path
) -> None:
    (inbox / "one.yaml").write_text(GOOD)
    first = requests.tick().run_requests or []
    again = requests.tick().run_requests or []
    assert [request.run_key for request in first] == [request.run_key for request in again]
    assert (inbox / "one.yaml").exists()


def test_run_that_was_made_but_never_launched_is_asked_for_again(
    requests: Sensor, inbox: Path, instance: dg.DagsterInstance
) -> None:
    (inbox / "one.yaml").write_text(GOOD)
    (request,) = requests.tick().run_requests or []
    job = defs.resolve_implicit_global_asset_job_def()
    chosen = frozenset(request.asset_selection or ())
    run = instance.create_run_for_job(job, asset_selection=chosen, tags=dict(request.tags))
    assert run.status is dg.DagsterRunStatus.NOT_STARTED
    (again,) = requests.tick().run_requests or []
    assert again.run_key == request.run_key == again.tags[REQUEST_TAG]
    assert (inbox / "one.yaml").exists()


def test_request_asked_for_again_after_a_failure_runs_again(
    requests: Sensor, inbox: Path, instance: dg.DagsterInstance
) -> None:
    (inbox / "model.yaml").write_text("as_of: 1998-05-31\nselect: [model]\n")
    (request,) = requests.tick().run_requests or []
    failed = requests.launch(request)
    assert instance.get_run_by_id(failed).status is dg.DagsterRunStatus.FAILURE
    requests.tick()
    (inbox / "accepted" / "model.yaml").rename(inbox / "model.yaml")
    (again,) = requests.tick().run_requests or []
    assert again.run_key != request.run_key
    second = requests.launch(again)
    requests.tick()
    note = json.loads((inbox / "accepted" / "model.yaml.json").read_text())
    assert (note["dagster_run_id"], note["earlier"]) == (second, [failed])


def test_bad_request_is_told_by_the_tick_and_beside_the_file(requests: Sensor, inbox: Path) -> None:
    (inbox / "bad.yaml").write_text(
        "as_of: 1999-01-01\nparams:\n  training: {learning_rat: 1}\n  data: {source: ../x.csv}\n"
    )
    told = requests.tick().skip_message or ""
    assert told.startswith("bad.yaml was rejected: as_of must be a day from 1997-01-01 to")
    assert told.endswith("(rejected/bad.yaml.problems.txt)")
    text = (inbox / "rejected" / "bad.yaml.problems.txt").read_text()
    assert "- 'training.learning_rat' does not exist. Did you mean 'learning_rate'?" in text
    assert (
        "- data.source must be one of sample, or lie in a place that ML_PIPELINE_REQUEST_SOURCES"
        " allows (none so far), but got '../x.csv'" in text
    )
    assert "as_of: 1998-06-30\nparams:\n" in text


def test_tick_with_only_rejected_files_names_each_in_its_reason_once(
    requests: Sensor, inbox: Path
) -> None:
    (inbox / "date.yaml").write_text("as_of: soon\n")
    (inbox / "name.json").write_text('{"as_of": "1998-05-31", "params": {"max_dept": 4}}')
    (inbox / "text.yaml").write_text("as_of: [1998-05-31\n")
    ticked = requests.tick()
    assert ticked.run_requests == []
    told = ticked.skip_message or ""
    for name, problem in (
        ("date.yaml", "as_of must be a date"),
        ("name.json", "'max_dept' does not exist. Did you mean 'max_depth'?"),
        ("text.yaml", ""),
    ):
        assert f"{name} was rejected: {problem}" in told
        assert f"(rejected/{name}.problems.txt)" in told
    assert len(requests.cursor or "") in range(1, 100)
    assert requests.tick().skip_message == f"no requests in {inbox}"


def test_name_of_a_request_that_acts_upon_a_terminal_is_told_escaped(
    requests: Sensor, inbox: Path
) -> None:
    (inbox / "a\x1b[31m\nb.yaml").write_text(GOOD)
    assert '"a\\u001b[31m\\nb.yaml" was rejected' in (requests.tick().skip_message or "")


def test_rejection_in_a_tick_that_launches_is_told_by_the_next(
    requests: Sensor, inbox: Path
) -> None:
    (inbox / "bad.yaml").write_text("as_of: soon\n")
    (inbox / "good.yaml").write_text(GOOD)
    (request,) = requests.tick().run_requests or []
    requests.launch(request)
    told = requests.tick().skip_message or ""
    assert told.startswith("bad.yaml was rejected: as_of must be a date")
    assert told.endswith("; good.yaml accepted")


def test_tick_with_files_that_cannot_be_moved_says_so_and_launches_the_others(
    requests: Sensor, inbox: Path
) -> None:
    (inbox / "bad.yaml").write_text("as_of: soon\n")
    (inbox / "rejected" / "bad.yaml" / "in the way").mkdir(parents=True)
    (inbox / "good.yaml").write_text(GOOD)
    (request,) = requests.tick().run_requests or []
    assert request.partition_key == "1998-05-31"
    requests.launch(request)
    said = requests.tick().skip_message or ""
    assert "good.yaml accepted" in said
    assert "bad.yaml is stuck" in said


def test_cursor_stays_short_however_much_there_is_to_remember(
    requests: Sensor, inbox: Path, setting: Callable[..., None]
) -> None:
    setting(inbox_settle_s="3600")
    for number in range(200):
        (inbox / f"a request with a long name, number {number}.yaml").write_text(GOOD)
    requests.tick()
    assert requests.cursor is not None
    assert len(requests.cursor) <= 64
    setting(inbox_settle_s="0")
    assert len(requests.tick().run_requests or []) == settings().requests_per_tick


def test_many_requests_are_launched_in_bounded_ticks(
    requests: Sensor, inbox: Path, setting: Callable[..., None]
) -> None:
    setting(requests_per_tick="3")
    for number in range(8):
        (inbox / f"{number}.yaml").write_text(GOOD)
    assert len(requests.tick().run_requests or []) == 3


def test_unreachable_inbox_is_a_skipped_tick_with_the_reason(
    requests: Sensor, home: Path, setting: Callable[..., None]
) -> None:
    (home / "file").write_text("")
    setting(inbox=str(home / "file" / "inbox"))
    assert "Could not open the inbox" in (requests.tick().skip_message or "")


def test_request_sources_allow_names_and_what_lies_in_places(
    home: Path, setting: Callable[..., None]
) -> None:
    data = home / "data"
    data.mkdir()
    (data / "a.csv").write_text("customer_id,ordered_at,amount\n")
    (data / "out").symlink_to(home)
    linked = home / "linked"
    linked.mkdir()
    (home / "secret.csv").write_text("customer_id,ordered_at,amount\n")
    (linked / "a.csv").symlink_to(home / "secret.csv")
    setting(
        sources=json.dumps({"shop": str(data / "a.csv"), "gone": "/anywhere"}),
        request_sources=json.dumps([str(data), str(linked), "s3://bucket/orders"]),
    )
    allowed = ["sample", "shop", str(data), f"{data}/a.csv", f"file://{data}/a.csv"]
    allowed += ["s3://bucket/orders", "s3://bucket/orders/1998", "S3://bucket/x/../orders/1998"]
    allowed += [None, 3]
    refused = ["gone", f"{data}/b.csv", str(linked), f"{linked}/a.csv", f"{data}a/a.csv"]
    refused += ["store", "/etc/passwd", f"{data}/../x.csv", f"{data}2/a.csv", f"{data}/out/x.csv"]
    refused += ["s3://bucket/orders2", "s3://bucket/orders/../secret", "s3://other/orders/x"]
    refused += ["s3://bucket/orders/%2e%2e/secret", "http://bucket/orders", "~/x", "a\0b"]
    assert [source for source in allowed if list(problems_with_source(source))] == []
    assert [source for source in refused if not list(problems_with_source(source))] == []


def test_nearest_configured_source_is_named(setting: Callable[..., None]) -> None:
    setting(sources='{"shop": "/anywhere"}')
    assert list(problems_with_source("shpo")) == [
        "data.source must be one of sample, shop, but got 'shpo'. Did you mean 'shop'?"
    ]


def test_standing_parameters_that_are_refused_stop_the_definitions(
    setting: Callable[..., None], home: Path
) -> None:
    setting(params='{"training": {"learning_rate": 7, "dept": 1}}')
    with pytest.raises(SettingsError) as caught:
        sensors(location())
    message = str(caught.value)
    assert "params: 'training.dept' does not exist." in message
    assert "training.learning_rate must be number > 0 and <= 1, but got 7" in message
    assert f"Correct the variable ML_PIPELINE_PARAMS or {home}/settings.toml." in message


@dataclass
class Shop:
    """Orders in a file, one line a day."""

    file: Path

    def write(self, days: dict[date, int]) -> None:
        lines = [f"1,{day},{amount}" for day, amount in days.items()]
        self.file.write_text("\n".join(["customer_id,ordered_at,amount", *lines, ""]))


@pytest.fixture
def shop(home: Path, setting: Callable[..., None]) -> Shop:
    file = home / "shop.csv"
    params = {"data": {"source": str(file)}, "training": {"learning_rate": 0.3}}
    setting(params=json.dumps(params), dates_per_run="5")
    return Shop(file)


@pytest.fixture
def new_data(instance: dg.DagsterInstance) -> Sensor:
    return Sensor(NEW_DATA, instance)


def _ranges(ticked: SensorExecutionData) -> list[tuple[str | None, str | None]]:
    return [
        (
            request.tags.get("dagster/asset_partition_range_start", request.partition_key),
            request.tags.get("dagster/asset_partition_range_end"),
        )
        for request in ticked.run_requests or []
    ]


def test_new_and_changed_days_are_run_with_the_standing_parameters(
    new_data: Sensor, shop: Shop
) -> None:
    days = {date(1998, 3, 1) + timedelta(days=n): 10 for n in range(30)}
    shop.write(days)
    first = new_data.tick()
    assert first.skip_message == f"first look at {shop.file}: 30 days are there, none is run"
    assert new_data.tick().skip_message == f"no day of {shop.file} is new or has changed"

    days[date(1998, 3, 3)] = 99
    days |= {date(1998, 4, 1) + timedelta(days=n): 10 for n in range(7)}
    shop.write(days)
    ticked = new_data.tick()
    assert _ranges(ticked) == [
        ("1998-03-03", None),
        ("1998-04-01", "1998-04-05"),
        ("1998-04-06", "1998-04-07"),
    ]
    config = (ticked.run_requests or [])[0].run_config["resources"]["params"]["config"]
    assert config == {"data": {"source": str(shop.file)}, "training": {"learning_rate": 0.3}}
    origins = json.loads((ticked.run_requests or [])[0].tags[ORIGINS_TAG])
    assert origins["training.learning_rate"] == "settings"
    assert new_data.tick().run_requests == []


def test_tick_that_died_asks_for_the_same_runs_and_the_next_change_for_others(
    new_data: Sensor, shop: Shop
) -> None:
    day = date(1998, 3, 3)
    shop.write({day: 1})
    new_data.tick()
    keys = []
    for amount in (2, 1, 2):
        shop.write({day: amount})
        before = new_data.cursor
        (request,) = new_data.tick().run_requests or []
        after, new_data.cursor = new_data.cursor, before
        (again,) = new_data.tick().run_requests or []
        assert request.run_key == again.run_key
        assert new_data.cursor == after
        keys.append(request.run_key)
    assert len(set(keys)) == 3


def test_more_new_days_than_a_tick_launches_are_left_for_the_next(
    new_data: Sensor, shop: Shop
) -> None:
    days = {date(1998, 1, 1): 10}
    shop.write(days)
    new_data.tick()
    days |= {date(1998, 2, 1) + timedelta(days=2 * n): 10 for n in range(14)}
    shop.write(days)
    assert len(_ranges(new_data.tick())) == 10
    assert len(_ranges(new_data.tick())) == 4
    assert _ranges(new_data.tick()) == []


def test_days_outside_the_calendar_are_not_run(new_data: Sensor, shop: Shop) -> None:
    shop.write({LAST: 1})
    new_data.tick()
    shop.write({LAST: 1, LAST + timedelta(days=1): 1, date(1996, 12, 31): 1})
    assert new_data.tick().run_requests == []


def test_unreachable_source_is_a_skipped_tick_that_forgets_nothing(
    new_data: Sensor, shop: Shop
) -> None:
    shop.write({LAST: 1})
    new_data.tick()
    content = shop.file.read_text()
    shop.file.unlink()
    assert "A source must exist, but there is nothing at" in (new_data.tick().skip_message or "")
    shop.file.write_text(content.replace(",1\n", ",2\n"))
    assert _ranges(new_data.tick()) == [(str(LAST), None)]


def test_another_source_is_looked_at_for_the_first_time(
    new_data: Sensor, shop: Shop, setting: Callable[..., None]
) -> None:
    shop.write({LAST: 1})
    new_data.tick()
    setting(params="{}")
    told = new_data.tick().skip_message or ""
    assert told.startswith("first look at sample: 546 days are there")

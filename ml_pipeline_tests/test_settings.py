import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pydantic
import pytest

from ml_pipeline.errors import SettingsError
from ml_pipeline.places import Place
from ml_pipeline.settings import Settings, home, settings

UNREADABLE = Path("/proc/self/mem")


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start in an empty folder, with no variable set and nothing remembered."""
    for name in [name for name in os.environ if name.upper().startswith("ML_PIPELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def home_folder(tmp_path: Path) -> Path:
    folder = tmp_path / ".ml_pipeline"
    folder.mkdir()
    return folder


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        settings()
    return str(caught.value)


def test_settings_without_any_are_the_defaults(tmp_path: Path) -> None:
    found = settings()
    assert found.home == tmp_path / ".ml_pipeline"
    assert found.store_root == str(tmp_path / ".ml_pipeline" / "artifacts")
    assert found.instance_directory == tmp_path / ".ml_pipeline" / "dagster"
    assert (found.start_date, found.end_date) == (date(1997, 1, 1), date(1998, 6, 30))
    assert found.dates_per_run == 32
    assert dict(found.sources) == {}
    assert list(tmp_path.iterdir()) == []


def test_inbox_is_in_the_home_folder_unless_it_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings().inbox_root == str(tmp_path / ".ml_pipeline" / "inbox")
    settings.cache_clear()
    monkeypatch.setenv("ML_PIPELINE_INBOX", "s3://bucket/inbox")
    assert settings().inbox_root == "s3://bucket/inbox"


def test_standing_parameters_and_the_weekly_sweep_are_tables_of_the_file(
    home_folder: Path,
) -> None:
    (home_folder / "settings.toml").write_text(
        'request_sources = ["/data/orders"]\n'
        "[params.training]\n"
        "learning_rate = 0.2\n"
        "[weekly_sweep.params]\n"
        "max_depth = [2, 3]\n"
    )
    found = settings()
    assert found.params == {"training": {"learning_rate": 0.2}}
    assert found.weekly_sweep == {"params": {"max_depth": [2, 3]}}
    assert list(found.request_sources) == ["/data/orders"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INBOX_INTERVAL_S", "0"),
        ("INBOX_SETTLE_S", "-1"),
        ("REQUESTS_PER_TICK", "1001"),
        ("DAILY_DAYS", "0"),
        ("PARAMS", '{"learning_rate": 0.2}'),
        ("REQUEST_SOURCES", "/data"),
    ],
)
def test_setting_of_sensors_and_schedules_out_of_bounds_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ML_PIPELINE_{name}", value)
    assert name.lower() in refusal()


def test_home_follows_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_HOME", "elsewhere")
    assert home() == tmp_path / "elsewhere"
    assert settings().home == tmp_path / "elsewhere"
    assert settings().store_root == str(tmp_path / "elsewhere" / "artifacts")
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("ML_PIPELINE_HOME", "~/ml")
    settings.cache_clear()
    assert settings().home == home() == tmp_path / "user" / "ml"


def test_empty_home_variable_counts_as_unset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PIPELINE_HOME", "")
    assert home() == tmp_path / ".ml_pipeline"
    assert settings().home == home()


def test_file_in_the_home_folder_beats_the_defaults(home_folder: Path) -> None:
    (home_folder / "settings.toml").write_text(
        'store = "s3://bucket/prefix"\n'
        "start_date = 2020-01-01\n"
        'end_date = "today"\n'
        "dates_per_run = 7\n"
        "[sources]\n"
        'shop = "s3://data/orders"\n'
    )
    found = settings()
    assert found.store_root == "s3://bucket/prefix"
    assert (found.start_date, found.end_date) == (date(2020, 1, 1), "today")
    assert found.dates_per_run == 7
    assert dict(found.sources) == {"shop": "s3://data/orders"}


def test_sources_may_say_what_they_call_their_columns(home_folder: Path) -> None:
    (home_folder / "settings.toml").write_text(
        "[sources]\n"
        'plain = "s3://data/orders"\n'
        "[sources.shop]\n"
        'location = "/data/shop.csv"\n'
        'columns = {customer_id = "Customer ID", amount = "Quantity * Price"}\n'
    )
    found = settings().sources
    assert found["plain"] == "s3://data/orders"
    columns = {"customer_id": "Customer ID", "amount": "Quantity * Price"}
    assert found["shop"] == Place(location="/data/shop.csv", columns=columns)
    assert str(found["shop"]) == (
        "/data/shop.csv (amount = Quantity * Price, customer_id = Customer ID)"
    )


def test_sources_that_are_written_wrongly_are_refused_by_what_is_wrong(home_folder: Path) -> None:
    (home_folder / "settings.toml").write_text("[sources.shop]\nlocaton = '/data/shop.csv'\n")
    with pytest.raises(SettingsError) as raised:
        settings()
    assert "sources: Field required, got {'locaton': " in str(raised.value)
    assert "valid string" not in str(raised.value)


def test_file_is_looked_for_in_the_home_that_the_variable_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "settings.toml").write_text("dates_per_run = 9\n")
    monkeypatch.setenv("ML_PIPELINE_HOME", str(tmp_path / "other"))
    assert settings().dates_per_run == 9


def test_variable_beats_the_file(home_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home_folder / "settings.toml").write_text('store = "file"\ndates_per_run = 7\n')
    monkeypatch.setenv("ML_PIPELINE_STORE", "variable")
    monkeypatch.setenv("ML_PIPELINE_END_DATE", "1998-05-31")
    monkeypatch.setenv("ML_PIPELINE_SOURCES", '{"shop": "/data"}')
    found = settings()
    assert found.store_root == "variable"
    assert found.dates_per_run == 7
    assert found.end_date == date(1998, 5, 31)
    assert dict(found.sources) == {"shop": "/data"}


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = settings()
    monkeypatch.setenv("ML_PIPELINE_STORE", "later")
    assert settings() is first
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        first.store = "x"


def test_unknown_name_in_the_file_is_refused(tmp_path: Path, home_folder: Path) -> None:
    (home_folder / "settings.toml").write_text('stroe = "x"\ndates_per_run = 7\n')
    assert refusal() == (
        "Settings cannot be used:\n"
        "  stroe: does not exist. Did you mean 'store'?\n"
        f"Correct the variable ML_PIPELINE_<NAME> or {tmp_path}/.ml_pipeline/settings.toml."
    )


def test_several_wrong_settings_are_reported_together(
    tmp_path: Path, home_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home_folder / "settings.toml").write_text('start_date = "soon"\nnovelty = 1\n')
    monkeypatch.setenv("ML_PIPELINE_DATES_PER_RUN", "0")
    assert refusal() == (
        "Settings cannot be used:\n"
        "  start_date: Input should be a valid date or datetime, input is too short, got 'soon'\n"
        "  dates_per_run: Input should be greater than or equal to 1, got '0'\n"
        "  novelty: does not exist.\n"
        f"Correct the variable ML_PIPELINE_<NAME> or {tmp_path}/.ml_pipeline/settings.toml."
    )


def test_end_date_that_is_no_date_is_one_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_END_DATE", "tomorrow")
    assert refusal().count("tomorrow") == 1


def test_end_date_that_is_no_date_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_END_DATE", "1998-02-30")
    message = refusal()
    assert "end_date" in message
    assert "got '1998-02-30'" in message
    assert "day value is outside expected range" in message


def test_end_before_start_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_START_DATE", "1998-07-01")
    message = refusal()
    assert message.startswith(
        "Settings cannot be used:\n"
        "  end_date: it must not be before start_date, which is 1998-07-01, got 1998-06-30"
    )
    assert message.endswith(
        f"Correct the variable ML_PIPELINE_<NAME> or {tmp_path}/.ml_pipeline/settings.toml."
    )


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TIMEZONE", "Europe/Berln", "timezone: it must be a time zone such as Europe/Berlin. Did"),
        ("TIMEZONE", "", "timezone: it must be a time zone such as Europe/Berlin, got ''"),
        (
            "TIMEZONE",
            "../etc/passwd",
            "timezone: it must be a time zone such as Europe/Berlin, got",
        ),
        ("TIMEZONE", "Europe", "timezone: it must be a time zone such as Europe/Berlin. Did"),
        ("START_DATE", "0001-01-01", "start_date: Input should be greater than or equal to 1900"),
        ("END_DATE", "9999-12-31", "end_date: Input should be less than or equal to 2999"),
    ],
)
def test_setting_that_nothing_could_work_with_is_refused(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ML_PIPELINE_{name}", value)
    assert refusal().startswith(f"Settings cannot be used:\n  {told}")


def test_wrong_settings_and_unknown_variables_are_reported_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (
        ("START_DATE", "1999-01-01"),
        ("TIMEZONE", "Europe/Nowhere"),
        ("DATES_PER_RUN", "0"),
        ("TIMEZON", "UTC"),
    ):
        monkeypatch.setenv(f"ML_PIPELINE_{name}", value)
    lines = refusal().splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == [
        "'ML_PIPELINE_TIMEZON'",
        "end_date:",
        "dates_per_run:",
        "timezone:",
    ]


def test_calendar_of_one_day_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_START_DATE", "1998-06-30")
    assert settings().start_date == settings().end_date


@pytest.mark.parametrize("content", [b"store = \n", b"not toml", b"store = 'a'\nstore = 'b'\n"])
def test_file_that_is_no_toml_is_refused(tmp_path: Path, home_folder: Path, content: bytes) -> None:
    (home_folder / "settings.toml").write_bytes(content)
    message = refusal()
    assert message.startswith("Settings cannot be used:\n  ")
    assert "line 1" in message or "line 2" in message
    assert message.endswith(
        f"Correct the variable ML_PIPELINE_<NAME> or {tmp_path}/.ml_pipeline/settings.toml."
    )


def test_file_that_is_no_text_is_refused(home_folder: Path) -> None:
    (home_folder / "settings.toml").write_bytes(b"store = '\xff'\n")
    assert "decode" in refusal()


@pytest.mark.skipif(not UNREADABLE.exists(), reason="no file is there that root cannot read")
def test_file_that_cannot_be_read_is_refused_and_not_taken_for_none(home_folder: Path) -> None:
    (home_folder / "settings.toml").symlink_to(UNREADABLE)
    assert refusal().startswith("Settings cannot be used:\n  [Errno")


def test_variable_that_is_no_json_where_a_mapping_is_due_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ML_PIPELINE_SOURCES", "shop=/data")
    message = refusal()
    assert "sources" in message
    assert "Correct the variable ML_PIPELINE_<NAME>" in message


@pytest.mark.parametrize("value", ["", "many", "0", "10001", "1.5"])
def test_dates_per_run_out_of_bounds_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ML_PIPELINE_DATES_PER_RUN", value)
    assert f"dates_per_run: Input should be {'' if value.isdigit() else 'a valid integer'}" in (
        refusal()
    )


def test_variable_with_an_unknown_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PIPELINE_STROE", "s3://bucket")
    assert "STORE" in refusal()


def test_home_in_the_file_of_the_home_is_refused(home_folder: Path) -> None:
    (home_folder / "settings.toml").write_text('home = "elsewhere"\n')
    assert settings().home == home()


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []

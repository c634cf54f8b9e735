"""Settings of an installation: where things live and which days there are.

Each is an environment variable ``ML_PIPELINE_<NAME>``, or a line in ``settings.toml`` in the home
folder; the variable wins. None of them is part of a run's identity.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import pydantic
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ml_pipeline.addresses import refusal_of, web_or_nothing, without_credentials
from ml_pipeline.environment_tables import read_environments
from ml_pipeline.environments import Environment, Environments
from ml_pipeline.errors import SettingsError, nearest
from ml_pipeline.invocation import MODULE_VARIABLE, PAGES_VARIABLE
from ml_pipeline.places import Source
from ml_pipeline.projects import placed, project_file
from ml_pipeline.text import quoted

_PREFIX: Final = "ML_PIPELINE_"
HOME_VARIABLE: Final = f"{_PREFIX}HOME"
_DEFAULT_HOME: Final = ".ml_pipeline"
_NO_INDEX: Final = "none"
_TOLD: Final = "told_in_full"
"""Type of errors whose message is the whole of what is to be said."""

# Days are counted back and forth from those of the calendar, so some years have to be left.
_FIRST_DAY: Final = date(1900, 1, 1)
_LAST_DAY: Final = date(2999, 12, 31)


def home() -> Path:
    """Return the folder that everything lives under, absolute: the project's, where there is one.

    Raises:
        SettingsError: if a project cannot be read.
    """
    if given := os.environ.get(HOME_VARIABLE):
        return Path(given).expanduser().absolute()
    project = project_file()
    return (project.folder if project is not None else Path.cwd()) / _DEFAULT_HOME


class Settings(BaseSettings):
    """What an installation can set."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    home: Path = Field(default_factory=home, description="folder that everything lives under")
    store: str = Field(
        default="", description="directory or URI of the artifacts; <home>/artifacts if empty"
    )
    start_date: Annotated[date, Field(ge=_FIRST_DAY, le=_LAST_DAY)] = Field(
        default=date(1997, 1, 1), description="first day of the calendar"
    )
    end_date: Annotated[date, Field(ge=_FIRST_DAY, le=_LAST_DAY)] | Literal["today"] = Field(
        default=date(1998, 6, 30), description="last day of the calendar, or today"
    )
    dates_per_run: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=32, description="most dates that a backfill puts into one Dagster run"
    )
    sources: Mapping[str, Source] = Field(
        default_factory=dict,
        description="places of orders by the name that `source` may use, with their columns where"
        " these have other names",
    )

    inbox: str = Field(
        default="", description="directory or URI of request files; <home>/inbox if empty"
    )
    inbox_interval_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=10, description="seconds between looks into the inbox"
    )
    inbox_settle_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=5.0, description="seconds for which a request file must have been still"
    )
    requests_per_tick: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=50, description="most runs that one look into the inbox launches"
    )
    request_sources: Sequence[str] = Field(
        default=(),
        description="folders and URIs that the `source` of a request may be in, besides names",
    )
    params: Mapping[str, Mapping[str, Any]] = Field(
        default_factory=dict,
        description="standing parameters of this environment, for schedules and new data",
    )
    source_interval_s: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=60, description="seconds between looks for new days in the source"
    )
    daily_cron: str = Field(default="0 6 * * *", description="when the daily schedule runs")
    daily_days: Annotated[int, Field(ge=1, le=3660)] = Field(
        default=7, description="how many last days the daily schedule keeps complete"
    )
    weekly_cron: str = Field(default="0 8 * * 1", description="when the weekly sweep runs")
    weekly_days: Annotated[int, Field(ge=1, le=3660)] = Field(
        default=28, description="how many last days the weekly sweep covers"
    )
    weekly_sweep: Mapping[str, Any] = Field(
        default_factory=dict,
        description="params and search of the weekly sweep, as in a request file; {} for none;"
        " what the pipeline's author wants if it is not set",
    )
    studies: str = Field(
        default="", description="directory or database of Optuna's studies; <home>/studies if empty"
    )
    index: str = Field(
        default="",
        description="`postgresql://` URL of the database with the index of runs, or none for no"
        " index; <home>/index.db if empty",
    )
    scheduler: str = Field(
        default="",
        description="Dask scheduler that computes sweeps, or its JSON file; this machine if empty",
    )
    instance: str = Field(
        default="", description="folder of Dagster's instance; <home>/dagster if empty"
    )
    executor: str = Field(
        default="in_process", description="executor of the code location's runs, by its name"
    )
    executor_config: Mapping[str, Any] = Field(
        default_factory=dict, description="config of that executor, such as its broker"
    )
    retention: Mapping[str, Any] = Field(
        default_factory=dict, description="after which age what goes; nothing if empty"
    )
    environment: str | None = Field(
        default=None, description="environment that runs are in unless they say otherwise"
    )
    writable: Sequence[str] | None = Field(
        default=None,
        description="environments that runs of this deployment may write to; `environment` alone"
        " if not set",
    )
    mlflow_tracking_uri: str | None = Field(
        default=None,
        description="address of the MLflow server that is told of results; MLFLOW_TRACKING_URI if"
        " not set, and none at all if empty",
    )
    environments: Environments = Field(
        default=("staging", "production"),
        validate_default=True,
        description="tables of environments by name; or names that runs can be promoted to",
    )
    openlineage_url: Annotated[str, AfterValidator(web_or_nothing)] | None = Field(
        default=None,
        description="address of the OpenLineage server that is told of what is computed;"
        " OPENLINEAGE_URL if not set, and none at all if empty",
    )
    mlflow_wait_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=0.0,
        description="seconds that a run waits in the end until MLflow has been told of everything",
    )
    preview_rows: Annotated[int, Field(ge=0, le=100)] = Field(
        default=5, description="first rows of a table that its materialization shows; 0 for none"
    )
    timezone: str = Field(default="UTC", description="time zone of the schedules")

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _no_credentials(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        if (problem := refusal_of(str(info.field_name), value)) is not None:
            raise ValueError(problem)
        return value

    @pydantic.field_validator("environments", mode="plain")
    @classmethod
    def _environments_fit_together(cls, raw: Any, info: pydantic.ValidationInfo) -> Environments:
        # What could not be read is told already.
        folder, store, studies = (str(info.data.get(n, "")) for n in ("home", "store", "studies"))
        base = Environment(
            "",
            placed(store) if store else f"{folder}/artifacts",
            placed(studies) if studies else f"{folder}/studies",
            info.data.get("sources", {}),
            info.data.get("params", {}),
            retention=info.data.get("retention", {}),
            mlflow_tracking_uri=info.data.get("mlflow_tracking_uri"),
        )
        try:
            return read_environments(raw, base, *map(info.data.get, ("environment", "writable")))
        except ValueError as error:
            raise PydanticCustomError(_TOLD, "{lines}", {"lines": str(error)}) from None

    @pydantic.field_validator("index")
    @classmethod
    def _index_is_known(cls, place: str) -> str:
        if place not in ("", _NO_INDEX) and not place.startswith(("postgresql://", "postgres://")):
            raise ValueError("it must be a postgresql:// URL, none, or empty")
        return place

    @pydantic.field_validator("end_date")
    @classmethod
    def _calendar_has_a_day(
        cls, end: date | Literal["today"], info: pydantic.ValidationInfo
    ) -> date | Literal["today"]:
        start = info.data.get("start_date")
        if isinstance(end, date) and start is not None and end < start:
            raise ValueError(f"it must not be before start_date, which is {start}")
        return end

    @pydantic.field_validator("timezone")
    @classmethod
    def _time_zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            hint = nearest(name, available_timezones())
            rule = f"it must be a time zone such as Europe/Berlin.{hint}".rstrip(". ")
            raise ValueError(rule) from None
        return name

    @property
    def store_root(self) -> str:
        """Directory or URI of the artifacts where no environment says otherwise."""
        return self.environments.base.store

    @property
    def studies_root(self) -> str:
        """Directory or database URL of Optuna's studies where no environment says otherwise."""
        return self.environments.base.studies

    @property
    def index_place(self) -> str | None:
        """File or database URL of the index of runs; None where there is to be none."""
        return None if self.index == _NO_INDEX else self.index or str(self.home / "index.db")

    @property
    def inbox_root(self) -> str:
        """Directory or URI of request files."""
        return placed(self.inbox) if self.inbox else str(self.home / "inbox")

    @property
    def instance_directory(self) -> Path:
        """Folder of the Dagster instance."""
        return Path(placed(self.instance)) if self.instance else self.home / "dagster"

    def form(self, pipeline: str) -> Path:
        """File of the page that fills in runs of a pipeline, which `ml-pipeline ui` writes."""
        return self.home / f"form-{pipeline}.html"

    @property
    def logs_directory(self) -> Path:
        """Folder of what runs on the command line print."""
        return self.home / "logs"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take environment variables first, then the file in the home folder."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=home() / "settings.toml")
        return init_settings, env_settings, file

    @pydantic.model_validator(mode="before")
    @classmethod
    def _home_is_where_the_file_was_found(cls, values: Any) -> Any:
        return {**values, "home": home()}


@cache
def settings() -> Settings:
    """Return the settings of this process, read once.

    Raises:
        SettingsError: naming every setting that cannot be used.
    """
    problems = _unknown_variables()
    try:
        loaded = Settings()
    except pydantic.ValidationError as error:
        first: dict[str, str] = {}
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0]) if detail["loc"] else "settings"
            if detail["type"] == _TOLD:
                first.setdefault(name, "\n  ".join(detail["msg"].splitlines()))
                continue
            if detail["type"] == "extra_forbidden" and name not in Settings.model_fields:
                first[name] = f"{name}: does not exist.{nearest(name, Settings.model_fields)}"
                continue
            said = detail["msg"].removeprefix("Value error, ")
            found = without_credentials(detail["input"])
            shown = str(found) if isinstance(found, date) else quoted(found)
            first.setdefault(name, f"{name}: {said}, got {shown}")
        raise unusable([*problems, *first.values()]) from error
    except (ValueError, OSError) as error:
        raise unusable([*problems, str(error)]) from error
    if problems:
        raise unusable(problems)
    return loaded


def set_by(*path: str) -> str | None:
    """Say what sets a line of the settings: a variable or the file; None where nothing does.

    Args:
        path: its name, and those of the lines below it.
    """
    file = home() / "settings.toml"
    sources = {f"variable {_PREFIX}{path[0].upper()}": EnvSettingsSource(Settings)()}
    sources[file.name] = TomlConfigSettingsSource(Settings, toml_file=file)()
    for called, found in sources.items():
        value: Any = found
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None:
            return called
    return None


def unusable(problems: Sequence[str]) -> SettingsError:
    """Return the error for settings that cannot be used.

    Args:
        problems: a line for each, which names the setting.
    """
    told = "\n  ".join(["Settings cannot be used:", *problems])
    return SettingsError(
        f"{told}\nCorrect the variable ML_PIPELINE_<NAME> or {home() / 'settings.toml'}."
    )


def _unknown_variables() -> list[str]:
    known = {f"{_PREFIX}{name.upper()}" for name in Settings.model_fields}
    known |= {MODULE_VARIABLE, PAGES_VARIABLE}
    unknown = [name for name in os.environ if name.startswith(_PREFIX) and name not in known]
    return [f"'{name}' is no setting.{nearest(name, known)}" for name in sorted(unknown)]

"""What the commands serve: one pipeline, with its calendar, settings and store.

It is that of the code location that `-m` names, or the nearest `pyproject.toml`, or else the
reference pipeline.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Final

import dagster as dg

from ml_pipeline.cli.tables import say
from ml_pipeline.dagster import private
from ml_pipeline.dagster.calendar import Calendar
from ml_pipeline.dagster.location import Location, locations_in
from ml_pipeline.errors import SettingsError, nearest
from ml_pipeline.invocation import MODULE_VARIABLE, typed
from ml_pipeline.projects import ProjectFile, project_file
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import Settings, settings
from ml_pipeline.store.artifacts import ArtifactStore

_REFERENCE: Final = "ml_pipeline.definitions"
_SEARCHED: Final = "PYTHONPATH"
_VARIABLE: Final = "ml_pipeline_"
_OF_THE_CALENDAR: Final = ("start_date", "end_date")
_WITHOUT_PIPELINE: Final = (
    *(
        "runs",
        "card",
        "export",
        "promote",
        "promotions",
        "verify",
        "gc",
        "retain",
        "index",
        "doctor",
    ),
    "ui",
)


@dataclass(frozen=True)
class Project:
    """A pipeline as it is installed here, or assets that are kept by their own config.

    Attributes:
        listed: the stages, or the assets, as those find them who list and show runs.
        module: the code location: what Dagster loads.
        code: a directory in the checkout whose commit is recorded.
        folder: where processes of the project start; None where that makes no difference.
        find: returns what the code location was made of.
        runs_pipeline: whether there is a pipeline.
    """

    listed: Pipeline
    module: str
    code: Path
    folder: Path | None
    find: Callable[[Settings], Location]
    runs_pipeline: bool = True

    @property
    def pipeline(self) -> Pipeline:
        """The stages.

        Raises:
            SettingsError: if there is no pipeline, but assets that Dagster alone can run.
        """
        if self.runs_pipeline:
            return self.listed
        raise SettingsError(
            f"This command must have a pipeline, but {self.module} has assets that are kept by"
            f" their own config, which Dagster alone runs: `{typed('ui')}`."
            f" The commands {', '.join(_WITHOUT_PIPELINE)} serve those."
        )

    @cached_property
    def settings(self) -> Settings:
        """The settings of this installation.

        Raises:
            SettingsError: naming every setting that cannot be used.
        """
        return settings()

    @cached_property
    def location(self) -> Location:
        """What the code location was made of."""
        return self.find(self.settings)

    @cached_property
    def calendar(self) -> Calendar:
        """The partitions that runs may be as of.

        Where others set the calendar, settings of it have no effect, which is said.
        """
        set_by = self.location.calendar_is_set_by
        variables = [f"{_VARIABLE}{name}".upper() for name in _OF_THE_CALENDAR]
        idle = [
            variable
            for name, variable in zip(_OF_THE_CALENDAR, variables, strict=True)
            if name in self.settings.model_fields_set and variable not in set_by
        ]
        if idle:
            has = "has" if len(idle) == 1 else "have"
            say(f"{' and '.join(idle)} {has} no effect here: {set_by}.", err=True)
        return self.location.calendar_on(self._dynamic_keys)

    @cached_property
    def store(self) -> ArtifactStore:
        """Where the artifacts of this deployment's own environment are."""
        return self.location.store

    @property
    def definitions(self) -> dg.Definitions:
        """The whole code location; loading it takes as long as reusing a run."""
        return _definitions(importlib.import_module(self.module))

    def _dynamic_keys(self, name: str) -> Sequence[str]:
        """Return the keys that the instance has of dynamic partitions."""
        from ml_pipeline.dagster.instance import open_instance

        with open_instance(self.settings) as instance:
            return instance.get_dynamic_partitions(name)


@cache
def project() -> Project:
    """Return what the commands of this process serve.

    Raises:
        SettingsError: if there is no such module, or none or several pipelines in it.
    """
    file = project_file()
    usual = file.module if file is not None else _REFERENCE
    named = os.environ.get(MODULE_VARIABLE) or usual
    if named.startswith(":"):
        named = f"{usual.partition(':')[0]}{named}"
    module, _, name = named.partition(":")
    return _reference() if named == _REFERENCE else _served(module, name, file)


def _reference() -> Project:
    """Return the reference pipeline: loading its code location takes as long as reusing a run."""
    from ml_pipeline.defs import serving  # noqa: F401 - settings may have parameters of it
    from ml_pipeline.defs.assets import PIPELINE
    from ml_pipeline.defs.partitions import CALENDAR, daily

    code = Path(__file__).parents[1]

    def find(configured: Settings) -> Location:
        return Location.of(
            PIPELINE,
            daily(configured),
            lambda environment: environment.store,
            lambda environment: environment.studies,
            code,
            configured.dates_per_run,
            CALENDAR,
        )

    return Project(PIPELINE, _REFERENCE, code, None, find)


def _served(module: str, name: str, file: ProjectFile | None) -> Project:
    folder = file.folder if file is not None else Path.cwd()
    _make_importable(module, folder)
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise SettingsError(
            f"Commands serve a module that can be imported from {folder}, but there is no"
            f" {error.name} for '{module}'. {_advice(file)}"
        ) from error
    locations = locations_in(_definitions(loaded))
    found = [one for one in locations if name in ("", one.pipeline.name)]
    if len(found) == 1:
        (location,) = found
        runs = location.runs_pipeline
        return Project(location.pipeline, module, location.code, folder, lambda _: location, runs)
    # What Dagster alone can run is the last that somebody at the command line means.
    in_order = sorted(locations, key=lambda one: not one.runs_pipeline)
    names = [one.pipeline.name for one in in_order]
    if not names:
        raise SettingsError(
            f"The definitions in {module} must have a pipeline in them, made with"
            " `ml_pipeline.code_location`, or assets kept with `ml_pipeline.reusing`, but have"
            f" none. {_advice(file)}"
        )
    hint = nearest(name, names) if name else ""
    raise SettingsError(
        f"Commands serve one pipeline, but {module} has {', '.join(names)}"
        f"{f', and no {name!r}' if name else ''}.{hint} `-m {module}:{names[0]}` names one."
    )


def _definitions(module: ModuleType) -> dg.Definitions:
    try:
        found = private.definitions_in(module)
    except dg.DagsterError as error:
        raise SettingsError(f"{module.__name__} must be a code location: {error}") from error
    if not isinstance(found, dg.Definitions):
        raise SettingsError(
            f"{module.__name__} must hold Dagster's Definitions, but holds {type(found).__name__}."
        )
    return found


def _advice(file: ProjectFile | None) -> str:
    if os.environ.get(MODULE_VARIABLE) or file is None:
        return "-m names another one."
    return f"{file.folder / 'pyproject.toml'} names it; -m names another one."


def _make_importable(module: str, folder: Path) -> None:
    """Let this process and those that it starts import what lies in the folder of a project."""
    package = module.partition(".")[0]
    places = (folder, folder / "src")
    holds = [p for p in places if (p / package).is_dir() or (p / f"{package}.py").is_file()]
    for place in map(str, holds[:1]):
        if place not in sys.path:
            sys.path.insert(0, place)
        before = os.environ.get(_SEARCHED, "")
        if place not in before.split(os.pathsep):
            os.environ[_SEARCHED] = os.pathsep.join(filter(None, [place, before]))

"""A whole Dagster code location from a pipeline."""

import ast
import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Final

import dagster as dg

from ml_pipeline.dagster.assets import pipeline_assets, selection_of
from ml_pipeline.dagster.comparison_asset import comparison_asset
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.executors import configured_executor
from ml_pipeline.dagster.io_manager import io_manager_resource, no_io_resource
from ml_pipeline.dagster.leaderboard_asset import leaderboard_asset
from ml_pipeline.dagster.location import Location
from ml_pipeline.dagster.pages import form_link
from ml_pipeline.dagster.promotion_jobs import promotion_jobs
from ml_pipeline.dagster.resources import params_resource
from ml_pipeline.dagster.stages import needs_location
from ml_pipeline.dagster.sweep_asset import sweep_asset
from ml_pipeline.dagster.sweep_resource import sweep_resource
from ml_pipeline.environments import Environment
from ml_pipeline.errors import PipelineError
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.standing import check_standing
from ml_pipeline.projects import placed, work_for
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.settings import settings

_ENVIRONMENT: Final = "environment"
_ABOUT: Final = (
    "Makes all assets of the pipeline. {form} fills in its parameters and opens the launchpad with"
    " them; `{typed}` writes it to a file, which needs no server."
)


@unwrapped()
def code_location(
    pipeline: Pipeline,
    partitions: dg.PartitionsDefinition[str] | None,
    store_root: Callable[..., str] | None = None,
    code: Path | None = None,
    dates_per_run: int | None = None,
    studies: Callable[..., str] | None = None,
    calendar_is_set_by: str = "",
    executor: dg.ExecutorDefinition | None = None,
) -> dg.Definitions:
    """Return the definitions of a pipeline: its assets, its resources and a job.

    Where a stage declares an objective, there are also an asset that sweeps, a leaderboard and a
    comparison.
    They can be merged with any others: the assets name their own IO manager, and where others have
    the names that are left, the pipeline is declared with `prefixed`.

    Resources and assets that stages take are those of the location that this is merged with.

    Unless an executor is asked for, the jobs run in one process: starting more costs seconds for
    each, and stages do their own work in parallel where there is any. Dagster lets no asset choose
    that, so runs of no job in particular, such as backfills, have the executor that the location
    has. One that is asked for becomes the location's, too.

    Args:
        pipeline: the stages.
        partitions: of time windows, static, dynamic, or of two dimensions; or None for a pipeline
            without. The key is what a run is as of.
        store_root: returns the directory or URI of the artifacts; called once in each run. A
            relative directory is one of the project, where there is a project. Where environments
            are configured, it has to take the name of one as `environment`. If omitted, what the
            settings say: the environment's `store`.
        code: a directory in the checkout whose commit is recorded; that of the stages if omitted.
        dates_per_run: most dates that a backfill puts into one run; if omitted, the setting.
        studies: returns the directory or database URL of Optuna's studies; called once in each run;
            it may take `environment` as well. If omitted, what the settings say.
        calendar_is_set_by: says where its days can be changed, for whoever asks for one that there
            is not; if omitted, that the partitions are the calendar.
        executor: takes the steps of all runs; if omitted, what the settings say. What is merged
            with this and has an executor must have the same, such as `configured_executor()`.

    Returns:
        Definitions that load as they are or merged with others. `requests_sensor`,
        `window_schedule` and the like take them unmerged.

    Raises:
        PipelineError: if a pipeline cannot take the partitions, their keys do not have what a stage
            asks of them, or `store_root` is the same for all environments.
        SettingsError: if settings are needed and cannot be used, such as the standing parameters of
            an environment.
    """
    location = location_for(
        pipeline, partitions, store_root, code, dates_per_run, studies, calendar_is_set_by
    )
    check_standing(pipeline.params)
    chosen = executor or configured_executor()
    own = dg.Definitions(
        metadata=location.metadata,
        # Others that this is merged with may have theirs, unless somebody asked for one.
        executor=None if chosen is dg.in_process_executor else chosen,
    )
    return dg.Definitions.merge(_definitions(location, chosen), own)


def location_for(
    pipeline: Pipeline,
    partitions: dg.PartitionsDefinition[str] | None = None,
    store_root: Callable[..., str] | None = None,
    code: Path | None = None,
    dates_per_run: int | None = None,
    studies: Callable[..., str] | None = None,
    calendar_is_set_by: str = "",
) -> Location:
    """Return what a code location is made of, with all that its author left out.

    Args:
        pipeline: the stages.
        partitions: as all that follows, `code_location` says what it is.
        store_root: the same.
        code: the same.
        dates_per_run: the same.
        studies: the same.
        calendar_is_set_by: the same.

    Raises:
        PipelineError: if a pipeline cannot take the partitions, or `store_root` is the same for all
            environments.
        SettingsError: if settings are needed and cannot be used.
    """
    folder = _folder_of(pipeline)
    if not settings.cache_info().currsize:
        work_for(_package_of(pipeline), folder)
    location = Location.of(
        pipeline,
        partitions,
        _root(pipeline, "store_root", store_root) or (lambda environment: environment.store),
        _root(pipeline, "studies", studies) or (lambda environment: environment.studies),
        code or folder,
        dates_per_run or settings().dates_per_run,
        calendar_is_set_by or f"the partitions of pipeline '{pipeline.name}' are the calendar",
    )
    _refuse_shared(location)
    return location


def _root(
    pipeline: Pipeline, argument: str, given: Callable[..., str] | None
) -> Callable[[Environment], str] | None:
    """Return what gives the root of an environment, of what a pipeline's author gave."""
    if given is None:
        return None
    if _ENVIRONMENT in inspect.signature(given).parameters:
        return lambda environment: placed(given(**{_ENVIRONMENT: environment.name or None}))
    configured = settings().environments.configured
    if configured and argument == "store_root":
        raise PipelineError(
            f"`{argument}` of pipeline '{pipeline.name}' must tell the stores of environments"
            f" apart, since {', '.join(configured)} are configured, but does not take"
            f" `{_ENVIRONMENT}`."
            " Leave it out, so that the settings say where each is, or let it take the name."
        )
    return lambda _environment: placed(given())


def _refuse_shared(location: Location) -> None:
    """Refuse stores that an own `store_root` gives to two environments that do not share one."""
    known = settings().environments
    owners: dict[str, Environment] = {}
    for one in map(known.named, known.configured):
        other = owners.setdefault(location.store_root(one), one)
        if other is not one and other.store != one.store:
            raise PipelineError(
                f"`store_root` of pipeline '{location.pipeline.name}' must give each environment a"
                f" store of its own, but gives '{other.name}' and '{one.name}' the same,"
                f" {location.store_root(one)}."
            )


def _folder_of(pipeline: Pipeline) -> Path:
    """Return the folder of the module that the stages are in; this one where it has no file."""
    modules = (sys.modules.get(stage.function.__module__) for stage in pipeline.stages.values())
    files = (getattr(module, "__file__", None) for module in modules)
    return next((Path(file).parent for file in files if file is not None), Path.cwd())


def _package_of(pipeline: Pipeline) -> str:
    stages = pipeline.stages.values()
    return next((stage.function.__module__.partition(".")[0] for stage in stages), "")


def _definitions(location: Location, executor: dg.ExecutorDefinition) -> dg.Definitions:
    pipeline, partitions = location.pipeline, location.partitions
    stores, code = location.store_in, location.code
    names = names_of(pipeline)
    stages = dg.Definitions(
        assets=[
            pipeline_assets(pipeline, partitions, location.dates_per_run, group_name=pipeline.name)
        ],
        resources={
            names.params: params_resource(pipeline),
            names.io_manager: io_manager_resource(pipeline, stores, code),
        },
        jobs=[
            dg.define_asset_job(
                names.job,
                selection_of(pipeline),
                description=_about(pipeline),
                executor_def=executor,
            )
        ],
    )
    # Made here, the job offers the resources that it uses; later, it offers all there are, among
    # them those that stages take.
    own = stages.jobs or [] if needs_location(pipeline) else [stages.resolve_job_def(names.job)]
    # What scores is not promoted.
    moving = (
        [] if pipeline.serves else promotion_jobs(pipeline, location.calendar, stores, executor)
    )
    single = dg.Definitions(assets=stages.assets, resources=stages.resources, jobs=[*own, *moving])
    if not pipeline.is_judged:
        return single
    # A group of their own: "Materialize all" of the pipeline should not start a sweep.
    aside = f"{pipeline.name}_sweeps"
    many = dg.Definitions(
        assets=[
            sweep_asset(pipeline, partitions, group_name=aside),
            leaderboard_asset(pipeline, location.calendar, stores, group_name=aside),
            comparison_asset(pipeline, location.calendar, stores, group_name=aside),
        ],
        resources={
            names.sweep: sweep_resource(pipeline, stores, location.studies_in, code),
            names.no_io: no_io_resource(pipeline),
        },
    )
    return dg.Definitions.merge(single, many)


def _about(pipeline: Pipeline) -> str:
    """Return what the page of a job says of it."""
    link = form_link(pipeline.name)
    form = f"[A form]({link})" if link is not None else "A form, which `ml-pipeline ui` links,"
    return _ABOUT.format(form=form, typed=pipeline.typed("form"))


def defs_folder(package: Path, besides: Iterable[ModuleType] = ()) -> dg.Definitions:
    """Return what stands in the defs folder of a project of `dg`, such as what it scaffolds.

    Args:
        package: folder of the project's package. Where that is installed without the project,
            nobody scaffolds, and there is nothing.
        besides: modules in the folder that have no definitions of their own. Where there is nothing
            else, Dagster's loader, which takes a tenth of a second, is not asked.

    Returns:
        Definitions to merge with the others of the project.
    """
    known = {getattr(module, "__file__", None) for module in besides}
    files = (package / "defs").rglob("*") if (package.parent / "pyproject.toml").is_file() else ()
    for file in files:
        is_read = file.suffix in (".py", ".yaml", ".yml")
        if is_read and str(file) not in known and not _is_bare(file):
            return dg.load_from_defs_folder(path_within_project=package)
    return dg.Definitions()


def _is_bare(file: Path) -> bool:
    """Whether a file makes a folder a package and does nothing else."""
    if file.name != "__init__.py":
        return False
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return len(tree.body) == bool(ast.get_docstring(tree))

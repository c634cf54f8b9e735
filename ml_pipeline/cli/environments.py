"""Environments as they are typed."""

from collections.abc import Callable, Collection
from typing import Any

import click

from ml_pipeline.cli.project import Project, project
from ml_pipeline.cli.tables import say
from ml_pipeline.environments import Environments
from ml_pipeline.errors import QueryError, nearest
from ml_pipeline.launch.standing import check_standing
from ml_pipeline.runs import catalog
from ml_pipeline.runs.gate import Gate
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.ledger import parts_of


def known_environment(environment: str, known: Collection[str]) -> None:
    """Refuse an environment that there is not.

    Raises:
        click.UsageError: naming those there are.
    """
    if environment not in known:
        raise click.UsageError(
            f"An environment must be one of {', '.join(sorted(known))}, but got '{environment}'."
            f"{nearest(environment, known)} The setting ML_PIPELINE_ENVIRONMENTS names them."
        )


def environment_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that reads the option `--environment`, as the argument `environment`."""
    return click.option(
        "--environment",
        metavar="NAME",
        help="Look there; this deployment's own environment if not given.",
    )(command)


def store_of(served: Project, environment: str | None) -> ArtifactStore:
    """Return the store of an environment: this deployment's own if None.

    Raises:
        QueryError: if none of that name is configured.
    """
    problem = served.settings.environments.unknown(environment)
    if problem is not None:
        raise QueryError([f"--environment {problem}"])
    return served.location.store_in(environment)


def found_in(
    served: Project, text: str, environment: str | None = None
) -> tuple[ArtifactStore, catalog.Entry]:
    """Return the run that a text stands for, and the store that it is in.

    Args:
        served: whose runs.
        text: as `catalog.find` takes it. Where environments are configured, ``@NAME`` is what one
            has in its own store, ``@NAME.challenger`` what it tries beside that, and
            ``RUN_ID@NAME`` a run of one.
        environment: where to look; this deployment's own if None.

    Raises:
        QueryError: if the text is none of these, or no such environment is configured.
        ArtifactMissing: if it stands for nothing, or for more than one run.
    """
    run, at, named = text.rpartition("@")
    known = served.settings.environments
    # What an environment has under another alias than that of what it serves has a name behind it.
    owner = named if run else parts_of(named)[0]
    if at and owner in known.configured:
        environment, text = owner, run or text
    elif run:
        raise QueryError([f"the environment of {text!r} {known.unknown(named)}"])
    store = store_of(served, environment)
    return store, catalog.find(store, served.listed, text)


def tell_environment(store: ArtifactStore) -> None:
    """Print which environment something is of, where there are several."""
    if store.environment is not None:
        reads = ", ".join(one.environment for one in store.fallbacks)
        say(f"Environment {store.environment}{f', which reads {reads} as well' if reads else ''}.")


def environment_document(store: ArtifactStore) -> dict[str, Any]:
    """Return what a JSON document tells of the environment, where there are several."""
    return {} if store.environment is None else {"environment": store.environment}


def checked_environments() -> Environments:
    """Return the environments, which fit together and the pipeline.

    Raises:
        SettingsError: if standing parameters or limits do not fit the pipeline.
        QueryError: if a gate cannot be read.
    """
    served = project()
    check_standing(served.pipeline.params)
    known = served.settings.environments
    problems: list[str] = []
    for name in known.configured:
        try:
            Gate.read(known[name].gate, f"environments.{name}.gate")
        except QueryError as error:
            problems += error.problems
    if problems:
        raise QueryError(problems)
    return known

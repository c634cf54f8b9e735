"""What a user asks of a sweep on the command line."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import click

from ml_pipeline.cli.ages import Age
from ml_pipeline.cli.project import project
from ml_pipeline.cli.request import Asked, drafted
from ml_pipeline.errors import ParamsError
from ml_pipeline.launch.request_document import requested_sweep
from ml_pipeline.launch.run_request import RequestedRun
from ml_pipeline.params.layers import SEARCH
from ml_pipeline.store.record import Direction
from ml_pipeline.sweeps.options import Strategy
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.sweeps.rows import read_rows
from ml_pipeline.text import shortened


@dataclass(frozen=True)
class Searched:
    """The options that say how to sweep, as they were typed.

    Attributes:
        options: by name, those that were given.
        trials: file of combinations.
    """

    options: Mapping[str, Any]
    trials: Path | None

    @property
    def is_given(self) -> bool:
        """Whether any was typed."""
        return bool(self.options) or self.trials is not None


def search_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how to sweep, as the argument `searched`."""

    @functools.wraps(command)
    def with_searched(*others: Any, **named: Any) -> Any:
        typed = {name: named.pop(name) for name in _NAMES}
        trials = named.pop("trials")
        for name in ("timeout", "trial_timeout"):
            age: timedelta | None = named.pop(name)
            typed[f"{name}_s"] = age.total_seconds() if age is not None else None
        given = {name: value for name, value in typed.items() if value is not None}
        return command(*others, searched=Searched(given, trials), **named)

    for option in reversed(_OPTIONS):
        with_searched = option(with_searched)
    return with_searched


def asked_sweep(
    asked: Asked, searched: Searched, through: str = ""
) -> tuple[RequestedRun, SweepRequest]:
    """Return the run that sweeps, and what it sweeps.

    Args:
        asked: dates and parameters.
        searched: how to go about it.
        through: put before the origin of every value.

    Raises:
        ParamsError: naming every problem.
    """
    draft = drafted(project(), asked, with_search=True, in_one_run=True)
    options = _with_direction(searched.options, draft.given.problems)
    if searched.trials is not None:
        try:
            options["trials"] = read_rows(searched.trials, project().pipeline.params)
        except ParamsError as error:
            draft.given.problems += error.problems
    values = {**draft.given.values, SEARCH: {**draft.given.sections.get(SEARCH, {}), **options}}
    origins = {name: f"{through}{origin}" for name, origin in draft.given.origins.items()}
    pipeline = project().pipeline
    request = SweepRequest.parse(pipeline.params, values, origins, draft.given.problems)
    return requested_sweep(pipeline, request, draft.dates), request


def _with_direction(options: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Take a direction that is typed behind the metric, ``mae:minimize``, as leaderboards do."""
    name, _, direction = str(options.get("metric", "")).rpartition(":")
    if not name or direction not in get_args(Direction):
        return dict(options)
    if (other := options.get("direction", direction)) != direction:
        problems.append(
            f"the direction must be given once, but is {other} by --direction and {direction} by"
            f" --metric {shortened(options['metric'])}"
        )
    return {**options, "metric": name, "direction": direction}


def _option(name: str, kind: Any, text: str, metavar: str | None = None) -> Callable[..., Any]:
    return click.option(name, type=kind, metavar=metavar, help=text)


_NAMES = (
    "strategy",
    "n_trials",
    "max_trials",
    "skip_invalid",
    "metric",
    "direction",
    "sampler_seed",
    "pruner",
    "trial_memory_mb",
    "workers",
    "study",
)
_OPTIONS = (
    _option(
        "--trials",
        click.Path(path_type=Path),
        "Try the combinations of a CSV, JSON, YAML or TOML file, one a row.",
        "FILE",
    ),
    _option("--strategy", click.Choice(get_args(Strategy)), "How parameter sets are chosen."),
    _option("--n-trials", int, "Parameter sets that a search strategy tries."),
    _option("--max-trials", int, "Refuse a sweep of more parameter sets."),
    click.option("--skip-invalid", is_flag=True, default=None, help="Leave invalid ones out."),
    _option("--metric", str, "Compare by this metric.", "NAME[:minimize|:maximize]"),
    _option("--direction", click.Choice(["minimize", "maximize"]), "Which way it is better."),
    _option("--sampler-seed", int, "Seed of the search strategy."),
    _option(
        "--pruner",
        click.Choice(["none", "median", "successive_halving", "hyperband"]),
        "Give trials up that do badly on their first dates.",
    ),
    _option("--timeout", Age(), "Start nothing more after, such as 2h.", "AGE"),
    _option("--trial-timeout", Age(), "Give one trial at one date up after.", "AGE"),
    _option("--trial-memory-mb", int, "Most memory of one worker process, in MiB."),
    _option("--workers", int, "Worker processes; one for each core if not given."),
    _option("--study", str, "Name of the study, to go on with or to share.", "NAME"),
)

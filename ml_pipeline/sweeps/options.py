"""How a sweep goes about its work: the section ``search`` beside the parameter groups."""

import importlib.util
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import Field

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.layers import SEARCH
from ml_pipeline.params.limits import limits_in
from ml_pipeline.params.model import ParamModel
from ml_pipeline.text import quoted

Strategy = Literal["grid", "random", "tpe", "qmc", "gp", "cmaes", "nsga2"]

MOST_COMBINATIONS: Final = 10_000
"""All are validated before there is a run, by whichever door a sweep comes: 2 seconds at most."""

_NEEDS: Final = {"cmaes": "cmaes", "gp": "torch"}


class SearchOptions(ParamGroup):
    """What is tried, in which order, and within which limits."""

    strategy: Strategy | None = Field(
        default=None,
        description=(
            "grid tries every combination; the others are Optuna's samplers."
            " grid where all values are listed and tpe where there is an interval, if unset"
        ),
    )
    n_trials: int = Field(
        default=20, ge=1, le=1_000_000, description="parameter sets that a search strategy tries"
    )
    trials: list[dict[str, Any]] = Field(
        default=[], description="combinations to try, each a mapping of parameters"
    )
    max_trials: int = Field(
        default=1000,
        ge=1,
        le=MOST_COMBINATIONS,
        description="refuse a sweep of more parameter sets",
    )
    skip_invalid: bool = Field(
        default=False, description="leave combinations out that are not valid"
    )
    metric: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="metric to compare by; the pipeline's own objective if unset",
    )
    direction: Literal["minimize", "maximize"] | None = Field(
        default=None, description="which way `metric` is better; needed for any but the objective"
    )
    sampler_seed: int = Field(
        default=0, ge=0, le=2**32 - 1, description="seed of the search strategy"
    )
    pruner: Literal["none", "median", "successive_halving", "hyperband"] = Field(
        default="none", description="give trials up that do badly on their first dates"
    )
    timeout_s: float | None = Field(
        default=None, gt=0, description="start no more trials after so many seconds"
    )
    trial_timeout_s: float | None = Field(
        default=None, gt=0, description="give one trial up on one date after so many seconds"
    )
    trial_memory_mb: int | None = Field(
        default=None, ge=64, description="most memory of one worker process, in MiB"
    )
    workers: int | None = Field(
        default=None, ge=1, le=1024, description="worker processes; one for each core if unset"
    )
    study: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$",
        description="name of the study; one is made of what is swept if unset",
    )


MODEL: Final = ParamModel(search=SearchOptions)


def read_options(raw: Any) -> SearchOptions:
    """Read the section.

    Raises:
        ParamsError: naming every problem.
    """
    problems = []
    if isinstance(raw, Mapping) and isinstance(raw.get("trials"), list):
        problems = [
            f"search.trials[{place}] must be a mapping of parameters, but got {quoted(row)}"
            for place, row in enumerate(raw["trials"])
            if not isinstance(row, Mapping)
        ]
    if problems:
        raise ParamsError(problems)
    options = MODEL.validate({SEARCH: raw}).groups[SEARCH]
    if not isinstance(options, SearchOptions):
        raise ParamsError([f"{SEARCH} must be a mapping of options"])
    return options


def limited(options: SearchOptions, environment: str | None) -> tuple[SearchOptions, list[str]]:
    """Return options within the limits of an environment, and why those given may not be.

    What nobody says is at most what the limit allows.

    Args:
        options: as they were read.
        environment: where the sweep is; this deployment's own if None.
    """
    problems = []
    most: dict[str, float] = {}
    for limit in limits_in(MODEL, environment):
        name = limit.parameter.name
        value = getattr(options, name)
        if limit.allows(value):
            continue
        if name in options.model_fields_set or limit.most is None:
            problems.append(limit.refusal(value))
        else:
            most[name] = limit.most
    return options.model_copy(update=most), problems


def missing_package(strategy: str) -> str | None:
    """Return what is lacking for a strategy, or None."""
    package = _NEEDS.get(strategy)
    if package is None or importlib.util.find_spec(package) is not None:
        return None
    return f"strategy {strategy} needs the package {package}: pip install {package}"

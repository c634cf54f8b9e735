"""What a sweep's options, listed combinations and spaces must not say together."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.layers import SEARCH
from ml_pipeline.params.model import ParamModel
from ml_pipeline.sweeps.combinations import Rows
from ml_pipeline.sweeps.example import example
from ml_pipeline.sweeps.options import SearchOptions, Strategy, missing_package
from ml_pipeline.sweeps.space import Dimension, Interval, single

_ONLY_A_SEARCH: Final = ("n_trials", "sampler_seed", "pruner", "study")
_ONLY_A_GRID: Final = ("max_trials",)
_MOST_ROWS_TOLD: Final = 3


def contradictions(
    model: ParamModel,
    fixed: Collection[str],
    dimensions: Mapping[str, Dimension],
    rows: Rows,
    options: SearchOptions,
    given: Collection[str],
) -> list[str]:
    """Return everything about a sweep that cannot be meant.

    Args:
        model: the parameters of the pipeline.
        fixed: dotted names of the parameters with one value.
        dimensions: what to try, by dotted name.
        rows: combinations of raw values by dotted name.
        options: how to go about it.
        given: names of the options that were given.
    """
    strategy = strategy_of(options, dimensions)
    in_rows = {name for row in rows for name in row}
    problems = [
        f"{name} is an interval, which a grid cannot try: list values, like"
        f" {model.find(name).told}=linspace({space.low:g},{space.high:g},5), or choose strategy tpe"
        " or random"
        for name, space in dimensions.items()
        if isinstance(space, Interval) and strategy == "grid"
    ]
    problems += [
        f"{name} cannot be swept: it does not change what is computed"
        for name in dict.fromkeys([*dimensions, *(name for row in rows for name in row)])
        if not model.find(name).is_identity
    ]
    problems += [
        f"{name} is set in search.trials and beside it: leave it out in one place"
        for name in sorted(in_rows & {*fixed, *dimensions})
    ]
    if options.trials and strategy != "grid":
        problems.append(
            "search.trials are listed combinations: leave the strategy out, and intervals, too"
        )
    elif "trials" in given and not rows:
        problems.append("search.trials must list at least one combination, or be left out")
    elif strategy != "grid" and not dimensions:
        like = f", like {shown}" if (shown := example(model)) else ""
        problems.append(
            f"strategy {strategy} needs something to vary: give a parameter several values"
            f" or an interval{like}"
        )
    elif (lacking := missing_package(strategy)) is not None:
        problems.append(lacking)
    return [*problems, *_without_effect(strategy, options, given)]


def without_effect_on(options: SearchOptions, dates: Sequence[Any]) -> list[str]:
    """Return what the options ask for in vain over some dates."""
    if options.pruner != "none" and len(dates) == 1:
        problem = (
            f"search.pruner={options.pruner} has no effect on one date, since trials are given up"
            " after their first dates: leave it out, or sweep over more dates"
        )
        return [problem]
    return []


def strategy_of(options: SearchOptions, dimensions: Mapping[str, Dimension]) -> Strategy:
    """Return the strategy, resolved."""
    has_interval = any(isinstance(space, Interval) for space in dimensions.values())
    return options.strategy or ("tpe" if has_interval else "grid")


def placed_rows(
    model: ParamModel, trials: Sequence[Mapping[str, Any]]
) -> tuple[Rows, Sequence[str]]:
    """Find out which parameters the columns of listed combinations are.

    Returns:
        The raw values of each by dotted name, and all problems with names, each told once.
    """
    rows: list[dict[str, Any]] = []
    problems: dict[str, list[int]] = {}
    for place, trial in enumerate(trials):
        placed, wrong = model.placed({str(name): raw for name, raw in trial.items()})
        rows.append({})
        for name, raw in placed.items():
            try:
                rows[-1][name] = single(model.find(name), raw)
            except ParamsError as error:
                wrong = [*wrong, *error.problems]
        for problem in dict.fromkeys(wrong):
            problems.setdefault(problem, []).append(place)
    told = [f"{_places(places)}: {problem}" for problem, places in problems.items()]
    return rows, told


def _without_effect(
    strategy: Strategy, options: SearchOptions, given: Collection[str]
) -> Iterator[str]:
    is_search = strategy != "grid"
    idle = [name for name in (_ONLY_A_GRID if is_search else _ONLY_A_SEARCH) if name in given]
    if options.pruner == "none" and "pruner" in idle:
        idle.remove("pruner")
    for name in idle:
        if is_search:
            yield (
                f"{SEARCH}.{name} has no effect on a search, which tries n_trials parameter sets:"
                " leave it out, or list values"
            )
        else:
            yield (
                f"{SEARCH}.{name} has no effect where every listed combination is tried: leave it"
                " out, or choose a search strategy, such as random"
            )
    if options.direction is not None and options.metric is None:
        yield (
            f"{SEARCH}.direction has no effect without {SEARCH}.metric, since the pipeline's own"
            " objective has its direction: name the metric, or leave the direction out"
        )


def _places(places: Sequence[int]) -> str:
    named = [f"{SEARCH}.trials[{place}]" for place in places[:_MOST_ROWS_TOLD]]
    more = len(places) - len(named)
    return f"{', '.join(named)} and {more} more" if more else ", ".join(named)

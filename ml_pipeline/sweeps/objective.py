"""What the trials of a sweep are compared by."""

from ml_pipeline.errors import ParamsError
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.record import Objective
from ml_pipeline.sweeps.request import SweepRequest
from ml_pipeline.text import shortened


def objective_of(pipeline: Pipeline, request: SweepRequest) -> Objective | None:
    """Return what all trials of a sweep are compared by, or None where they differ in that.

    Raises:
        ParamsError: if a search has no one objective, or if what is varied has no effect on it.
    """
    judge = pipeline.judge
    idle = [name for name in request.varied if name.partition(".")[0] not in judge.scope]
    if idle:
        raise ParamsError(
            [f"{name} cannot be swept: '{judge.name}' does not depend on it" for name in idle]
        )
    options = request.options
    own = {judge.objective(params): params for params in request.representatives}
    objectives = set(own)
    if options.metric is not None:
        declared = {objective.metric: objective for objective in own if objective is not None}
        direction = options.direction
        baseline = None
        if options.metric in declared:
            direction = direction or declared[options.metric].direction
            baseline = declared[options.metric].baseline
        if direction is None:
            metric = shortened(options.metric)
            raise ParamsError([f"search.direction must be minimize or maximize where {metric=!s}"])
        objectives = {Objective(metric=options.metric, direction=direction, baseline=baseline)}
    problems = []
    if request.is_search and len(objectives) > 1:
        names = " and ".join(sorted(f"{one.metric} ({one.direction})" for one in objectives if one))
        problems.append(
            f"a search needs one objective, but these trials are judged by {names}: fix the"
            " parameter that decides, or list values and use the grid"
        )
    if request.is_search and objectives == {None}:
        problems.append(
            f"a search needs an objective, but '{judge.name}' declares none: set search.metric and"
            " search.direction"
        )
    if problems:
        raise ParamsError(problems)
    return objectives.pop() if len(objectives) == 1 else None

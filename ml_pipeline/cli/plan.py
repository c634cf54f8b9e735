"""What a run would do, told before it does it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache

from ml_pipeline.cli.environments import environment_document, tell_environment
from ml_pipeline.cli.in_process import deciding
from ml_pipeline.cli.project import project
from ml_pipeline.cli.request import Request
from ml_pipeline.cli.show import print_json
from ml_pipeline.cli.tables import print_table, say
from ml_pipeline.runs.decisions import PAST, Action
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.estimates import usual_seconds


@dataclass(frozen=True)
class Step:
    """One asset at one date.

    Attributes:
        estimated_s: seconds that computing took lately; None where that is unknown.
    """

    as_of: str | None
    asset: str
    run_id: str
    action: Action
    reason: str
    estimated_s: float | None


def store_for(request: Request) -> ArtifactStore:
    """Return the store of the environment that a request is for."""
    return project().location.store_in(request.params.options.environment)


def planned(request: Request, selection: Sequence[str] | None) -> list[Step]:
    """Plan a request without computing anything.

    Args:
        request: parameters and dates.
        selection: names of the assets wanted; all of them if None.
    """
    store = store_for(request)
    usual = cache(lambda asset: usual_seconds(store, asset))
    steps = []
    with deciding(project()) as host:
        materializer = Materializer(project().pipeline, store, host=host)
        for day in request.dates:
            for decided in materializer.plan(request.params, day, selection):
                name = decided.stage.name
                steps.append(
                    Step(
                        None if day is None else str(day),
                        name,
                        decided.stage.slot(request.params, day).run_id,
                        decided.action,
                        decided.because,
                        usual(name) if decided.action in ("compute", "undecided") else 0.0,
                    )
                )
    return steps


def print_plan(
    steps: Sequence[Step],
    store: ArtifactStore,
    as_json: bool,
    with_reasons: bool,
    wide: bool = True,
) -> None:
    """Print a plan and what it comes to.

    Args:
        steps: what would be done.
        store: where.
        as_json: whether to print one JSON document.
        with_reasons: whether to print a sentence for each step instead of a table.
        wide: whether the table has its reasons even where a step takes several lines then.
    """
    count = Counter(step.action for step in steps)
    unknown = sorted({step.asset for step in steps if step.estimated_s is None})
    seconds = sum(step.estimated_s or 0.0 for step in steps)
    if as_json:
        print_json(
            environment_document(store)
            | {
                "steps": [asdict(step) for step in steps],
                "compute": count["compute"],
                "undecided": count["undecided"],
                "reuse": count["reuse"],
                "blocked": count["blocked"],
                "estimated_s": None if unknown else round(seconds, 3),
            }
        )
        return
    tell_environment(store)
    if with_reasons:
        for step in steps:
            at = f"{step.as_of}  " if step.as_of is not None else ""
            say(f"{at}{step.asset}: {PAST[step.action]}: {step.reason}")
        return
    print_table(
        ["as_of", "asset", "", "run id", "because"],
        [[step.as_of or "", step.asset, step.action, step.run_id, step.reason] for step in steps],
        wide,
        needed=4,
    )
    if not count["compute"] and not count["undecided"]:
        estimate = "nothing to compute"
    elif unknown:
        estimate = f"no earlier run of {', '.join(unknown)} to estimate from"
    else:
        most = "at most " if count["undecided"] else ""
        estimate = f"{most}about {seconds:.1f} s of computing"
    besides = "".join(
        f"{count[action]} {action}, " for action in ("undecided", "blocked") if count[action]
    )
    say(f"{count['compute']} to compute, {besides}{count['reuse']} to reuse, {estimate}.")

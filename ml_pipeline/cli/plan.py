"""What a run would do, told before it does it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache

import click

from ml_pipeline.cli.request import Request
from ml_pipeline.cli.show import print_json, print_table
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.estimates import usual_seconds
from ml_pipeline.reuse import Decision, Materializer
from ml_pipeline.settings import settings
from ml_pipeline.store import ArtifactStore


@dataclass(frozen=True)
class Step:
    """One asset at one date.

    Attributes:
        estimated_s: seconds that computing took lately; None where that is unknown.
    """

    as_of: str
    asset: str
    run_id: str
    action: str
    reason: str
    estimated_s: float | None


def planned(request: Request, selection: Sequence[str] | None) -> list[Step]:
    """Plan a request without computing anything.

    Args:
        request: parameters and dates.
        selection: names of the assets wanted; all of them if None.
    """
    store = ArtifactStore(settings().store_root)
    materializer = Materializer(PIPELINE, store)

    usual = cache(lambda asset: usual_seconds(store, asset))
    steps = []
    for day in request.dates:
        for decided in materializer.plan(request.params, day, selection):
            if isinstance(decided, Decision):
                stage, reason = decided.stage, decided.sentence.split(": ", 2)[2]
                action = "reuse" if decided.reuse is not None else "compute"
            else:
                stage, reason = decided
                action = "compute"
            estimate = 0.0 if action == "reuse" else usual(stage.name)
            run_id = stage.slot(request.params, day).run_id
            steps.append(Step(day.isoformat(), stage.name, run_id, action, reason, estimate))
    return steps


def print_plan(steps: Sequence[Step], as_json: bool, with_reasons: bool) -> None:
    """Print a plan and what it comes to."""
    computed = [step for step in steps if step.action == "compute"]
    unknown = sorted({step.asset for step in computed if step.estimated_s is None})
    seconds = sum(step.estimated_s or 0.0 for step in computed)
    if as_json:
        print_json(
            {
                "steps": [asdict(step) for step in steps],
                "compute": len(computed),
                "reuse": len(steps) - len(computed),
                "estimated_s": None if unknown else round(seconds, 3),
            }
        )
        return
    if with_reasons:
        past = {"compute": "computed", "reuse": "reused"}
        for step in steps:
            click.echo(f"{step.as_of}  {step.asset}: {past[step.action]}: {step.reason}")
        return
    print_table(
        ["as_of", "asset", "", "run id", "because"],
        [[step.as_of, step.asset, step.action, step.run_id, step.reason] for step in steps],
    )
    if not computed:
        estimate = "nothing to compute"
    elif unknown:
        estimate = f"no earlier run of {', '.join(unknown)} to estimate from"
    else:
        estimate = f"about {seconds:.1f} s of computing"
    click.echo(f"{len(computed)} to compute, {len(steps) - len(computed)} to reuse, {estimate}.")

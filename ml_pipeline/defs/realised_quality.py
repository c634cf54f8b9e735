"""Realised quality: earlier predictions, once their days are over, beside what came true."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline import CheckResult, Earlier, PromotedRuns, Result, ServedRun, scorers
from ml_pipeline.defs import about_assets, source
from ml_pipeline.defs.config import DataParams, FeatureParams, RealisedLimits, RealisedParams
from ml_pipeline.defs.serving import SERVING
from ml_pipeline.params.identity import digest_of
from ml_pipeline.pipeline import datasets
from ml_pipeline.pipeline import realised as judging
from ml_pipeline.pipeline.evaluation import PRIMARY
from ml_pipeline.runs.criterion import Criterion
from ml_pipeline.store.ledger import CHAMPION
from ml_pipeline.store.record import Record

if TYPE_CHECKING:
    import polars as pl

_NOT_YET: Final = "not known yet"


@dataclass(frozen=True)
class _Scored:
    """What one run foretold on one day, all of which is over."""

    day: date
    run: ServedRun
    record: Record


def outcomes_read(
    as_of: date, predictions: Earlier, promoted: PromotedRuns, realised: RealisedParams
) -> str:
    """Return a digest of what would be judged now, what was promised, and the orders for that."""
    over = list(_over(as_of, predictions, promoted, realised))
    scored = {str(one.day): one.record.content.digest for one in over}
    of_data = {one.run.group(DataParams) for one in over}
    held = sorted(source.digest(as_of, data) for data in of_data)
    waiting = sorted(str(day) for day in predictions.records(realised.realised_days))
    promises = {one.run.run_id: dict(one.run.metrics) for one in over}
    return digest_of({"scored": scored, "promises": promises, "orders": held, "looked_at": waiting})


@SERVING.asset(reads=outcomes_read, owners=about_assets.OWNERS, kinds=["polars", "json"])
def realised_quality(
    as_of: date, predictions: Earlier, promoted: PromotedRuns, realised: RealisedParams
) -> Result:
    """How good earlier predictions were, as far as all that they foretold is over by the date.

    Each run is judged by itself, as a challenger by the customers that it scored as one. What a run
    foretold of days that it had been trained on does not count.
    """
    import polars as pl

    tables: dict[tuple[str, str], list[pl.DataFrame]] = {}
    runs: dict[str, ServedRun] = {}
    for one in _over(as_of, predictions, promoted, realised):
        theirs = predictions.load(one.record).filter(run_id=one.run.run_id)
        for part in theirs.partition_by("scored_by", maintain_order=True):
            runs[one.run.run_id] = one.run
            who = one.run.run_id, part.item(0, "scored_by")
            tables.setdefault(who, []).append(_with_outcome(one.run, part))
    judged = sorted(
        (_judged(runs[run_id], pl.concat(days)) for (run_id, _), days in tables.items()),
        key=lambda one: str(one["last_day"]),
    )
    champions = [one for one in judged if one["scored_by"] == CHAMPION]
    latest = max(champions, key=lambda one: one["last_day"], default=None)
    metrics: dict[str, float] = {"days": latest["days"] if latest else 0}
    if latest is not None:
        known = {name: value for name, value in latest["realised"].items() if value is not None}
        metrics |= {f"realised_{name}": value for name, value in known.items()}
        metrics |= {f"promised_{name}": value for name, value in latest["promised"].items()}
    report = {"as_of": str(as_of), "runs": judged}
    return Result(report, metrics=metrics)


@SERVING.asset_check(realised_quality, severity="warn")
def keeps_its_promise(realised_quality: dict[str, Any], limits: RealisedLimits) -> CheckResult:
    """No run is much worse than the evaluation that it was promoted with."""
    told, passed = [], True
    for run in realised_quality["runs"]:
        metric, direction, _ = PRIMARY[run["dataset"]]
        found, promised = run["realised"][metric], run["promised"].get(metric)
        who = f"{run['scored_by']} {run['run_id']}"
        if run["days"] < limits.fewest_days or found is None or promised is None:
            told.append(f"{who}: {_NOT_YET}, {run['days']} of {limits.fewest_days} days are over")
            continue
        asked = Criterion(metric, "within", percent=limits.worse_percent)
        is_met = asked.is_met(Fraction(found), Fraction(promised), direction)
        passed = passed and is_met
        limit = float(asked.limit(Fraction(promised), direction))
        told.append(
            f"{who}: {metric} {found:.4g} over {run['days']} days is"
            f" {'within' if is_met else 'worse than'} {limit:.4g}, {limits.worse_percent:g} % off"
            f" the {promised:.4g} that it was promoted with"
        )
    numbers = {
        f"{run['scored_by']}_{name}": value
        for run in realised_quality["runs"]
        for name, value in run["realised"].items()
        if value is not None and math.isfinite(value)
    }
    said = "; ".join(told) or f"{_NOT_YET}: no prediction is over"
    return CheckResult(passed, f"{said}.", {**numbers, "runs": realised_quality["runs"]})


def _over(
    as_of: date, earlier: Earlier, promoted: PromotedRuns, realised: RealisedParams
) -> Iterator[_Scored]:
    """Yield what was foretold and is over, the earliest day first."""
    for day, record in earlier.records(realised.realised_days).items():
        for run_id, trained_after in scorers(record).items():
            run = promoted.get(run_id)
            if run is None or trained_after or not isinstance(day, date):
                continue
            if day + timedelta(days=run.group(FeatureParams).horizon) <= as_of:
                yield _Scored(day, run, record)


def _with_outcome(run: ServedRun, scores: "pl.DataFrame") -> "pl.DataFrame":
    data = run.group(DataParams)
    first, last = scores.item(0, "day") + timedelta(days=1), scores.item(0, "until")
    place = source.opened(data.source)
    orders = datasets.orders_between(place.location, first, last, place.columns)
    return judging.with_outcome(scores, orders, data.dataset)


def _judged(run: ServedRun, outcomes: "pl.DataFrame") -> dict[str, Any]:
    dataset = run.group(DataParams).dataset
    found = judging.realised(outcomes, dataset)
    days = outcomes["day"].unique().sort()
    return {
        "run_id": run.run_id,
        "scored_by": outcomes.item(0, "scored_by"),
        "dataset": dataset,
        "days": days.len(),
        "first_day": str(days[0]),
        "last_day": str(days[-1]),
        "realised": found,
        "promised": {name: run.metrics[name] for name in found if name in run.metrics},
    }

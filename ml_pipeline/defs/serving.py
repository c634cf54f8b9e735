"""Serving: each day's customers or revenue, scored by what the environment has been promoted.

A pipeline of its own: its runs need a champion, which the runs that train are there to find. What
they were trained with is read of the champion; `serving` says which champion that is.
"""

from datetime import date
from typing import TYPE_CHECKING, Final

from ml_pipeline import ParamModel, Pipeline, Result, Served, ServedRun, ServingParams
from ml_pipeline.defs import about_assets, source
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.config import (
    DataParams,
    FeatureParams,
    RealisedLimits,
    RealisedParams,
    TrainingParams,
)
from ml_pipeline.errors import ServingRefused
from ml_pipeline.pipeline import features as featuring
from ml_pipeline.pipeline import scoring
from ml_pipeline.pipeline.order_parts import held_orders

if TYPE_CHECKING:
    import polars as pl

    from ml_pipeline.pipeline.spans import Orders

SERVING: Final = Pipeline(
    "serving",
    ParamModel(serving=ServingParams, realised=RealisedParams, limits=RealisedLimits),
    first_party=source.FIRST_PARTY,
    serves=PIPELINE,
)


def orders_read(as_of: date, served: Served) -> str:
    """Return a digest of the orders that would be scored with now."""
    return " ".join(source.digest(as_of, run.group(DataParams)) for run in served.runs)


@SERVING.asset(
    reads=orders_read,
    columns=about_assets.PREDICTION_COLUMNS,
    owners=about_assets.OWNERS,
    kinds=["polars", "parquet"],
)
def predictions(as_of: date, served: Served) -> Result:
    """Who buys again, or the revenue to come, as known at the end of the date.

    A row for each customer, or one of the revenue, with the run that scored it.
    """
    _refuse_unlike(served)
    data = served.champion.group(DataParams)
    # Before the source counts as opened: then what was known of it before is forgotten.
    days = source.days(source.locate(data.source))
    place = source.opened(data.source)
    first, last = source.window(as_of, data)
    with held_orders(place.location, days, first, last, place.columns) as known:
        champion, *challengers = [_scored(run, known, as_of) for run in served.runs]
    if served.challenger is None:
        return Result(champion, metrics={"scored": champion.height, "challenged": 0})
    (challenger,) = challengers
    both = scoring.divided(champion, challenger, served.challenged(champion["customer_id"]))
    challenged = both.filter(scored_by=served.challenger.alias).height
    return Result(both, metrics={"scored": both.height, "challenged": challenged})


def _scored(run: ServedRun, known: "Orders", as_of: date) -> "pl.DataFrame":
    """Score a day with one run: its parameters, its model, and the orders of this environment."""
    import polars as pl

    shape = run.group(FeatureParams)
    examples = featuring.build_features(
        known,
        dataset=run.group(DataParams).dataset,
        as_of=as_of,
        lookback_days=shape.lookback_days,
        horizon_days=shape.horizon,
    )
    found = scoring.scores(run.load("model"), examples, as_of=as_of, horizon_days=shape.horizon)
    return found.with_columns(
        run_id=pl.lit(run.run_id),
        model_version=pl.lit(run.group(TrainingParams).model_version),
        scored_by=pl.lit(run.alias),
        trained_after=pl.lit(run.trained_after),
    )


def _refuse_unlike(served: Served) -> None:
    """Refuse a challenger whose scores could not stand beside those of the champion.

    Raises:
        ServingRefused: if it knows other orders or looks further, or there are no customers.
    """
    if served.challenger is None:
        return
    ours, theirs = (
        {**run.group(DataParams).model_dump(), "horizon_days": run.group(FeatureParams).horizon}
        for run in served.runs
    )
    unlike = [f"{n} {value} and {theirs[n]}" for n, value in ours.items() if value != theirs[n]]
    if unlike:
        raise ServingRefused(
            "Champion and challenger must know the same orders and predict the same to share"
            f" customers, but have {', '.join(unlike)}. Promote another challenger, or ask for"
            " share=0."
        )
    if ours["dataset"] != "customers":
        raise ServingRefused(
            f"A share needs customers to take a part of, but dataset={ours['dataset']} has one"
            " forecast a day. Ask for share=0; `compare` sets two runs beside each other."
        )

"""Whether features know nothing that had not happened."""

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from ml_pipeline.pipeline.examples import feature_columns
from ml_pipeline.pipeline.features import build_features
from ml_pipeline.pipeline.judgement import Judgement

if TYPE_CHECKING:
    import polars as pl

    from ml_pipeline.pipeline.spans import Orders

_AS_GOOD_AS_EQUAL: Final = 1e-9
_MOST_TOLD: Final = 5


def nothing_ahead(
    features: "pl.DataFrame | pl.LazyFrame",
    orders: "Orders",
    *,
    dataset: Literal["orders", "customers"],
    as_of: date,
    lookback_days: int,
    horizon_days: int,
    probes: int,
) -> Judgement:
    """Tell whether no example has seen what came after its day, nor any target what is not over.

    The examples of some days are made again of the orders up to each day alone: they must be the
    same.

    Args:
        features: what `build_features` made.
        orders: what it made them of.
        dataset: as for `build_features`.
        as_of: the last day that may be known.
        lookback_days: as for `build_features`.
        horizon_days: days after its own that the target of an example covers.
        probes: how many days are made again.
    """
    import polars as pl

    features = features.lazy()
    open_yet = pl.col("day") + timedelta(days=horizon_days) > as_of
    count, late, early = (
        features.select(
            pl.len(),
            late=(pl.col("day") > as_of).sum(),
            early=(open_yet & pl.col("target").is_not_null()).sum(),
        )
        .collect(engine="streaming")
        .row(0)
    )
    problems = []
    if late:
        problems.append(f"{late} examples are of days after {as_of}")
    if early:
        problems.append(f"{early} targets cover days after {as_of}")
    # The last one is made of no more than these orders in any case.
    made = features.select(pl.col("day").unique()).collect(engine="streaming")
    days = made["day"].sort().to_list()[:-1]
    chosen = _spread(days, probes)
    for day in chosen:
        known = orders.lazy().filter(pl.col("ordered_at") <= datetime.combine(day, time.max))
        again = build_features(
            known,
            dataset=dataset,
            as_of=day,
            lookback_days=lookback_days,
            horizon_days=horizon_days,
        )
        of_day = features.filter(pl.col("day") == day).collect(engine="streaming")
        if differing := _differing(of_day, again.filter(pl.col("day") == day)):
            problems.append(
                f"{', '.join(differing[:_MOST_TOLD])} of {day} are others when made of the orders"
                " up to that day alone"
            )
    found = "; ".join(problems) or "none does"
    return Judgement(
        not problems,
        f"no example may have seen what came after its day, and {found}"
        + (": mend what makes the features" if problems else ""),
        {"examples": count, "days_made_again": [str(day) for day in chosen]},
    )


def _spread(days: list[Any], most: int) -> list[Any]:
    """Choose some days, as far from each other as from the ends."""
    count = min(most, len(days))
    return [days[len(days) * (2 * place + 1) // (2 * count)] for place in range(count)]


def _differing(features: "pl.DataFrame", again: "pl.DataFrame") -> list[str]:
    """Name the features of a day that are not the same in both."""
    import polars as pl

    keys = [name for name in ("customer_id",) if name in features.columns]
    one, other = (table.sort(keys or ["day"]) for table in (features, again))
    if one.height != other.height:
        return [f"{one.height} examples instead of {other.height}"]
    return [
        name
        for name in feature_columns(features)
        if not _agree(one[name].cast(pl.Float64), other[name].cast(pl.Float64))
    ]


def _agree(one: "pl.Series", other: "pl.Series") -> bool:
    import numpy as np

    return bool(
        np.allclose(
            one.to_numpy(),
            other.to_numpy(),
            rtol=_AS_GOOD_AS_EQUAL,
            atol=_AS_GOOD_AS_EQUAL,
            equal_nan=True,
        )
    )

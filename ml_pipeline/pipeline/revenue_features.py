"""Examples for forecasting revenue: one per calendar day, with orders or without.

Revenue is written relative to its recent level. A model of ratios carries over to levels that it
was not trained on, which trees could not do with the amounts themselves.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl

_WEEK: Final = 7
_WEEKS_BACK: Final = 4


def revenue_features(
    orders: "Iterable[pl.DataFrame]", *, first: date, as_of: date, lookback: int, horizon: int
) -> "pl.DataFrame":
    """Describe each day by the revenue up to its end.

    Args:
        orders: day (Date) and amount, sorted, all of `first` to `as_of`; each frame has whole days.
        first: the first day that has an order.
        as_of: the last day that may be known.
        lookback: days of recent revenue, at least 7.
        horizon: days of revenue to forecast.

    Returns:
        One row per day, from `lookback` days after `first` on: `day`; its `revenue`; `scale`, what
        `horizon` days would bring at the level of the last `lookback` days, always above 0;
        features, as ratios to that level; `weekday` of the first day to forecast, 1 for Monday;
        `naive`, the revenue of the latest known days with the weekdays to forecast; `target`, the
        revenue of the `horizon` days after `day`, null where they are not over by `as_of`.
    """
    import numpy as np
    import polars as pl

    total = (as_of - first).days + 1
    revenue = np.zeros(total)
    for span in orders:
        revenue += np.bincount(
            span["day"].to_physical().to_numpy() - pl.Series([first]).to_physical().item(),
            weights=span["amount"].to_numpy(),
            minlength=total,
        )
    rows = np.arange(lookback, total)
    level = _level(revenue, rows, lookback)
    scale = level * horizon
    same_weekdays = [
        _on_same_weekdays(revenue, rows, horizon, weeks)
        for weeks in range(1, min(lookback // _WEEK, _WEEKS_BACK) + 1)
    ]
    features = {f"revenue_{lag}_days_ago": revenue[rows - lag] / level for lag in range(_WEEK)}
    for width in sorted({3, _WEEK, lookback // 2}):
        features[f"revenue_mean_{width}"] = _trailing_mean(revenue, rows, width) / level
    for weeks, window in enumerate(same_weekdays, start=1):
        features[f"same_weekdays_back_{weeks}"] = window / scale
    features["same_weekdays_mean"] = np.mean(same_weekdays, axis=0) / scale

    columns = {"revenue": revenue[rows], "scale": scale} | features
    columns |= {"naive": same_weekdays[0], "target": _following(revenue, rows, horizon)}
    return (
        pl.DataFrame(columns)
        .with_columns(
            day=pl.date_range(first + timedelta(days=lookback), as_of),
            target=pl.col("target").fill_nan(None),
        )
        .select(
            "day",
            "revenue",
            "scale",
            *features,
            (pl.col("day") + pl.duration(days=1)).dt.weekday().alias("weekday"),
            "naive",
            "target",
        )
    )


def _following(
    revenue: "npt.NDArray[np.float64]", rows: "npt.NDArray[np.int64]", horizon: int
) -> "npt.NDArray[np.float64]":
    """Sum the days after each row's, or give NaN where they are not all known."""
    import numpy as np

    unknown = np.full(horizon, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(np.append(revenue, unknown), horizon)
    sums: npt.NDArray[np.float64] = windows[rows + 1].sum(axis=1)
    return sums


def _level(
    revenue: "npt.NDArray[np.float64]", rows: "npt.NDArray[np.int64]", lookback: int
) -> "npt.NDArray[np.float64]":
    """Tell the usual size of a day's revenue, above 0 even after weeks without any."""
    import numpy as np

    sizes = np.abs(revenue)
    recent = _trailing_mean(sizes, rows, lookback)
    ever = np.cumsum(sizes)[rows] / (rows + 1)
    return np.where(recent > 0, recent, np.where(ever > 0, ever, 1.0))


def _trailing_mean(
    revenue: "npt.NDArray[np.float64]", rows: "npt.NDArray[np.int64]", width: int
) -> "npt.NDArray[np.float64]":
    import numpy as np

    # Window by window: differences of running sums would leave a residue where all is zero.
    windows = np.lib.stride_tricks.sliding_window_view(revenue, width)
    means: npt.NDArray[np.float64] = windows[rows - width + 1].mean(axis=1)
    return means


def _on_same_weekdays(
    revenue: "npt.NDArray[np.float64]",
    rows: "npt.NDArray[np.int64]",
    horizon: int,
    weeks: int,
) -> "npt.NDArray[np.float64]":
    """Sum the days that stand for the days to forecast, some whole weeks before them.

    Args:
        revenue: revenue of each day.
        rows: days at whose end to forecast.
        horizon: days to forecast.
        weeks: 1 for the latest known day with the weekday of each day to forecast, 2 for the one
            a week before it, and so on.

    Returns:
        One sum per row.
    """
    import numpy as np

    ahead = np.arange(1, horizon + 1)
    weeks_before = -(-ahead // _WEEK) + weeks - 1
    stand_ins = rows[:, None] + ahead - _WEEK * weeks_before
    sums: npt.NDArray[np.float64] = revenue[stand_ins].sum(axis=1)
    return sums

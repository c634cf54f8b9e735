"""Which columns are features, and which examples are for training and which are held out.

Training and evaluation both ask here, so that they cannot disagree.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

NOT_FEATURES: Final = frozenset({"customer_id", "day", "revenue", "scale", "naive", "target"})


@dataclass(frozen=True)
class Split:
    """Examples whose outcome is known, divided by time.

    Attributes:
        training: examples whose whole target is over before the held-out period begins.
        heldout: examples whose target begins in the held-out period.
    """

    training: "pl.DataFrame"
    heldout: "pl.DataFrame"


def feature_columns(features: "pl.DataFrame") -> list[str]:
    """Name the columns that a model may see, in their order."""
    return [column for column in features.columns if column not in NOT_FEATURES]


def split(features: "pl.DataFrame", *, as_of: date, horizon_days: int, holdout_days: int) -> Split:
    """Divide the examples whose outcome is known at the held-out period.

    The held-out period is the last `holdout_days` up to `as_of`. Examples of which only the end of
    the target reaches into it belong to neither part.

    Args:
        features: examples with `day` and `target`.
        as_of: the last known day.
        horizon_days: days after `day` that a target covers.
        holdout_days: length of the held-out period.

    Returns:
        Both parts; either may be empty.
    """
    import polars as pl

    last_day_before = as_of - timedelta(days=holdout_days)
    known = features.filter(pl.col("target").is_not_null())
    return Split(
        training=known.filter(pl.col("day") <= last_day_before - timedelta(days=horizon_days)),
        heldout=known.filter(pl.col("day") >= last_day_before),
    )

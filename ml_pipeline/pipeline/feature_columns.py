"""What each column of the examples is, and which columns of orders it is computed from.

A test computes examples from orders of which one column was changed, and sees which of theirs
change: so this table says what the code does.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

_WHEN: Final = ("ordered_at",)
_WHO: Final = ("customer_id", "ordered_at")
_HOW_MUCH: Final = ("ordered_at", "amount")
_ALL: Final = ("customer_id", "ordered_at", "amount")


class Fact(NamedTuple):
    """What is known of a column.

    Attributes:
        about: what it is.
        orders: the columns of orders that it is computed from.
    """

    about: str
    orders: tuple[str, ...]


ORDERS: Final[Mapping[str, str]] = {
    "customer_id": "who ordered; nothing for a guest",
    "ordered_at": "when, in UTC",
    "amount": "what was paid; negative where it was paid back",
}

FACTS: Final[Mapping[str, Mapping[str, Fact]]] = {
    "orders": {
        "day": Fact("the last day that the features know", _WHEN),
        "revenue": Fact("revenue of the day", _HOW_MUCH),
        "scale": Fact("the recent level: what the horizon would bring at it", _HOW_MUCH),
        "revenue_*_days_ago": Fact("revenue of one day, relative to the recent level", _HOW_MUCH),
        "revenue_mean_*": Fact("mean of so many days, relative to the recent level", _HOW_MUCH),
        "same_weekdays_*": Fact(
            "revenue of the same weekdays in earlier weeks, relative to scale", _HOW_MUCH
        ),
        "weekday": Fact("of the first day to forecast, 1 for Monday", _WHEN),
        "naive": Fact("the naive forecast: revenue of the same weekdays last week", _HOW_MUCH),
        "target": Fact("revenue of the horizon; empty while it is not over", _HOW_MUCH),
    },
    "customers": {
        "customer_id": Fact("the customer", ("customer_id",)),
        "day": Fact("the last day that the features know", _WHEN),
        "frequency": Fact("days with a purchase after the first one", _WHO),
        "recency_days": Fact("days from the first purchase to the last", _WHO),
        "age_days": Fact("days since the first purchase", _WHO),
        "monetary_value": Fact("mean of the purchases after the first, or 0", _ALL),
        "days_since_last": Fact("days since the last purchase", _WHO),
        "spend": Fact("sum of all purchases", _ALL),
        "last_amount": Fact("the last purchase", _ALL),
        "recent_purchases": Fact("purchases within lookback_days", _WHO),
        "recent_spend": Fact("sum of the purchases within lookback_days", _ALL),
        "longer_purchases": Fact("purchases within 3 times lookback_days", _WHO),
        "longer_spend": Fact("sum of the purchases within 3 times lookback_days", _ALL),
        "longest_purchases": Fact("purchases within 6 times lookback_days", _WHO),
        "mean_gap_days": Fact("mean days between purchases", _WHO),
        "overdue": Fact("days since the last purchase, relative to the usual gap", _WHO),
        "purchase_rate": Fact("purchases after the first per day since the first", _WHO),
        "target": Fact("1 if the customer buys within the horizon; empty while open", _WHO),
    },
}
"""By dataset and column; a ``*`` stands for what a parameter decides."""

PREDICTIONS: Final[Mapping[str, str]] = {
    "customer_id": "the customer, where customers are scored",
    "day": "the last day that the model knew",
    "until": "the last day that the prediction covers",
    "prediction": "revenue to come, or the probability that the customer buys again",
    "run_id": "the promoted run that scored the row",
    "model_version": "the label of its line of models",
    "scored_by": "champion or challenger",
    "trained_after": "whether the run had seen days after this one: then it proves nothing",
}

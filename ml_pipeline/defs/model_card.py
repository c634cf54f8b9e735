"""What the card of the reference pipeline's models says that nobody could compute."""

from datetime import date, timedelta
from typing import Final

from ml_pipeline import Card
from ml_pipeline.defs.config import DataParams, TrainingParams
from ml_pipeline.defs.source import window


def seen(as_of: date, data: DataParams, training: TrainingParams) -> str:
    """Say which orders a model has seen."""
    first, last = window(as_of, data)
    fitted = as_of - timedelta(days=training.holdout_days)
    return (
        f"Orders of {first} to {last} from source {data.source}, as far back as it goes. Fitted to"
        f" what was known by {fitted}; the {training.holdout_days} days after that were held out,"
        " and judge it."
    )


MODEL: Final = Card(
    intended_use="""
        With dataset=orders: a forecast of the next day's revenue of one shop, to plan stock and
        staff by. With dataset=customers: which customers will buy again within the horizon, to
        choose whom to write to. People decide; the model orders what they look at.
        """,
    limits="""
        It knows orders alone: no prices, campaigns, holidays or stock. A shop that changes, or a
        history of less than a year, is outside of what it has seen. On the sample, gains over the
        same weekday of last week are established for the next day, and not for seven days.

        Scores of customers are for choosing among many, never for a decision about one person, and
        never for credit or prices. Customers without any order, and guests, have no score.
        """,
    data=seen,
)

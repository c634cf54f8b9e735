"""What the reference pipeline says of its assets beside their code: owners, and columns."""

from collections.abc import Mapping
from typing import Final

from ml_pipeline import Column
from ml_pipeline.defs.config import DataParams
from ml_pipeline.pipeline.feature_columns import FACTS, ORDERS, PREDICTIONS

OWNERS: Final = ("team:forecasting",)
"""Who answers for the assets: addresses, or teams. Put your own here."""

ORDER_COLUMNS: Final = {name: Column(about) for name, about in ORDERS.items()}
PREDICTION_COLUMNS: Final = {name: Column(about) for name, about in PREDICTIONS.items()}


def feature_columns(data: DataParams) -> Mapping[str, Column]:
    """Say what the columns of features are, and which columns of orders they are made from."""
    return {
        name: Column(fact.about, {"orders": fact.orders})
        for name, fact in FACTS[data.dataset].items()
    }

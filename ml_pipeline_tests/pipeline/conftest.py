from datetime import date

import polars as pl
import pytest

from ml_pipeline.pipeline.datasets import orders_between
from ml_pipeline_tests.toys import small_shop


@pytest.fixture(scope="session")
def sample_orders() -> pl.DataFrame:
    """All orders of the sample."""
    return orders_between("sample", date.min, date.max)


@pytest.fixture(scope="session")
def shop_orders() -> pl.DataFrame:
    """Orders of a small shop in 2009."""
    return small_shop.orders()

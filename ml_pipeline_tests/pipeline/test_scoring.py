"""Scores of one day: of whom, by whom, and of nothing that came later."""

from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.defs.config import TrainingParams
from ml_pipeline.pipeline.features import build_features
from ml_pipeline.pipeline.scoring import divided, scores
from ml_pipeline.pipeline.training import fit
from ml_pipeline_tests.toys import small_shop

Dataset = Literal["orders", "customers"]

AS_OF = date(2009, 9, 30)
HORIZON = 7
LINEAR = TrainingParams(estimator="linear", max_iter=200, holdout_days=28)
ORDERS = small_shop.orders()


def examples(orders: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    return build_features(
        orders, dataset=dataset, as_of=AS_OF, lookback_days=14, horizon_days=HORIZON
    )


@cache
def fitted(dataset: Dataset) -> Any:
    return fit(
        examples(ORDERS, dataset), LINEAR, dataset=dataset, as_of=AS_OF, horizon_days=HORIZON
    )


def scored(orders: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    return scores(fitted(dataset), examples(orders, dataset), as_of=AS_OF, horizon_days=HORIZON)


def test_customers_are_all_who_had_ordered_by_the_day() -> None:
    found = scored(ORDERS, "customers")
    known = ORDERS.filter(pl.col("ordered_at") < datetime(2009, 10, 1))
    assert found["customer_id"].to_list() == sorted(set(known["customer_id"]))
    assert found.columns == ["customer_id", "day", "until", "prediction"]
    assert set(found["day"]) == {AS_OF}
    assert set(found["until"]) == {date(2009, 10, 7)}
    assert found["prediction"].is_between(0, 1).all()


def test_revenue_is_one_forecast_of_the_days_to_come() -> None:
    found = scored(ORDERS, "orders")
    assert (found.height, found.columns) == (1, ["day", "until", "prediction"])
    # A week of this shop brings some hundreds.
    assert 200 < found["prediction"].item() < 2000


later = st.lists(
    st.tuples(
        st.sampled_from(["c000", "c001", "new", None]),
        st.integers(0, 86_400 * 60),
        st.floats(-1e4, 1e4),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("dataset", ["orders", "customers"])
@given(rows=later)
@settings(max_examples=15)
def test_orders_after_the_day_change_no_score(dataset: Dataset, rows: list[Any]) -> None:
    midnight = datetime(2009, 10, 1)
    added = pl.DataFrame(
        [(who, midnight + timedelta(seconds=after), amount) for who, after, amount in rows],
        schema=ORDERS.schema,
        orient="row",
    )
    by_the_day = ORDERS.filter(pl.col("ordered_at") < midnight)
    expected = scored(by_the_day, dataset)
    assert scored(pl.concat([ORDERS, added]), dataset).equals(expected)


def test_share_of_customers_has_the_challengers_scores() -> None:
    champion = pl.DataFrame({"customer_id": ["a", "b", "c"], "prediction": [0.1, 0.2, 0.3]})
    challenger = champion.with_columns(prediction=pl.col("prediction") + 0.5).reverse()
    for challenged, expected in (
        ([False, False, False], [0.1, 0.2, 0.3]),
        ([False, True, False], [0.1, 0.7, 0.3]),
        ([True, True, True], [0.6, 0.7, 0.8]),
    ):
        found = divided(champion, challenger, challenged)
        assert found["customer_id"].to_list() == ["a", "b", "c"]
        assert found["prediction"].to_list() == expected

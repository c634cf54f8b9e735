"""Where the data comes from. It is made up: read yours here, and nothing later than `last`."""

from datetime import date, timedelta

import numpy as np
import polars as pl

_ROWS: int = 20


def examples_between(first: date, last: date) -> pl.DataFrame:
    """Return the examples of some days, both ends included: day, size in m2, price."""
    days = (first + timedelta(days=count) for count in range((last - first).days + 1))
    return pl.concat(_examples_of(day) for day in days)


def _examples_of(day: date) -> pl.DataFrame:
    random = np.random.default_rng(day.toordinal())
    size = random.uniform(20, 200, _ROWS)
    price = 5000 * size + random.normal(0, 50_000, _ROWS)
    return pl.DataFrame({"day": [day] * _ROWS, "size": size, "price": price})

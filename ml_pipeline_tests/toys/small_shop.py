"""Orders of a small shop: enough to fit on, few enough to do it often."""

from datetime import UTC, datetime, timedelta
from random import Random

import polars as pl


def orders() -> pl.DataFrame:
    """300 days of 2009, from 2009-01-05 on: closed on Sundays, with refunds and gifts."""
    random = Random(7)
    rows = []
    for offset in range(300):
        day = datetime(2009, 1, 5, tzinfo=UTC) + timedelta(days=offset)
        if day.weekday() == 6:
            continue
        for _ in range(random.randint(2, 6) + 3 * (day.weekday() == 5)):
            customer = f"c{int(random.paretovariate(0.6)) % 60:03}"
            amount = random.choice(
                [0.0, -5.5, *(round(random.uniform(5, 60), 2) for _ in range(8))]
            )
            at = day + timedelta(seconds=random.randrange(86400))
            rows.append((customer, at.replace(tzinfo=None), amount))
    return pl.DataFrame(
        rows,
        schema={"customer_id": pl.String, "ordered_at": pl.Datetime("us"), "amount": pl.Float64},
        orient="row",
    )

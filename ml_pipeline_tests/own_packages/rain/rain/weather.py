"""The database that the weather is in."""

import sqlite3
from contextlib import closing
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

import ml_pipeline as mp

_COLUMNS = ["date", "precipitation", "temp_max", "temp_min", "wind"]
_DAYS = f"SELECT {', '.join(_COLUMNS)} FROM weather WHERE date BETWEEN ? AND ? ORDER BY date"


class Weather(dg.ConfigurableResource[Any]):
    """A table of days in an SQLite database."""

    path: str

    def days(self, first: date, last: date) -> pl.DataFrame:
        """Return the days that are known, both ends included, in order."""
        try:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
                rows = connection.execute(_DAYS, [str(first), str(last)]).fetchall()
        except sqlite3.Error as error:
            raise mp.SourceError(f"{self.path} must have a table weather: {error}.") from error
        found = pl.DataFrame(rows, _COLUMNS, orient="row")
        return found.with_columns(pl.col("date").str.to_date())


def weather() -> Weather:
    """Return the database of this installation."""
    return Weather(path=str(dg.EnvVar("RAIN_DATABASE").get_value()))

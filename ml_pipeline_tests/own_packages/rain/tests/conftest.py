"""The weather of Seattle in a database, and a home for results."""

import csv
import importlib.metadata
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

COLUMNS = ("date", "precipitation", "temp_max", "temp_min", "wind")


def fill(database: Path) -> None:
    """Write the weather of 2012 to 2015 into a new database."""
    files = importlib.metadata.files("vega_datasets") or ()
    (file,) = (one for one in files if one.name == "seattle-weather.csv")
    with Path(str(file.locate())).open() as lines:
        rows = [
            [row["date"].replace("/", "-"), *(float(row[name]) for name in COLUMNS[1:])]
            for row in csv.DictReader(lines)
        ]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(f"CREATE TABLE weather ({', '.join(COLUMNS)})")
        connection.executemany("INSERT INTO weather VALUES (?, ?, ?, ?, ?)", rows)


@pytest.fixture(scope="session", autouse=True)
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("rain")
    fill(folder / "weather.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PIPELINE_HOME", str(folder / "home"))
        patch.setenv("RAIN_DATABASE", str(folder / "weather.db"))
        yield folder / "weather.db"


if __name__ == "__main__":
    fill(Path(os.environ["RAIN_DATABASE"]))

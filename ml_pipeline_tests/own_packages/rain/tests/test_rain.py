"""Weeks of rain as Dagster runs them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from rain.definitions import defs
from rain.model import Season

WEEK = "2015-06-07"


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def run(instance: dg.DagsterInstance, week: str = WEEK, **params: Any) -> dict[str, Any]:
    """Run everything for one week; return the metadata of each asset."""
    done = (
        defs()
        .resolve_job_def("run_pipeline")
        .execute_in_process(
            partition_key=week,
            run_config={"resources": {"params": {"config": params}}},
            instance=instance,
        )
    )
    made = [event.materialization for event in done.get_asset_materialization_events()]
    return {one.asset_key.to_user_string(): one.metadata for one in made}


def computed(made: dict[str, Any]) -> set[str]:
    return {name for name, metadata in made.items() if not metadata["reused"].value}


def test_season_knows_what_is_usual() -> None:
    days = np.arange(1.0, 731.0)
    warm = 15 + 10 * np.cos(2 * np.pi * days / 365.25)
    rest = np.zeros_like(days)
    examples = np.column_stack([days, rest, warm, rest, rest])
    assert np.allclose(Season().fit(examples).transform(examples)[:, -1], 0)


def test_week_is_judged_computed_once_and_anew_where_the_database_is_another(
    instance: dg.DagsterInstance, database: Path
) -> None:
    everything = {"days", "rain_model", "judgement"}
    first = run(instance)
    assert computed(first) == everything
    assert 0.5 < first["judgement"]["auc"].value < 1
    assert computed(run(instance)) == set()
    assert computed(run(instance, trees={"leaves": 15})) == {"rain_model", "judgement"}
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE weather SET temp_max = 40 WHERE date = '2015-03-01'")
    assert computed(run(instance)) == everything
    assert computed(run(instance, week="2012-12-30", data={"weeks": 52})) == everything


def test_early_week_has_not_enough_to_learn_from(instance: dg.DagsterInstance) -> None:
    with pytest.raises(dg.Failure, match="104 weeks must be known, but only"):
        run(instance, week="2012-03-04")

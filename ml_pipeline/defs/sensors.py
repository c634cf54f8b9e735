"""Which sensors there are; how often they look, and where, is settings."""

from collections.abc import Mapping
from datetime import date

import dagster as dg

from ml_pipeline import ParamSet, inbox_sensor, new_days_sensor
from ml_pipeline.defs import source
from ml_pipeline.defs.assets import PIPELINE
from ml_pipeline.defs.partitions import daily
from ml_pipeline.defs.requests import rules


def sensors() -> list[dg.SensorDefinition]:
    """Return the sensors: of request files, and of new days in the source."""
    return [
        inbox_sensor(PIPELINE, daily, rules),
        new_days_sensor(PIPELINE, daily, held=_orders_held, what=_orders),
    ]


def _orders_held(params: ParamSet) -> tuple[str, Mapping[date, str]]:
    place = source.locate(_source(params))
    return str(place), source.day_digests(place)


def _orders(params: ParamSet) -> str:
    return f"orders in {_source(params)}"


def _source(params: ParamSet) -> str:
    return str(params.values()["data"]["source"])

"""Which sensors there are; how often they look, and where, is settings."""

from collections.abc import Mapping
from datetime import date

import dagster as dg

from ml_pipeline import ParamSet, new_data_sensor, requests_sensor
from ml_pipeline.defs import source
from ml_pipeline.defs.requests import refused


def sensors(location: dg.Definitions) -> list[dg.SensorDefinition]:
    """Return the sensors of the code location: of request files, and of new days in the source."""
    return [
        requests_sensor(location, refused),
        new_data_sensor(location, held=_orders_held, what=_orders),
    ]


def scoring_sensors(location: dg.Definitions) -> list[dg.SensorDefinition]:
    """Return the sensors of what scores: of request files, which lie in a folder of their own."""
    return [requests_sensor(location)]


def _orders_held(params: ParamSet) -> tuple[str, Mapping[date, str]]:
    place = source.locate(_source(params))
    return str(place), source.day_digests(place)


def _orders(params: ParamSet) -> str:
    return f"orders in {_source(params)}"


def _source(params: ParamSet) -> str:
    return str(params.values()["data"]["source"])

"""What Dagster is told about a run: its config and its tags, as plain data."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.model import ParamSet, nested
from ml_pipeline.text import shortened

RUN_ID_TAG: Final = "ml_pipeline/run_id"
"""Tag of a run of one date: identity of its parameters and the date."""

SWEEP_TAG: Final = "ml_pipeline/sweep"
"""Tag of a run that is a sweep: name of its study."""

ENVIRONMENT_TAG: Final = "ml_pipeline/environment"
"""Tag of a run: the environment that it is in, where environments are configured."""

ORIGINS_TAG: Final = "ml_pipeline/origins"
"""Tag of a run: where its parameter values came from, as JSON by dotted name."""

_PREFIX: Final = "ml_pipeline/"
_PARTITION_TAG: Final = "dagster/partition"
_FIRST_TAG: Final = "dagster/asset_partition_range_start"
_LAST_TAG: Final = "dagster/asset_partition_range_end"
_MOST_IN_TAG: Final = 2000
"""Databases index tags: PostgreSQL refuses one of more than 2,700 bytes."""


def run_config(params: ParamSet, resource: str) -> dict[str, Any]:
    """Return Dagster run config that asks for these parameters: what is not a default.

    Args:
        params: values of all parameters.
        resource: name of the resource that carries them.
    """
    values = params.flat(params.model.groups)
    given = nested({name: value for name, value in values.items() if name in params.origins})
    return {"resources": {resource: {"config": given}}} if given else {}


def date_tags(dates: Sequence[AsOf | None]) -> dict[str, str]:
    """Return the tags that tell Dagster which dates a run covers.

    Args:
        dates: in order; those between the first and the last are covered as well.
    """
    known = [str(day) for day in dates if day is not None]
    if len(known) > 1:
        return {_FIRST_TAG: known[0], _LAST_TAG: known[-1]}
    return {_PARTITION_TAG: known[0]} if known else {}


def label_tags(params: Iterable[ParamSet]) -> dict[str, str]:
    """Return the tags of a run that tell its path labels, such as ``ml_pipeline/dataset``.

    Args:
        params: what it is for: labels that differ among several have no tag.
    """
    found: dict[str, set[str]] = {}
    for each in params:
        for dotted, value in each.flat().items():
            parameter = each.model.find(dotted)
            if parameter.is_label:
                found.setdefault(parameter.told, set()).add(str(value))
    return {
        f"{_PREFIX}{name}": shortened(next(iter(values)), _MOST_IN_TAG)
        for name, values in found.items()
        if len(values) == 1
    }


def environment_tags(environment: str | None) -> dict[str, str]:
    """Return the tag of a run that tells its environment, if it is in one."""
    return {} if environment is None else {ENVIRONMENT_TAG: environment}


def origin_tags(origins: Mapping[str, str]) -> dict[str, str]:
    """Return tags of a run that tell where its values came from, as many as it takes."""
    parts: list[dict[str, str]] = []
    for dotted, origin in origins.items():
        if not parts or len(json.dumps({**parts[-1], dotted: origin})) > _MOST_IN_TAG:
            parts.append({})
        parts[-1][dotted] = origin
    return {
        f"{ORIGINS_TAG}.{number}" if number > 1 else ORIGINS_TAG: json.dumps(part)
        for number, part in enumerate(parts, 1)
    }


def origins_in(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the origins that the tags of a run tell, by dotted name."""
    origins: dict[str, str] = {}
    for key, value in tags.items():
        if key == ORIGINS_TAG or key.startswith(f"{ORIGINS_TAG}."):
            origins |= json.loads(value)
    return origins


def sweep_config(values: Mapping[str, Any], resource: str) -> dict[str, Any]:
    """Return Dagster run config that asks for a sweep.

    Args:
        values: ``{group: {field: value or space}}`` and the section ``search``.
        resource: name of the resource that carries them.
    """
    return {"resources": {resource: {"config": dict(values)}}}

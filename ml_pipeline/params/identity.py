"""Identity: which point in parameter space a run is, and which revision an artifact is.

`document` is the only function that builds what is hashed. It takes validated values, so 1, 1.0
and "1.0" of a number field have already become one value. Where results are stored, how many
workers compute them and how a float happens to be printed never reach it: each of those has made
silent misses or collisions in other systems.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from ml_pipeline.errors import PipelineError
from ml_pipeline.params.as_of import AsOf

SCHEME: Final = 1
"""Number of the algorithm; any change to what is hashed, or how, takes the next number."""

ID_DIGITS: Final = 16


def document(params: Mapping[str, Mapping[str, Any]], as_of: AsOf | None) -> dict[str, Any]:
    """Build the document that identifies a run.

    Args:
        params: validated values of the scope, ``{group: {field: value}}``.
        as_of: the partition's key, or None for something that is not partitioned.

    Raises:
        PipelineError: if a value has no canonical form, naming the field.
    """
    return {
        "scheme": SCHEME,
        "as_of": str(as_of) if as_of is not None else None,
        "params": {
            group: {name: _canonical(value, f"{group}.{name}") for name, value in values.items()}
            for group, values in params.items()
        },
    }


def run_id(params: Mapping[str, Mapping[str, Any]], as_of: AsOf | None) -> str:
    """Return the id of a point in parameter space: 16 hexadecimal digits.

    Args:
        params: identity values, ``{group: {field: value}}``, as `ParamSet.identity_values`
            returns them.
        as_of: what the run is as of; None for a pipeline without partitions.

    Raises:
        PipelineError: if a value has no canonical form.
    """
    return digest_of(document(params, as_of))


def digest_of(content: Any) -> str:
    """Hash a JSON document in its canonical form: sorted keys, compact, ASCII.

    Returns:
        The first 16 hexadecimal digits of its SHA-256.
    """
    canonical = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:ID_DIGITS]


def _canonical(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if type(value) in (int, str):
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise PipelineError(f"{where} must be a finite number, but is {value}.")
        return value + 0.0
    if isinstance(value, list | tuple):
        return [_canonical(member, f"{where}[{place}]") for place, member in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise PipelineError(f"{where} must have text keys, but has the key {key!r}.")
        return {key: _canonical(member, f"{where}.{key}") for key, member in value.items()}
    raise PipelineError(
        f"{where} must be made of none, true/false, numbers, text, lists and mappings to have an"
        f" identity, but holds {type(value).__name__}. Give the field one of those types."
    )

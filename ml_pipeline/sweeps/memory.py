"""Sweeps that this process has read, found again by the run config that they became."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_pipeline.params.model import ParamModel
from ml_pipeline.params.parameter import Parameter
from ml_pipeline.sweeps.options import MODEL

if TYPE_CHECKING:
    from ml_pipeline.sweeps.request import SweepRequest


class Memory:
    """The last few requests; those whose values are more than JSON are not remembered."""

    def __init__(self, most: int) -> None:
        """Start without any.

        Args:
            most: how many are remembered.
        """
        self._most = most
        self._requests: OrderedDict[tuple[ParamModel, str], SweepRequest] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, model: ParamModel, values: Mapping[str, Any], request: "SweepRequest") -> None:
        """Remember a request by the values that it was read from."""
        if (key := _key(model, values)) is not None:
            with self._lock:
                self._requests[key] = request
                self._requests.move_to_end(key)
                while len(self._requests) > self._most:
                    self._requests.popitem(last=False)

    def find(self, model: ParamModel, values: Mapping[str, Any]) -> "SweepRequest | None":
        """Return the request that was read from equal values, if it is remembered."""
        key = _key(model, values)
        with self._lock:
            return None if key is None else self._requests.get(key)


def without_defaults(model: ParamModel, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not a default in a sweep's run config.

    Args:
        model: the parameters of the pipeline.
        config: ``{group: {field: value or space}}`` and the section ``search``.
    """
    defaults = {
        p.dotted: p for known in (model, MODEL) for p in known.parameters() if p.default is not ...
    }
    asked: dict[str, Any] = {}
    for group, fields in config.items():
        if not isinstance(fields, Mapping):
            asked[group] = fields
            continue
        asked[group] = {
            name: raw
            for name, raw in fields.items()
            if not _is_default(defaults.get(f"{group}.{name}"), raw)
        }
    return asked


def _is_default(parameter: Parameter | None, raw: Any) -> bool:
    if parameter is None:
        return False
    # True, 1 and 1.0 are equal, and different all the same.
    defaults = (parameter.default, parameter.default_shown)
    return json.dumps(raw, default=repr) in [json.dumps(each, default=repr) for each in defaults]


def _key(model: ParamModel, values: Mapping[str, Any]) -> tuple[ParamModel, str] | None:
    asked = {group: fields for group, fields in without_defaults(model, values).items() if fields}
    try:
        return model, json.dumps(asked, sort_keys=True)
    except (TypeError, ValueError):
        return None

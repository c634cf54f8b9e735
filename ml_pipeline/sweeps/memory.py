"""Sweeps that this process has read, found again by the run config that they became."""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_pipeline.params.layout import Section
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
    sections = {**MODEL.sections, **model.sections}
    return {
        group: _without(sections[group], fields)
        if group in sections and isinstance(fields, Mapping)
        else fields
        for group, fields in config.items()
    }


def _without(section: Section, fields: Mapping[str, Any]) -> dict[str, Any]:
    asked = {}
    for name, raw in fields.items():
        node = section.members.get(name)
        if isinstance(node, Section) and isinstance(raw, Mapping):
            if inner := _without(node, raw):
                asked[name] = inner
        elif not (isinstance(node, Parameter) and _is_default(node, raw)):
            asked[name] = raw
    return asked


def _is_default(parameter: Parameter, raw: Any) -> bool:
    if parameter.default is ...:
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

"""Places of assets that have a config of their own, and share no parameters with others.

An asset depends on its own config and on whatever its inputs depended on, as their records tell.
Where two of them were made with different config of one op, which happens where one was not made
again, the second counts by its run id instead: neither may be taken for the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import pydantic

from ml_pipeline.addresses import refusal, texts_in
from ml_pipeline.errors import OpConfigError, PipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.params.parameter import plain
from ml_pipeline.store.record import Record
from ml_pipeline.store.slots import Slot, slot_of

BY_RUN: Final = "other inputs"
"""Group of the run ids of inputs that count by them: no op has a blank in its name."""

_ONLY: Final = "config"


@dataclass(frozen=True)
class OwnConfig:
    """The config of one op.

    Attributes:
        values: every value in JSON form, by name.
        identity: those that take part in identity.
        labels: names and values of those that show in paths.
        typed: names of those that are not the default.
    """

    values: Mapping[str, Any]
    identity: Mapping[str, Any]
    labels: tuple[tuple[str, Any], ...] = ()
    typed: tuple[str, ...] = ()


def own_config(op: str, config: pydantic.BaseModel) -> OwnConfig:
    """Return the config of an op.

    Args:
        op: its name.
        config: what the op gets.

    Raises:
        OpConfigError: if a value carries credentials, since it is recorded.
    """
    fields = type(config).model_fields
    values = {name: plain(getattr(config, name)) for name in fields}
    typed = tuple(
        name
        for name, info in fields.items()
        if info.is_required()
        or getattr(config, name) != info.get_default(call_default_factory=True)
    )
    identity, labels = dict(values), tuple[tuple[str, Any], ...]()
    if (model := _model_of(type(config))) is not None:
        params = ParamSet(model, {_ONLY: config})  # type: ignore[dict-item]
        identity = params.identity_values([_ONLY])[_ONLY]
        labels = tuple((name, value) for _, name, value in params.labels([_ONLY]))
    others = {name: plain(value) for name, value in (config.model_extra or {}).items()}
    values, identity = values | others, identity | others
    _refuse_credentials(op, values)
    return OwnConfig(values, identity, labels, typed)


@cache
def _model_of(cls: type[pydantic.BaseModel]) -> ParamModel | None:
    """Return the model of a class alone, or None where not every field can be a parameter.

    All values count then, in whatever JSON form they have.
    """
    try:
        return ParamModel(**{_ONLY: cls})  # type: ignore[arg-type]
    except PipelineError:
        return None


def own_mapping(op: str, config: Any) -> OwnConfig:
    """Return the config of an op that declares it by a schema."""
    values = config if isinstance(config, Mapping) else {"config": config}
    _refuse_credentials(op, values)
    plainly = {str(name): plain(value) for name, value in values.items()}
    return OwnConfig(plainly, plainly)


@dataclass(frozen=True)
class Place:
    """Where an asset is kept.

    Attributes:
        slot: the place.
        params: all values that it depends on, ``{op: {field: value}}``.
        origins: where those that are not defaults came from, by dotted name.
    """

    slot: Slot
    params: dict[str, dict[str, Any]]
    origins: dict[str, str]


def place(
    asset: str,
    own: Mapping[str, OwnConfig],
    inputs: Mapping[str, Record],
    as_of: AsOf | None,
    origin: str,
) -> Place:
    """Return where an asset is kept.

    Args:
        asset: its key, its parts joined by slashes.
        own: its config, by op: more than one where a graph makes it.
        inputs: records of what it reads and is kept likewise, by name.
        as_of: the partition, or None.
        origin: where the values of its own config came from.

    Raises:
        PipelineError: if a value has no canonical form, naming the field.
    """
    identity: dict[str, Any] = {op: dict(one.identity) for op, one in own.items()}
    params: dict[str, Any] = {op: dict(one.values) for op, one in own.items()}
    origins = {f"{op}.{name}": origin for op, one in own.items() for name in one.typed}
    by_run: dict[str, str] = {}
    for name, record in sorted(inputs.items()):
        theirs: Mapping[str, Any] = record.identity["params"]
        if BY_RUN in theirs or any(
            group in identity and identity[group] != values for group, values in theirs.items()
        ):
            by_run[f"run of {name}"] = record.run_id
            continue
        for group, values in theirs.items():
            identity.setdefault(group, values)
            params.setdefault(group, dict(record.params.get(group, values)))
        origins = {**record.origins, **origins}
    if by_run:
        identity[BY_RUN] = params[BY_RUN] = by_run
    labels = [(op, name, value) for op, one in own.items() for name, value in one.labels]
    slot = slot_of(asset, identity, labels, as_of)
    return Place(slot, params, {n: o for n, o in origins.items() if n.partition(".")[0] in params})


def _refuse_credentials(op: str, values: Mapping[str, Any]) -> None:
    problems = [
        f"{op}.{name} {found}"
        for name, value in values.items()
        for text in texts_in(value)
        if (found := refusal(text))
    ]
    if problems:
        raise OpConfigError(problems)

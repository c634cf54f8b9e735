"""A place in a store and what to publish there."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
from pydantic import Field

from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.marks import PATH_LABEL
from ml_pipeline.params.model import ParamModel
from ml_pipeline.store.artifacts import ArtifactStore, Published
from ml_pipeline.store.record import Content, Record
from ml_pipeline.store.slots import Slot, slot_for
from ml_pipeline_tests.toys import store_child

AS_OF = date(1998, 5, 31)
FRAME = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})


class Data(ParamGroup):
    dataset: str = Field(default="orders", json_schema_extra=PATH_LABEL)
    rate: float = 0.1


MODEL = ParamModel(data=Data)


def slot_of(asset: str = "table", **values: Any) -> Slot:
    return slot_for(asset, MODEL.validate({"data": values}), ["data"], AS_OF)


SLOT = slot_of()


def publish(
    store: ArtifactStore,
    revision: str,
    value: Any,
    slot: Slot = SLOT,
    pictures: Mapping[str, str] = MappingProxyType({}),
    **fields: Any,
) -> Published:
    made = store_child.describe(revision, slot)

    def describe(content: Content) -> Record:
        return made(content).model_copy(update=fields)

    return store.publish(slot, revision, value, describe, pictures)


def file_of(store: ArtifactStore, name: str, slot: Slot = SLOT, revision: str = "r1") -> Path:
    assert store.directory is not None
    return store.directory / slot.revision(revision) / name

"""Places of assets with a config of their own: two that differ in anything are never one."""

from datetime import UTC, date, datetime
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from ml_pipeline.errors import OpConfigError, PipelineError
from ml_pipeline.params.identity import document, run_id
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL
from ml_pipeline.runs.by_config import BY_RUN, OwnConfig, own_config, own_mapping, place
from ml_pipeline.store.record import Content, Record

DAY = date(2026, 1, 5)


class Inner(pydantic.BaseModel):
    depth: int = 1


class Fit(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    alpha: float = 1.0
    region: str = Field(default="north", json_schema_extra=PATH_LABEL)
    workers: int = Field(default=1, json_schema_extra=NOT_IDENTITY)
    inner: Inner = Inner()


class Loose(pydantic.BaseModel):
    anything: Any = None


def record(params: dict[str, Any], asset: str = "features", day: date | None = DAY) -> Record:
    identity = document(params, day)
    return Record(
        asset=asset,
        run_id=run_id(params, day),
        revision="0" * 16,
        as_of=day,
        identity=identity,
        params=params,
        code="x",
        content=Content(file="data.json", format="json", bytes=1, digest="0" * 32),
        started_at=datetime.now(UTC),
        duration_s=0,
    )


def values(**fields: Any) -> OwnConfig:
    return OwnConfig(fields, fields)


def test_own_config_has_every_value_and_identity_those_that_count() -> None:
    found = own_config("fit", Fit(alpha=2, workers=5, extra="more"))  # type: ignore[call-arg]
    counted = {"alpha": 2.0, "region": "north", "inner": {"depth": 1}, "extra": "more"}
    assert found.identity == counted
    assert found.values == counted | {"workers": 5}
    assert found.labels == (("region", "north"),)
    assert found.typed == ("alpha", "workers")
    assert own_config("fit", Loose(anything=[1, {"a": None}])).identity == {
        "anything": [1, {"a": None}]
    }
    assert own_mapping("fit", 3).identity == {"config": 3}


def test_credentials_are_refused_before_anything_is_recorded() -> None:
    with pytest.raises(OpConfigError, match=r"fit\.region must not carry credentials"):
        own_config("fit", Fit(region="https://ann:pw@host/x"))
    with pytest.raises(OpConfigError, match=r"fit\.urls must not carry credentials"):
        own_mapping("fit", {"urls": ["https://ann:pw@host/x"]})


def test_place_has_own_config_and_that_of_inputs_and_ids_as_a_pipeline_gives() -> None:
    features = record({"features": {"rows": 3}})
    found = place("model", {"model": values(alpha=2.0)}, {"features": features}, DAY, "launchpad")
    both = {"features": {"rows": 3}, "model": {"alpha": 2.0}}
    assert found.slot.run_id == run_id(both, DAY)
    assert found.params == both
    assert found.slot.path == f"model/as_of=2026-01-05/run={found.slot.run_id}"


def test_inputs_of_different_config_count_by_their_runs() -> None:
    old, new = record({"features": {"rows": 3}}), record({"features": {"rows": 4}})
    model = record({"features": {"rows": 3}, "model": {"alpha": 1.0}}, "model")
    same = place("score", {}, {"features": old, "model": model}, DAY, "")
    mixed = place("score", {}, {"features": new, "model": model}, DAY, "")
    assert BY_RUN not in same.params
    assert mixed.params == {
        "features": {"rows": 4},
        BY_RUN: {"run of model": model.run_id},
    }
    assert mixed.slot.run_id != same.slot.run_id
    # What was made so itself counts by its run, too.
    after = place("report", {}, {"score": record(mixed.params, "score")}, DAY, "")
    assert list(after.params) == [BY_RUN]


def test_value_without_a_canonical_form_is_refused_by_name() -> None:
    with pytest.raises(PipelineError, match=r"model\.odd must be made of"):
        place("model", {"model": values(odd=b"bytes")}, {}, None, "")


_CONFIG = st.dictionaries(
    st.sampled_from(["a", "b"]), st.integers(0, 2) | st.text("xy", max_size=2), max_size=2
)


@given(own=st.tuples(_CONFIG, _CONFIG), read=st.tuples(_CONFIG, _CONFIG))
def test_two_places_are_one_only_where_own_config_and_inputs_are_the_same(
    own: tuple[dict[str, Any], ...], read: tuple[dict[str, Any], ...]
) -> None:
    places = [
        place("model", {"model": values(**mine)}, {"f": record({"f": theirs})}, DAY, "")
        for mine, theirs in zip(own, read, strict=True)
    ]
    is_same = own[0] == own[1] and read[0] == read[1]
    assert (places[0].slot.path == places[1].slot.path) == is_same

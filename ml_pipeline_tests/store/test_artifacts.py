import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.artifacts import ArtifactStore, Published
from ml_pipeline.store.files import digest_of_bytes, digest_of_file
from ml_pipeline.store.record import Content, Input, Provenance, Record, fingerprint
from ml_pipeline_tests.toys import store_child
from ml_pipeline_tests.toys.shelf import AS_OF, FRAME, SLOT, file_of, publish, slot_of

# Publishing, finding, loading


@pytest.mark.parametrize(
    "value", [{"a": [1, None]}, [], b"", b"\x00\xff", [{"x": 1}]], ids=lambda value: repr(value)
)
def test_published_value_is_found_and_loaded(store: ArtifactStore, value: Any) -> None:
    done = publish(store, "r1", value)
    assert not done.adopted
    assert done.deterministic
    found = store.find(SLOT, "r1")
    assert found == done.record
    assert store.load(SLOT, found) == value


def test_published_frame_is_loaded_eager_or_lazy(store: ArtifactStore) -> None:
    record = publish(store, "r1", FRAME).record
    assert store.load(SLOT, record).equals(FRAME)
    deferred = store.load(SLOT, record, lazy=True)
    assert isinstance(deferred, pl.LazyFrame)
    assert deferred.filter(pl.col("a") > 1).collect().height == 2


def test_published_model_is_loaded(store: ArtifactStore) -> None:
    model = Ridge().fit([[0.0], [1.0]], [0.0, 2.0])
    record = publish(store, "r1", model).record
    assert store.load(SLOT, record).predict([[3.0]]) == model.predict([[3.0]])


def test_lazy_frame_is_published_as_its_result(store: ArtifactStore) -> None:
    record = publish(store, "r1", FRAME.lazy()).record
    assert store.load(SLOT, record).equals(FRAME)
    assert record.content.digest == publish(store, "r2", FRAME).record.content.digest


def test_content_of_a_record_describes_the_file(local: ArtifactStore) -> None:
    content = publish(local, "r1", FRAME).record.content
    file = file_of(local, "data.parquet")
    assert content == Content(
        file="data.parquet",
        format="parquet",
        bytes=file.stat().st_size,
        digest=digest_of_file(file),
        shape={"rows": 3, "columns": 2},
    )
    assert content.digest == digest_of_bytes(file.read_bytes())
    assert len(content.digest) == 32


def test_every_field_of_a_record_survives_the_store(store: ArtifactStore) -> None:
    fields = {
        "params": {"data": {"dataset": "orders", "rate": 0.1}},
        "origins": {"data.rate": "command line"},
        "external": "e" * 16,
        "inputs": {"up": Input(run_id="1", revision="2", digest="3", path="up/run=1/rev=2")},
        "started_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "duration_s": 0.1 + 0.2,
        "metrics": {"mape": 1 / 3, "days": 182.0},
        "picture": "<svg>é</svg>",
        "provenance": Provenance(
            dagster_run_id="x", git_commit="y", git_dirty=True, python="3", packages={"a": "1"}
        ),
    }
    done = publish(store, "r1", {"a": 1}, **fields)
    found = store.find(SLOT, "r1")
    assert found == done.record
    assert found.model_dump(include=set(fields)) == done.record.model_dump(include=set(fields))
    assert (found.asset, found.as_of, found.run_id) == ("table", AS_OF, SLOT.run_id)
    assert found.identity == SLOT.identity


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_in_an_identity_is_found_again(number: float) -> None:
    slot = slot_of(rate=number)
    store = ArtifactStore(f"memory://floats-{number!r}")
    publish(store, "r1", {}, slot)
    assert store.find(slot, "r1") is not None


def test_record_names_no_directory_and_no_user(local: ArtifactStore) -> None:
    publish(local, "r1", FRAME)
    assert local.uri not in file_of(local, "record.json").read_text()


def test_nothing_published_is_nothing_found(store: ArtifactStore) -> None:
    assert store.find(SLOT, "r1") is None
    assert list(store.directories("table")) == []
    assert store.revisions(SLOT) == []
    store.discard(SLOT, "r1")


def test_revisions_of_a_slot_come_newest_first(store: ArtifactStore) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for name, hours in (("b", 2), ("c", 1), ("a", 3)):
        publish(store, name, {"r": name}, started_at=start + timedelta(hours=hours))
    publish(store, "z", {"r": "z"}, slot_of(rate=0.5))
    assert [record.revision for record in store.revisions(SLOT)] == ["a", "b", "c"]
    assert {store.load(SLOT, record)["r"] for record in store.revisions(SLOT)} == {"a", "b", "c"}


def test_directories_of_an_asset_are_not_those_of_one_with_a_longer_name(
    store: ArtifactStore,
) -> None:
    for asset in ("table", "table_more", "tables/inner"):
        publish(store, "r1", {}, slot_of(asset))
    assert list(store.directories("table")) == [SLOT.revision("r1")]
    assert list(store.directories("tables/inner")) == [slot_of("tables/inner").revision("r1")]


@pytest.mark.parametrize(
    "value", ["../../x", "é", "", ".", "..", "x" * 300, "\0\n", "%2F", "*?[a]#"]
)
def test_hostile_label_value_is_published_inside_the_asset(
    store: ArtifactStore, tmp_path: Path, value: str
) -> None:
    slot = slot_of(dataset=value)
    record = publish(store, "r1", FRAME, slot).record
    assert store.load(slot, record).equals(FRAME)
    assert store.load(slot, record, lazy=True).collect().equals(FRAME)
    assert list(store.directories("table")) == [slot.revision("r1")]
    assert store.revisions(slot) == [record]
    if store.directory is not None:
        assert {path.name for path in tmp_path.iterdir()} == {"root"}
        assert {path.name for path in store.directory.iterdir()} == {".staging", "table"}


# Publishing twice


def test_second_publish_of_a_revision_adopts_the_first(store: ArtifactStore) -> None:
    first = publish(store, "r1", {"a": 1}, duration_s=1.0)
    second = publish(store, "r1", {"a": 1}, duration_s=2.0)
    assert second.adopted
    assert second.deterministic
    assert second.record == first.record
    assert store.find(SLOT, "r1").duration_s == 1.0


def test_second_publish_with_other_bytes_adopts_and_says_so(store: ArtifactStore) -> None:
    first = publish(store, "r1", {"a": 1})
    second = publish(store, "r1", {"a": 2})
    assert second == Published(first.record, adopted=True, deterministic=False)
    assert store.load(SLOT, store.find(SLOT, "r1")) == {"a": 1}


@pytest.mark.parametrize("same", ["same", "other"])
def test_two_processes_that_publish_at_once_leave_one_artifact(
    tmp_path: Path, run_script: Callable[..., Any], same: str
) -> None:
    rounds = run_script("store_child.py", "race", tmp_path, 60, same)
    store = ArtifactStore(str(tmp_path))
    assert len(rounds) == 60
    for number, (winner, loser) in enumerate(rounds):
        assert (winner["adopted"], loser["adopted"]) == (False, True)
        assert loser["digest"] == winner["digest"]
        assert winner["deterministic"]
        assert loser["deterministic"] == (same == "same")
        revision = f"race-{number}"
        value = store.load(store_child.SLOT, store.find(store_child.SLOT, revision))
        assert value.pop("writer", winner["writer"]) == winner["writer"]
        assert value == store_child.payload(revision)
    assert list((tmp_path / ".staging").iterdir()) == []


def test_staging_is_left_empty(local: ArtifactStore, tmp_path: Path) -> None:
    publish(local, "r1", FRAME)
    with pytest.raises(PipelineError):
        publish(local, "r2", {"a": float("nan")})
    with pytest.raises(PipelineError):
        publish(local, "r3", None)
    assert list((tmp_path / "root" / ".staging").iterdir()) == []
    assert list(local.directories("table")) == [SLOT.revision("r1")]


# Fingerprints and records


def test_fingerprint_stays_what_it_was() -> None:
    assert fingerprint("c", {"b": "2", "a": "1"}, None) == fingerprint(
        "c", {"a": "1", "b": "2"}, None
    )
    assert fingerprint("c", {"a": "1", "b": "2"}, None) == "3a2c586ec5bb7aee"
    assert fingerprint("c", {}, "e") == "c83cf8a810af3e75"


def test_fingerprint_counts_code_inputs_and_outside_data() -> None:
    made = {
        fingerprint("c", {"a": "1"}, None),
        fingerprint("d", {"a": "1"}, None),
        fingerprint("c", {"a": "2"}, None),
        fingerprint("c", {"b": "1"}, None),
        fingerprint("c", {}, None),
        fingerprint("c", {"a": "1"}, "e"),
    }
    assert len(made) == 6


def test_record_is_readable_json_that_ends_with_a_line_break(local: ArtifactStore) -> None:
    publish(local, "r1", {"a": 1})
    text = file_of(local, "record.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert text.startswith('{\n  "asset": "table",\n')
    assert json.loads(text)["identity"] == SLOT.identity


def test_record_with_a_field_from_the_future_is_refused(local: ArtifactStore) -> None:
    data = publish(local, "r1", {"a": 1}).record.model_dump(mode="json")
    with pytest.raises(ArtifactDamaged, match="Extra inputs are not permitted"):
        Record.from_json(json.dumps(data | {"novelty": 1}).encode(), "here")

import json
import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from ml_pipeline.errors import ArtifactDamaged, PipelineError, StoreError
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.files import digest_of_bytes
from ml_pipeline.store.record import Record
from ml_pipeline_tests.toys.shelf import FRAME, SLOT, file_of, publish, slot_of

# Damage


@pytest.mark.parametrize("size", [0, 1, 100])
def test_truncated_file_is_damage_that_find_reports(local: ArtifactStore, size: int) -> None:
    record = publish(local, "r1", FRAME).record
    file = file_of(local, "data.parquet")
    os.truncate(file, size)
    for ask in (lambda: local.find(SLOT, "r1"), lambda: local.load(SLOT, record)):
        with pytest.raises(ArtifactDamaged):
            ask()
    with pytest.raises(ArtifactDamaged) as caught:
        local.find(SLOT, "r1")
    assert str(caught.value) == (
        f"{file} must have {record.content.bytes} bytes, but it has {size}. It is not used."
    )


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("place", [0, 5, 0.5, -5, -1])
@pytest.mark.parametrize("kind", ["frame", "model", "json", "bytes"])
def test_flipped_bit_is_damage_that_load_reports(
    local: ArtifactStore, kind: str, place: float, lazy: bool
) -> None:
    model = Ridge().fit([[0.0], [1.0]], [0.0, 2.0])
    value = {"frame": FRAME, "model": model, "json": {"a": 1.5}, "bytes": b"x" * 50}[kind]
    record = publish(local, "r1", value).record
    file = file_of(local, record.content.file)
    data = bytearray(file.read_bytes())
    data[int(len(data) * place) if isinstance(place, float) else place] ^= 1
    file.write_bytes(data)
    with pytest.raises(ArtifactDamaged) as caught:
        local.load(SLOT, record, lazy)
    assert str(caught.value) == (
        f"{file} must have the digest {record.content.digest}, but has"
        f" {digest_of_bytes(bytes(data))}: the bytes have changed since they were published. It is"
        " not used."
    )


@pytest.mark.parametrize("lazy", [False, True])
def test_missing_file_is_damage(local: ArtifactStore, lazy: bool) -> None:
    record = publish(local, "r1", FRAME).record
    file = file_of(local, "data.parquet")
    file.unlink()
    with pytest.raises(ArtifactDamaged) as caught:
        local.find(SLOT, "r1")
    assert str(caught.value) == (
        f"{file} must have {record.content.bytes} bytes, but it is missing. It is not used."
    )
    with pytest.raises(ArtifactDamaged) as caught:
        local.load(SLOT, record, lazy)
    assert str(caught.value) == f"{file} must be there, since its record is, but is missing."


@pytest.mark.parametrize(
    "garbage", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}", b'{"asset": "table"}']
)
def test_record_that_is_none_is_damage(local: ArtifactStore, garbage: bytes) -> None:
    publish(local, "r1", {"a": 1})
    file = file_of(local, "record.json")
    file.write_bytes(garbage)
    with pytest.raises(ArtifactDamaged) as caught:
        local.find(SLOT, "r1")
    message = str(caught.value)
    assert message.startswith(f"{file} must be a record, but cannot be read as one: ")
    assert message.endswith(
        ". The artifact beside it is not used: the next run that needs it makes it again, or remove"
        " its directory."
    )
    assert local.revisions(SLOT) == []


@pytest.mark.parametrize("cut", [1, 50, 300])
def test_torn_record_is_damage(local: ArtifactStore, cut: int) -> None:
    publish(local, "r1", {"a": 1})
    file = file_of(local, "record.json")
    file.write_bytes(file.read_bytes()[:-cut])
    if cut == 1:  # the line break at the end
        assert local.find(SLOT, "r1") is not None
    else:
        with pytest.raises(ArtifactDamaged):
            local.find(SLOT, "r1")


def test_record_of_other_parameters_is_damage(local: ArtifactStore) -> None:
    other = slot_of(rate=0.5)
    for slot in (SLOT, other):
        publish(local, "r1", {"a": 1}, slot)
    file_of(local, "record.json").write_bytes(file_of(local, "record.json", other).read_bytes())
    with pytest.raises(ArtifactDamaged) as caught:
        local.find(SLOT, "r1")
    assert str(caught.value) == (
        f"{file_of(local, 'record.json')} must be the record of its own directory, but is that of"
        f" table run={other.run_id}/rev=r1. {Record.remedy}"
    )
    assert local.revisions(SLOT) == []


def test_record_of_a_format_that_is_gone_is_refused_on_loading(local: ArtifactStore) -> None:
    record = publish(local, "r1", {"a": 1}).record
    content = record.content.model_copy(update={"format": "pickle"})
    with pytest.raises(ArtifactDamaged, match="names the format 'pickle', which is none of"):
        local.load(SLOT, record.model_copy(update={"content": content}))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "record"])
def test_damaged_artifact_is_published_again_once_discarded(
    local: ArtifactStore, damage: str
) -> None:
    publish(local, "r1", {"a": 1})
    data, record = file_of(local, "data.json"), file_of(local, "record.json")
    if damage == "truncated":
        os.truncate(data, 3)
    elif damage == "flipped":
        data.write_bytes(data.read_bytes().replace(b"1", b"2"))
    elif damage == "missing":
        data.unlink()
    else:
        record.write_bytes(b"{")
    local.discard(SLOT, "r1")
    assert local.find(SLOT, "r1") is None
    done = publish(local, "r1", {"a": 1})
    assert not done.adopted
    assert local.load(SLOT, local.find(SLOT, "r1")) == {"a": 1}


def test_discard_leaves_other_revisions_alone(store: ArtifactStore) -> None:
    for revision in ("r1", "r10", "r2"):
        publish(store, revision, {"r": revision})
    store.discard(SLOT, "r1")
    assert {record.revision for record in store.revisions(SLOT)} == {"r10", "r2"}
    assert store.load(SLOT, store.find(SLOT, "r10")) == {"r": "r10"}


# Records that say what cannot be


def document_of(record: Record) -> dict[str, Any]:
    return record.model_dump(mode="json")


def put(document: dict[str, Any], **changes: Any) -> bytes:
    """Return a record as it was written before there were seals, with members changed by path."""
    for path, value in changes.items():
        *above, last = path.split("__")
        member = document
        for step in above:
            member = member[step]
        member[last] = value
    return json.dumps(document).encode()


INPUT = {"run_id": "1", "revision": "2", "digest": "3"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"metrics__auc": float("nan")}, "metrics.auc: Input should be a finite number"),
        ({"metrics__auc": float("-inf")}, "metrics.auc: Input should be a finite number"),
        ({"duration_s": float("nan")}, "duration_s: Input should be a finite number"),
        ({"duration_s": 1e300}, "duration_s: Input should be less than or equal to 1000000000"),
        ({"started_at": "2026-01-05T00:00:00"}, "started_at: Input should have timezone info"),
        ({"started_at": "0001-01-01T00:00:00Z"}, "must be a moment of the years 1970 to 8999"),
        ({"started_at": "9999-12-31T23:59:59Z"}, "must be a moment of the years 1970 to 8999"),
        ({"as_of": 20260105}, "as_of: Value error, must be the key of a partition"),
        ({"content__file": "/etc/passwd"}, "content.file: Value error, must be a path below"),
        ({"content__file": "../data.json"}, "content.file: Value error, must be a path below"),
        ({"content__file": "deeper/data.json"}, "must be the name of a file, without directories"),
        ({"content__file": ""}, "content.file: Value error, must be a path below"),
        ({"content__file": "a\0b"}, "content.file: Value error, must be a path below"),
        ({"content__bytes": -1}, "content.bytes: Input should be greater than or equal to 0"),
        ({"inputs": {"up": {**INPUT, "path": "/etc"}}}, "inputs.up.path: Value error, must be a"),
        ({"inputs": {"up": {**INPUT, "path": "a/../../b"}}}, "without '.' and '..'"),
        ({"inputs": {"up": {**INPUT, "path": "a//b"}}}, "without '.' and '..'"),
        ({"metrics": {"a": "x", "b": "y"}, "code": 1, "as_of": 1.5}, "; and 1 more. "),
    ],
)
def test_record_that_says_what_cannot_be_is_damage_in_one_sentence(
    store: ArtifactStore, changes: dict[str, Any], said: str
) -> None:
    record = publish(store, "r1", {"a": 1}).record
    path = f"{SLOT.revision('r1')}/record.json"
    store.overwrite(path, put(document_of(record), **changes))
    with pytest.raises(ArtifactDamaged) as caught:
        store.find(SLOT, "r1")
    message = str(caught.value)
    assert message.startswith(
        f"{store.address(path)} must be a record, but cannot be read as one: "
    )
    assert said in message
    assert message.endswith(Record.remedy)
    assert "\n" not in message
    assert store.revisions(SLOT) == []


def test_record_from_before_there_were_seals_is_read(store: ArtifactStore) -> None:
    record = publish(store, "r1", {"a": 1}).record
    path = f"{SLOT.revision('r1')}/record.json"
    assert b'"seal"' in (store.read(path) or b"")
    store.overwrite(path, put(document_of(record)))
    assert store.find(SLOT, "r1") == record


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"auc": 0.5', b'"auc": 0.9'),
        (b'"duration_s": 1.0', b'"duration_s": 2.0'),
        (b"\n  ", b"\n    "),
        (b'"seal": "', b'"seal": "0'),
        (b',\n  "seal"', b' ,\n  "seal"'),
    ],
)
def test_record_whose_text_was_changed_is_damage(
    store: ArtifactStore, old: bytes, new: bytes
) -> None:
    publish(store, "r1", {"a": 1}, metrics={"auc": 0.5}, duration_s=1.0, picture="<svg/>")
    path = f"{SLOT.revision('r1')}/record.json"
    text = store.read(path) or b""
    assert old in text
    store.overwrite(path, text.replace(old, new))
    with pytest.raises(ArtifactDamaged):
        store.find(SLOT, "r1")
    assert store.revisions(SLOT) == []


def test_record_with_a_changed_metric_is_told_from_one_that_is_none(store: ArtifactStore) -> None:
    publish(store, "r1", {"a": 1}, metrics={"auc": 0.5})
    path = f"{SLOT.revision('r1')}/record.json"
    store.overwrite(path, (store.read(path) or b"").replace(b"0.5", b"0.9"))
    with pytest.raises(ArtifactDamaged) as caught:
        store.read_record(SLOT.revision("r1"))
    assert str(caught.value) == (
        f"{store.address(path)} must be a record as it was written, but its text has been changed"
        f" since: its seal is that of another. {Record.remedy}"
    )


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_record_with_any_byte_changed_is_damage_or_the_same(place: int, flipped: int) -> None:
    store = ArtifactStore("memory://flipped")
    record = publish(store, "r1", {"a": 1}, metrics={"auc": 0.5}).record
    path = f"{SLOT.revision('r1')}/record.json"
    text = record.to_json()
    data = bytearray(text)
    data[place % len(data)] ^= flipped
    store.overwrite(path, bytes(data))
    try:
        assert store.find(SLOT, "r1") == record
    except ArtifactDamaged:
        pass
    finally:
        store.overwrite(path, text)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_record_that_could_not_be_read_again_is_not_published(
    store: ArtifactStore, number: float
) -> None:
    with pytest.raises(PipelineError, match="'table' is not published"):
        publish(store, "r1", {"a": 1}, metrics={"auc": number})
    assert store.find(SLOT, "r1") is None
    assert list(store.directories("table")) == []


def test_directory_in_the_place_of_a_record_is_one_sentence(local: ArtifactStore) -> None:
    publish(local, "r1", {"a": 1})
    file = file_of(local, "record.json")
    file.unlink()
    file.mkdir()
    (file / "inner").touch()
    assert local.find(SLOT, "r1") is None
    with pytest.raises(StoreError) as caught:
        publish(local, "r1", {"a": 1})
    assert "\n" not in str(caught.value)


# Entries of the ledger that say what cannot be

ENTRY = {
    "asset": "table",
    "run_id": "1",
    "revision": "2",
    "path": "table/run=1/rev=2",
    "artifacts": {"table/run=1/rev=2": "d"},
    "as_of": None,
    "metrics": {"auc": 0.5},
    "at": "2026-01-05T00:00:00Z",
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"at": "2026-01-05T00:00:00"}, "at: Input should have timezone info"),
        ({"at": "9999-12-31T23:59:59Z"}, "must be a moment of the years 1970 to 8999"),
        ({"metrics": {"auc": float("nan")}}, "metrics.auc: Input should be a finite number"),
        ({"path": "/etc/passwd"}, "path: Value error, must be a path below the store's root"),
        ({"artifacts": {"../elsewhere": "d"}}, "without '.' and '..'"),
        ({"number": 2}, "must be the entry of its own place, but is entry 2 of 'prod'"),
        ({"environment": "dev"}, "must be the entry of its own place, but is entry 1 of 'dev'"),
        ({"at": None}, "at: Input should be a valid datetime"),
    ],
)
def test_entry_of_the_ledger_that_says_what_cannot_be_is_damage(
    store: ArtifactStore, changes: dict[str, Any], said: str
) -> None:
    entry = ENTRY | {"environment": "prod", "number": 1}
    store.overwrite(".promotions/prod/000001.json", json.dumps(entry).encode())
    assert ledger.current(store)["prod"].run_id == "1"
    store.overwrite(".promotions/prod/000001.json", json.dumps(entry | changes).encode())
    for ask in (ledger.current, lambda s: ledger.kept(s, with_former=True)):
        with pytest.raises(ArtifactDamaged) as caught:
            ask(store)
        assert said in str(caught.value)
        assert str(caught.value).endswith(ledger.Promotion.remedy)


def test_entry_of_the_ledger_whose_text_was_changed_is_damage(store: ArtifactStore) -> None:
    about = {name: value for name, value in ENTRY.items() if name != "at"}
    ledger.add(store, "prod", None, at=datetime(2026, 1, 5, tzinfo=UTC), **about)
    assert ledger.current(store)["prod"].metrics == {"auc": 0.5}
    path = ".promotions/prod/000001.json"
    store.overwrite(path, (store.read(path) or b"").replace(b"0.5", b"0.9"))
    with pytest.raises(ArtifactDamaged, match="its text has been changed since"):
        ledger.current(store)

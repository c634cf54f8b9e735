import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from sklearn.linear_model import Ridge

from ml_pipeline.errors import ArtifactDamaged, PipelineError, StoreUnreachable
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.params.parameter import PATH_LABEL
from ml_pipeline.store.artifacts import ArtifactStore, Published, digest_of_bytes, digest_of_file
from ml_pipeline.store.formats import BytesFormat, Formats
from ml_pipeline.store.record import Content, Input, Provenance, Record, fingerprint
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
    store: ArtifactStore, revision: str, value: Any, slot: Slot = SLOT, **fields: Any
) -> Published:
    made = store_child.describe(revision, slot)
    return store.publish(
        slot, revision, value, lambda content: made(content).model_copy(update=fields)
    )


@pytest.fixture(params=["local", "memory"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "root") if request.param == "local" else f"memory://{tmp_path}"


@pytest.fixture
def store(root: str) -> ArtifactStore:
    return ArtifactStore(root)


@pytest.fixture
def local(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "root"))


def file_of(store: ArtifactStore, name: str, slot: Slot = SLOT, revision: str = "r1") -> Path:
    assert store.directory is not None
    return store.directory / slot.revision(revision) / name


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


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_record_with_a_metric_that_is_no_number_can_be_read_again(
    store: ArtifactStore, number: float
) -> None:
    try:
        publish(store, "r1", {"a": 1}, metrics={"auc": number})
    except PipelineError:
        return  # refusing it beforehand would be as good
    assert store.find(SLOT, "r1") is not None


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
    assert message.endswith(" The artifact beside it is not used.")
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
        f"{local.address(SLOT.revision('r1'))} must hold the artifact of {SLOT.identity}, but its"
        f" record says {other.identity}. It is not used."
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


# Roots


@pytest.mark.parametrize(
    "name",
    ["with space", "ünïcode 日本", "per%cent", "per%20cent", "hash#tag", "que?ry", "tilde~", "a:b",
     "new\nline", "quo'te\"", "back\\slash", "br{a,b}ce", "st*r", "we[ird]"],
)  # fmt: skip
@pytest.mark.parametrize("form", ["path", "slash", "uri"])
def test_local_root_of_any_name_is_used_as_it_is(tmp_path: Path, name: str, form: str) -> None:
    path = str(tmp_path / name)
    root = {"path": path, "slash": f"{path}/", "uri": f"file://{quote(path)}"}[form]
    store = ArtifactStore(root)
    assert store.uri == path
    record = publish(store, "r1", FRAME).record
    assert store.find(SLOT, "r1") == record
    assert store.load(SLOT, record).equals(FRAME)
    assert store.load(SLOT, record, lazy=True).collect().equals(FRAME)
    assert store.revisions(SLOT) == [record]
    assert {path.name for path in tmp_path.iterdir()} == {name}
    store.discard(SLOT, "r1")
    assert store.find(SLOT, "r1") is None


def test_relative_root_and_home_are_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert ArtifactStore("here/../there").uri == f"{tmp_path}/here/../there"
    assert ArtifactStore("~/artifacts").uri == f"{tmp_path}/home/artifacts"


def test_scheme_in_capitals_is_the_same_scheme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ArtifactStore(f"FILE://{tmp_path}/root").uri == f"{tmp_path}/root"


def test_memory_stores_of_one_name_are_one_store(tmp_path: Path) -> None:
    name = f"memory://{tmp_path}"
    publish(ArtifactStore(name), "r1", {"a": 1})
    assert ArtifactStore(f"{name}/").find(SLOT, "r1") is not None
    assert ArtifactStore(f"{name}-other").find(SLOT, "r1") is None


def test_store_moved_elsewhere_is_read_there(tmp_path: Path) -> None:
    before = ArtifactStore(str(tmp_path / "before"))
    publish(before, "r1", FRAME)
    (tmp_path / "before").rename(tmp_path / "after")
    after = ArtifactStore(str(tmp_path / "after"))
    assert after.load(SLOT, after.find(SLOT, "r1")).equals(FRAME)


def test_files_of_others_in_the_root_are_ignored(local: ArtifactStore) -> None:
    publish(local, "r1", {"a": 1})
    file_of(local, "notes.txt").write_text("mine")
    file_of(local, "x").parent.parent.joinpath("rev=stray").mkdir()
    assert len(local.revisions(SLOT)) == 1
    assert list(local.directories("table")) == [SLOT.revision("r1")]


# Roots that cannot be used

ADVICE = (
    ". Check that it exists, that you may write to it, and that it has space, or set"
    " ML_PIPELINE_STORE."
)


def test_file_where_the_root_should_be_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnreachable) as caught:
        ArtifactStore(str(tmp_path / "file"))
    assert str(caught.value) == (
        f"Could not open the store {tmp_path}/file: [Errno 17] File exists:"
        f" '{tmp_path}/file'{ADVICE}"
    )


def test_root_below_a_file_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreUnreachable) as caught:
        ArtifactStore(str(tmp_path / "file" / "below"))
    assert str(caught.value) == (
        f"Could not open the store {tmp_path}/file/below: [Errno 20] Not a directory:"
        f" '{tmp_path}/file/below'{ADVICE}"
    )


def test_dangling_link_as_root_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreUnreachable, match="File exists"):
        ArtifactStore(str(tmp_path / "link"))


def test_root_that_cannot_be_made_is_refused_with_advice() -> None:
    with pytest.raises(StoreUnreachable):
        ArtifactStore("/proc/nowhere/root")


@pytest.mark.parametrize("root", ["http://[bad", "~no-such-user-here/x", "a\0b"])
def test_root_that_is_no_path_is_refused_with_advice(root: str) -> None:
    with pytest.raises(StoreUnreachable):
        ArtifactStore(root)


def test_root_of_unknown_scheme_is_refused_with_advice() -> None:
    with pytest.raises(StoreUnreachable) as caught:
        ArtifactStore("foo://bucket/prefix")
    assert str(caught.value).startswith("Could not open the store foo://bucket/prefix: ")
    assert str(caught.value).endswith(ADVICE)


def test_unreachable_store_is_told_in_one_line() -> None:
    with pytest.raises(StoreUnreachable) as caught:
        ArtifactStore("foo://bucket/prefix")
    assert "Debug source" not in str(caught.value)


def test_root_that_is_gone_while_publishing_is_unreachable(local: ArtifactStore) -> None:
    class Vanishing(BytesFormat):
        name = "vanishing"

        def write(self, value: bytes, path: Path) -> None:
            subprocess.run(["rm", "-rf", local.uri], check=True)
            super().write(value, path)

    with pytest.raises(StoreUnreachable):
        publish(local.with_formats(Formats((Vanishing(),))), "r1", b"x")


def test_file_in_the_way_of_an_artifact_is_unreachable(local: ArtifactStore) -> None:
    assert local.directory is not None
    (local.directory / "table").write_text("in the way")
    with pytest.raises(StoreUnreachable) as caught:
        publish(local, "r1", {"a": 1})
    assert str(caught.value).endswith(ADVICE)
    with pytest.raises(StoreUnreachable):
        local.find(SLOT, "r1")


def test_root_deleted_and_used_again_is_made_again(local: ArtifactStore) -> None:
    publish(local, "r1", {"a": 1})
    subprocess.run(["rm", "-rf", local.uri], check=True)
    assert local.find(SLOT, "r1") is None
    publish(local, "r2", {"a": 2})
    assert local.load(SLOT, local.find(SLOT, "r2")) == {"a": 2}


# Full disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("may not mount a file system here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


LARGE = {
    "json": {"a": "x" * 3_000_000},
    "bytes": os.urandom(3_000_000),
    "frame": pl.DataFrame({"a": os.urandom(1_500_000).hex()}),
    "lazy": pl.LazyFrame({"a": os.urandom(1_500_000).hex()}),
}


@pytest.mark.parametrize("kind", LARGE)
def test_full_disk_is_unreachable_and_leaves_nothing(small_disk: Path, kind: str) -> None:
    store = ArtifactStore(str(small_disk / "root"))
    with pytest.raises(StoreUnreachable) as caught:
        publish(store, "r1", LARGE[kind])
    assert "No space left on device" in str(caught.value)
    assert str(caught.value).endswith(ADVICE)
    assert store.find(SLOT, "r1") is None
    assert [path for path in small_disk.rglob("*") if path.is_file()] == []


def test_disk_that_is_full_for_the_record_alone_leaves_nothing_to_read(small_disk: Path) -> None:
    store = ArtifactStore(str(small_disk / "root"))
    fill = small_disk / "fill"
    room = os.statvfs(small_disk)
    free = room.f_bavail * room.f_frsize
    fill.write_bytes(b"x" * (free - 4096 * 2))  # room for the data, not for the record
    with pytest.raises(StoreUnreachable, match="No space left on device"):
        publish(store, "r1", b"x" * 100, picture="x" * 100_000)
    assert store.find(SLOT, "r1") is None
    assert list(store.directories("table")) == []
    fill.unlink()
    done = publish(store, "r1", b"x" * 100, picture="x" * 100_000)
    assert not done.adopted
    assert store.load(SLOT, done.record) == b"x" * 100


@pytest.mark.parametrize(("limit", "failing"), [(300, "record"), (20_000, "json")])
def test_file_that_may_not_grow_is_unreachable_and_leaves_nothing(
    tmp_path: Path, run_script: Callable[..., Any], limit: int, failing: str
) -> None:
    outcomes = run_script("store_child.py", "run_out_of_space", tmp_path, limit)
    assert outcomes["bytes"] == (
        f"Could not write to the store {tmp_path}: [Errno 27] File too large{ADVICE}"
    )
    assert outcomes[failing].startswith(f"Could not write to the store {tmp_path}: ")
    assert "File too large" in outcomes["frame"]
    assert "File too large" in outcomes["lazy"]
    store = ArtifactStore(str(tmp_path))
    published = {name for name, outcome in outcomes.items() if outcome == "published"}
    assert {path.rpartition("rev=")[2] for path in store.directories("table")} == published
    for name in set(outcomes) - published:
        assert store.find(store_child.SLOT, name) is None


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
    data = json.loads(publish(local, "r1", {"a": 1}).record.to_json())
    with pytest.raises(ArtifactDamaged, match="Extra inputs are not permitted"):
        Record.from_json(json.dumps(data | {"novelty": 1}).encode(), "here")

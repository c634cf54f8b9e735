import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest

from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.formats import BytesFormat, Formats
from ml_pipeline_tests.toys import store_child
from ml_pipeline_tests.toys.shelf import FRAME, SLOT, file_of, publish

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

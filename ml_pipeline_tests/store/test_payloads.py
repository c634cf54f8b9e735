"""Folders and files that stages have written, in a store on this disk and in one that is not."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_pipeline.errors import ArtifactDamaged, PipelineError, StoreUnreachable
from ml_pipeline.index.removal import removable
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.housekeeping import remove, verify
from ml_pipeline_tests.toys.shelf import FRAME, SLOT, file_of, publish

FILES = {"a.txt": b"one", "sub/deep er/b#é%.bin": b"\x00" * 10, "record.json": b"{}", "z": b""}


def written(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def read(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_folder_comes_back_file_by_file_and_reads_as_the_same_value(
    store: ArtifactStore, tmp_path: Path
) -> None:
    done = publish(store, "r1", written(tmp_path / "made"))
    content = done.record.content
    assert (content.format, content.bytes, content.shape) == ("folder", 15, {"files": 4})
    assert store.find(SLOT, "r1") == done.record
    loaded = store.load(SLOT, done.record)
    assert read(loaded) == FILES
    assert publish(store, "r2", loaded).record.content.digest == content.digest
    again = publish(store, "r1", loaded)
    assert (again.adopted, again.deterministic) == (True, True)
    assert list(store.directories("table")) == [SLOT.revision("r1"), SLOT.revision("r2")]
    assert [one.problem for one in verify(store, ["table"])] == [None, None]


def test_file_comes_back_under_its_name(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    file = publish(store, "r1", tmp_path / "report.pdf").record
    assert file.content.format == "file"
    loaded = store.load(SLOT, file)
    assert (loaded.name, loaded.read_bytes()) == ("report.pdf", b"%PDF")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({**FILES}, True),
        ({**FILES, "a.txt": b"two"}, False),
        ({"b.txt": b"one", **{name: FILES[name] for name in FILES if name != "a.txt"}}, False),
        ({**FILES, "more": b""}, False),
    ],
)
def test_digest_is_of_names_and_bytes_of_all_files(
    other: dict[str, bytes], same: bool, local: ArtifactStore, tmp_path: Path
) -> None:
    one = publish(local, "r1", written(tmp_path / "one"))
    two = publish(local, "r1", written(tmp_path / "two", other))
    assert two.adopted
    assert two.deterministic is same
    assert read(local.load(SLOT, one.record)) == FILES


def nothing(folder: Path) -> None:
    (folder / "a").unlink()


def link_outside(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/hostname")


def link_to_a_folder(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "b").write_bytes(b"")
    (folder / "link").symlink_to(folder / "sub")


def broken_link(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "gone")


def empty_folder(folder: Path) -> None:
    (folder / "empty").mkdir()


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def odd_name(folder: Path) -> None:
    (folder / "new\nline").write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (nothing, "there is none"),
        (link_outside, "'link' is a link to something other than a file within it"),
        (link_to_a_folder, "'link' is a link to something other than a file within it"),
        (broken_link, "'link' is a link to something other than a file within it"),
        (empty_folder, "'empty' is an empty folder"),
        (pipe, "'pipe' is neither a file nor a folder"),
        (odd_name, "'new\\nline' has a character that not every store can keep in a name"),
    ],
)
def test_folder_that_would_come_back_as_another_is_not_published(
    spoil: Callable[[Path], None], said: str, local: ArtifactStore, tmp_path: Path
) -> None:
    folder = written(tmp_path / "made", {"a": b"x"})
    spoil(folder)
    with pytest.raises(PipelineError) as caught:
        publish(local, "r1", folder)
    assert str(caught.value) == (
        "'table' is not published. A folder must hold plain files and folders of them, at most"
        f" 10000, but {said}."
    )
    assert list(local.entries("")) == []


def test_link_to_a_file_within_is_kept_as_that_file(local: ArtifactStore, tmp_path: Path) -> None:
    folder = written(tmp_path / "made", {"a": b"x"})
    (folder / "link").symlink_to("a")
    loaded = local.load(SLOT, publish(local, "r1", folder).record)
    assert read(loaded) == {"a": b"x", "link": b"x"}
    assert not (loaded / "link").is_symlink()


def test_path_where_nothing_is_is_not_published(local: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="must be that of a file or folder, but there is none"):
        publish(local, "r1", tmp_path / "gone")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda top: (top / "a.txt").write_bytes(b"two"), "must have the digest"),
        (lambda top: (top / "a.txt").write_bytes(b"long"), "'a.txt' is of another size"),
        (lambda top: (top / "a.txt").unlink(), "'a.txt' is missing"),
        (lambda top: (top / "b").write_bytes(b""), "'b' is not of it"),
    ],
)
def test_changed_folder_is_not_read_and_published_anew(
    damage: Callable[[Path], object], said: str, local: ArtifactStore, tmp_path: Path
) -> None:
    made = written(tmp_path / "made")
    record = publish(local, "r1", made).record
    damage(file_of(local, record.content.file))
    with pytest.raises(ArtifactDamaged, match=said):
        local.load(SLOT, record)
    if "digest" not in said:
        with pytest.raises(ArtifactDamaged, match=said):
            local.find(SLOT, "r1")
    (checked,) = verify(local, ["table"])
    assert said in str(checked.problem)
    local.discard(SLOT, "r1")
    assert read(local.load(SLOT, publish(local, "r1", made).record)) == FILES


def test_files_that_a_crash_left_are_adopted_only_if_they_are_the_same(
    local: ArtifactStore, tmp_path: Path
) -> None:
    made = written(tmp_path / "made")
    record = publish(local, "r1", made).record
    file_of(local, "record.json").unlink()
    folder = file_of(local, record.content.file)
    (folder / "z").unlink()
    assert publish(local, "r1", made).record.content == record.content
    file_of(local, "record.json").unlink()
    (folder / "a.txt").write_bytes(b"two")
    with pytest.raises(StoreUnreachable, match="named for its content but has other content"):
        publish(local, "r1", made)


def test_gc_keeps_every_file_of_a_published_folder_and_takes_an_orphan_whole(
    local: ArtifactStore, tmp_path: Path
) -> None:
    record = publish(local, "r1", written(tmp_path / "made")).record
    assert removable(local, timedelta(0)) == []
    publish(local, "r2", tmp_path / "made")
    file_of(local, "record.json", revision="r2").unlink()
    (orphan,) = list(remove(local, removable(local, timedelta(0))))
    assert (orphan.path, len(orphan.objects)) == (SLOT.revision("r2"), 4)
    assert not file_of(local, "", revision="r2").exists()
    assert read(local.load(SLOT, record)) == FILES


def test_record_from_before_there_were_folders_is_read(local: ArtifactStore) -> None:
    value = {"a": [1, None]}
    record = publish(local, "r1", value).record
    document = json.loads(record.to_json())
    del document["seal"], document["content"]["files"], document["content"]["classes"]
    file_of(local, "record.json").write_text(json.dumps(document))
    found = local.find(SLOT, "r1")
    assert found == record
    assert local.load(SLOT, record) == value


def test_deferred_frame_and_folder_of_a_store_elsewhere_outlive_the_store_object(
    tmp_path: Path,
) -> None:
    root = f"memory://{tmp_path}/lazy"
    frame = publish(ArtifactStore(root), "r1", FRAME).record
    folder = publish(ArtifactStore(root), "r2", written(tmp_path / "made")).record
    deferred = ArtifactStore(root).load(SLOT, frame, lazy=True)
    loaded = ArtifactStore(root).load(SLOT, folder)
    assert deferred.filter(pl.col("a") > 1).collect().height == 2
    assert read(loaded) == FILES
    (loaded / "a.txt").write_bytes(b"two")
    assert read(ArtifactStore(root).load(SLOT, folder)) == FILES

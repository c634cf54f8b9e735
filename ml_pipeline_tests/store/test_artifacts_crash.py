"""A process that publishes may die at any instant; what it leaves must be whole or invisible."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline_tests.toys import store_child

pytestmark = pytest.mark.long

CHILD = Path(store_child.__file__)
SLOT = store_child.SLOT


def published(root: Path) -> set[str]:
    """Return the revisions that are published, having checked that each is whole."""
    store = ArtifactStore(str(root))
    found = set()
    for file in root.rglob("record.json"):
        Record.from_json(file.read_bytes(), str(file))
    for directory in store.directories("table"):
        revision = directory.rpartition("rev=")[2]
        record = store.find(SLOT, revision)
        assert record is not None
        assert record.revision == revision
        value = store.load(SLOT, record)
        assert value == store_child.payload(revision) or revision.startswith("bytes-")
        found.add(revision)
    assert len(found) == len(list(root.rglob("record.json")))
    return found


def attempted(root: Path) -> set[str]:
    return {path.name.removeprefix("rev=") for path in root.rglob("rev=*")}


def publish_again(root: Path) -> None:
    """Publish every revision that was ever begun; what stood before must still stand."""
    store = ArtifactStore(str(root))
    before = published(root)
    for revision in sorted(attempted(root) | {"new"}):
        value = store_child.payload(revision)
        done = store.publish(SLOT, revision, value, store_child.describe(revision))
        assert done.adopted == (revision in before)
        assert done.deterministic or revision.startswith("bytes-")
    assert published(root) == attempted(root) > before


def test_publishing_killed_at_any_time_leaves_only_whole_artifacts(
    tmp_path: Path, run_script: Callable[..., Any]
) -> None:
    outcome = run_script("store_child.py", "die_at_any_time", tmp_path, 40)
    assert outcome == {"killed": 40}
    assert len(published(tmp_path)) >= 40
    publish_again(tmp_path)


def test_publishing_killed_before_every_step_leaves_only_whole_artifacts(
    tmp_path: Path, run_script: Callable[..., Any]
) -> None:
    outcome = run_script("store_child.py", "die_at_every_step", tmp_path)
    assert outcome["last_status"] == 0
    assert {"open", "os.mkdir", "os.link", "os.rmdir"} <= set(outcome["steps"])
    roots = sorted(tmp_path.iterdir(), key=lambda root: int(root.name))
    assert published(roots[-1]) == {"step"}
    for root in roots[:-1]:
        assert published(root) == set()
        publish_again(root)


def test_publishing_killed_within_a_write_leaves_only_whole_artifacts(
    tmp_path: Path, run_script: Callable[..., Any]
) -> None:
    outcome = run_script("store_child.py", "die_within_a_write", tmp_path)
    assert outcome["killed"] >= 10
    torn = [file for file in tmp_path.rglob("record.json*") if file.name != "record.json"]
    assert torn, "some attempts must have died while they wrote the record"
    assert len(published(tmp_path)) == outcome["finished"] > 0
    publish_again(tmp_path)


@pytest.mark.parametrize("torn", [b"", b"{", b'{"asset": "table"'])
def test_unfinished_record_of_a_dead_writer_is_in_nobodys_way(torn: bytes, tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    directory = tmp_path / SLOT.revision("r")
    directory.mkdir(parents=True)
    for number in (1, 2):
        (directory / f"record.json#{number}").write_bytes(torn)
    assert store.find(SLOT, "r") is None
    assert list(store.directories("table")) == []
    store_child.publish(str(tmp_path), "r")
    assert published(tmp_path) == {"r"}
    store.discard(SLOT, "r")
    assert store.find(SLOT, "r") is None


@pytest.mark.parametrize("partial", [b"", b'{\n  "revision": "r"'])
def test_data_of_a_dead_writer_is_kept_apart_and_published_anew(
    partial: bytes, tmp_path: Path
) -> None:
    directory = tmp_path / SLOT.revision("r")
    directory.mkdir(parents=True)
    (directory / "data.json").write_bytes(partial)
    assert published(tmp_path) == set()
    store_child.publish(str(tmp_path), "r")
    assert published(tmp_path) == {"r"}
    assert (directory / "data.json").read_bytes() == partial


def test_whole_data_of_a_dead_writer_is_taken_over(tmp_path: Path) -> None:
    directory = tmp_path / SLOT.revision("r")
    store_child.publish(str(tmp_path), "r")
    (directory / "record.json").unlink()
    store_child.publish(str(tmp_path), "r")
    assert published(tmp_path) == {"r"}
    assert sorted(path.name for path in directory.iterdir()) == ["data.json", "record.json"]


def kill_at(call: str, file: Path | None, log: Path, *command: object) -> None:
    """Run a command of `store_child.py`, killed at its first such call on a file."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    only = ["-P", file] if file is not None else []
    traced = subprocess.run(
        ["strace", "-f", "-o", log, *only, "-e", f"trace={call}",
         "-e", f"inject={call}:signal=SIGKILL", sys.executable, CHILD, *command],
        check=False, capture_output=True, timeout=120,
    )  # fmt: skip
    if b"PTRACE" in traced.stderr or b"ptrace" in traced.stderr:
        pytest.skip("may not trace processes here")
    assert traced.returncode == -9, traced.stderr


@pytest.mark.parametrize(
    ("call", "name", "visible"),
    [
        ("link", None, False),
        ("openat", "record.json#1", False),
        ("linkat", None, False),
        ("unlink", "record.json#1", True),
    ],
)
def test_publishing_killed_at_a_system_call_of_the_record_is_all_or_nothing(
    call: str, name: str | None, visible: bool, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    directory = root / SLOT.revision("r")
    file = directory / name if name is not None else None
    kill_at(call, file, tmp_path / "log", "publish", root, "r")
    assert published(root) == ({"r"} if visible else set())
    store = ArtifactStore(str(root))
    done = store.publish(SLOT, "r", store_child.payload("r"), store_child.describe("r"))
    assert done.adopted == visible
    assert published(root) == {"r"}
    assert json.loads((directory / "record.json").read_bytes())["revision"] == "r"


@pytest.mark.parametrize(("name", "visible"), [("record.json", True), ("data.json", False)])
def test_discarding_killed_midway_leaves_no_record_without_its_data(
    name: str, visible: bool, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    store_child.publish(str(root), "r")
    file = root / SLOT.revision("r") / name
    kill_at("unlink", file, tmp_path / "log", "discard", root, "r")
    assert file.exists()
    assert published(root) == ({"r"} if visible else set())
    store_child.publish(str(root), "r")
    assert published(root) == {"r"}

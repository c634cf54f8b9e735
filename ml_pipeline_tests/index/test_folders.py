"""Folders stand for the records in them: whatever comes, goes or is moved, answers are the store's.

Here every store is a large one, and the times of folders count as soon as they are another tick's.
"""

import random
import shutil
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.index import catch_up, folders
from ml_pipeline.index.comparison import Folder, Found
from ml_pipeline.index.database import open_database
from ml_pipeline.index.stored import Index
from ml_pipeline.runs.catalog import entries, newest
from ml_pipeline.runs.listing import listed
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.housekeeping import Removable, remove
from ml_pipeline.store.record import Record
from ml_pipeline_tests.toys.bench import rewrite
from ml_pipeline_tests.toys.many import PIPELINE, records, write

TICK_S = 0.012
SECOND = "f" * 16
LOOKS = 5
"""Of each of two hosts one while the store is still taken for small, and the next; and one once all
is gone."""


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every store be large, and its folders trusted at once; give where all was looked at."""
    monkeypatch.setattr(catch_up, "_FEW", 0)
    monkeypatch.setattr(catch_up, "_REST_NS", 10**12)
    monkeypatch.setattr(folders, "_RECENT_NS", -(10**12))
    seen: list[str] = []
    whole = folders.whole

    def watched(root: Path, top: str, *others: Any) -> Any:
        seen.append(top)
        return whole(root, top, *others)

    monkeypatch.setattr(folders, "whole", watched)
    return seen


def opened(root: Path, index: str) -> ArtifactStore:
    store = ArtifactStore(str(root))
    store.index = str(root.parent / index)
    return store


def told(store: ArtifactStore, sort: str | None = None, most: int = 999) -> list[str]:
    time.sleep(TICK_S)
    return [one.path for one in listed(store, PIPELINE, ["score"], None, sort, most).entries]


def there(store: ArtifactStore) -> list[str]:
    return [one.path for one in newest(entries(store, ["score"]))]


class Changing:
    """A store that changes in every way in which one may."""

    def __init__(self, root: Path, seed: int) -> None:
        self.store = ArtifactStore(str(root))
        self.root = root
        self.chance = random.Random(seed)
        self._new = ((p, r) for p, r in records(10_000) if r.asset == "score")
        self._away = count()
        self._open: list[tuple[str, Record]] = []
        self._moved: list[tuple[Path, Path]] = []
        # One stays where nothing else does, so that the store is never empty.
        path, record = next(self._new)
        self._put(path.replace("north", "south"), record)
        for _ in range(6):
            self.publish()

    def ways(self) -> list[Callable[[], None]]:
        return [
            *(self.publish, self.publish_again, self.remove, self.remove_by_hand),
            *(self.copy_in, self.move_away, self.move_back, self.crash, self.finish),
        ]

    def publish(self) -> None:
        self._put(*next(self._new))

    def publish_again(self) -> None:
        for path in self._some():
            self._put(*self._second(path))

    def remove(self) -> None:
        for path in self._some():
            names = (f"{path}/record.json", f"{path}/data.json")
            assert list(remove(self.store, [Removable(path, "test", 0, names)]))

    def remove_by_hand(self) -> None:
        for path in self._some():
            shutil.rmtree((self.root / path).parent)

    def copy_in(self) -> None:
        path, record = next(self._new)
        folder = self.root.parent / "elsewhere" / path
        folder.mkdir(parents=True)
        (folder / "record.json").write_bytes(record.to_json())
        shutil.copytree(folder.parent, (self.root / path).parent)

    def move_away(self) -> None:
        for path in self._some():
            levels = path.split("/")
            folder = self.root.joinpath(*levels[: self.chance.randint(2, len(levels) - 1)])
            away = self.root.parent / f"away-{next(self._away)}"
            folder.rename(away)
            self._moved.append((away, folder))
            self._open = [(p, r) for p, r in self._open if (self.root / p).exists()]

    def move_back(self) -> None:
        if self._moved:
            away, folder = self._moved.pop()
            if not folder.exists():
                folder.parent.mkdir(parents=True, exist_ok=True)
                away.rename(folder)

    def crash(self) -> None:
        path, record = next(self._new)
        if self.chance.random() < 0.5:
            path, record = next((self._second(path) for path in self._some()), (path, record))
        self._begin(path)
        self._open.append((path, record))

    def finish(self) -> None:
        if self._open:
            self._put(*self._open.pop())

    def _begin(self, path: str) -> None:
        (self.root / path).mkdir(parents=True, exist_ok=True)
        (self.root / path / "data.json").write_bytes(b"{}")

    def _put(self, path: str, record: Record) -> None:
        self._begin(path)
        self.store.put_record(path, record.to_json())

    def _second(self, path: str) -> tuple[str, Record]:
        record = self.store.read_record(path)
        assert record is not None
        at = record.started_at + timedelta(hours=1)
        later = record.model_copy(update={"revision": SECOND, "started_at": at})
        return f"{path.rpartition('/')[0]}/rev={SECOND}", later

    def _some(self) -> list[str]:
        """Return one of the runs there are, if there is any."""
        found = [path for path in there(self.store) if "north" in path]
        return [self.chance.choice(found)] if found else []


def follow(root: Path, seed: int, steps: int) -> None:
    changing = Changing(root, seed)
    hosts = [opened(root, f"{name}.db") for name in "ab"]
    for host in hosts * 2:
        assert told(host) == there(changing.store)
    for _ in range(steps):
        for _ in range(changing.chance.randint(1, 3)):
            changing.chance.choice(changing.ways())()
        # A host may not be asked for a while.
        host = changing.chance.choice(hosts)
        assert told(host) == there(changing.store)
    assert told(hosts[0]) == told(hosts[1]) == there(changing.store)
    last = there(changing.store)
    (root / "score").rename(root.parent / "all")
    assert told(hosts[0]) == []
    (root.parent / "all").rename(root / "score")
    assert told(hosts[0]) == told(hosts[1]) == last


def test_whatever_comes_and_goes_is_noticed_by_folders_alone(
    tmp_path: Path, looks: list[str]
) -> None:
    follow(tmp_path / "store", 1, 12)
    assert looks.count("score") == LOOKS


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 5))
def test_whatever_comes_and_goes_for_long_is_noticed_by_folders_alone(
    seed: int, tmp_path: Path, looks: list[str]
) -> None:
    follow(tmp_path / "store", seed, 40)
    assert looks.count("score") == LOOKS


def test_changes_within_one_tick_of_the_clock_are_noticed(
    tmp_path: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_RECENT_NS", 2_000_000_000)
    monkeypatch.setattr("ml_pipeline_tests.index.test_folders.TICK_S", 0)
    follow(tmp_path / "store", 1, 8)
    assert looks.count("score") == LOOKS


def test_record_changed_by_hand_is_noticed_once_it_is_shown_or_its_time_has_come(
    tmp_path: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "store", 20)
    store = opened(tmp_path / "store", "index.db")
    whole = told(store, "error")
    assert told(store, "error") == whole
    best, *_, worst = (store.directory / path / "record.json" for path in whole)
    looks.clear()
    # Nobody who publishes edits a record: what is not shown is not looked at.
    rewrite(worst, worst, metrics={"error": -1.0, "bias": 0.0})
    assert told(store, "error", 3) == whole[:3]
    assert looks == []
    # What is shown is, and then everything.
    best.unlink()
    assert told(store, "error", 3) == [whole[-1], *whole[1:3]]
    assert looks == ["score"]
    monkeypatch.setattr(catch_up, "_REST_NS", 0)
    rewrite(worst, worst, metrics={"error": 99.0, "bias": 0.0})
    assert told(store, "error", 3) == whole[1:4]


def test_comparison_that_another_has_overtaken_is_trusted_by_nobody(
    tmp_path: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "store", 20)
    slow, quick = (opened(tmp_path / "store", "index.db") for _ in range(2))
    told(slow)
    run = (tmp_path / "store" / told(slow)[0]).parent
    within = folders.within

    def overtaken(*asked: Any) -> list[Found | Folder]:
        monkeypatch.setattr(folders, "within", within)
        found = list(within(*asked))
        (tmp_path / "away").rename(run)
        assert len(told(quick)) == 10
        return found

    # Whoever looked while the run was away is the last one to write.
    run.rename(tmp_path / "away")
    monkeypatch.setattr(folders, "within", overtaken)
    told(slow)
    looks.clear()
    assert told(slow) == told(quick) == there(slow)
    assert looks == ["score"]


def test_writer_trusts_no_folders_of_whoever_was_overtaken(tmp_path: Path) -> None:
    index = Index(open_database(str(tmp_path / "index.db")), ArtifactStore(str(tmp_path / "none")))
    (line,) = index.catching_up.lines(["score"])
    writer = index.catching_up.writer

    def stamps() -> list[str | None]:
        return [one.stamp for one in index.catching_up._folders(line)]

    # Two that compare all at once and find no difference do not keep each other from it.
    writer.begin(line)
    first = writer.note(line, [Folder("score", "x")], 0)
    writer.begin(line)
    writer.end(line, writer.note(line, [Folder("score", "y")], 0), 7)
    writer.end(line, first, 8)
    assert (writer.compared(line), stamps()) == ((0, 8, 0), ["y"])
    other = writer.note(line, [Found("score/run=1/rev=1", "1")], 0)
    assert writer.compared(line) == (other, 8, 0)
    # What one has seen of folders before another has changed rows is not written down;
    assert writer.note(line, [Folder("score", "z")], 0) == -1
    assert (writer.compared(line), stamps()) == ((other, 8, 0), ["y"])
    # and nothing counts any more where it has rows to write.
    assert writer.note(line, [Found("score/run=1/rev=1", "2"), Folder("score", "z")], 0) == -1
    assert (writer.compared(line).at, stamps()) == (0, ["y"])
    writer.end(line, other, 9)
    assert writer.compared(line).at == 0


@pytest.mark.long
def test_readers_beside_writers_miss_nothing_that_was_published(
    tmp_path: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_RECENT_NS", 50_000_000)
    root = tmp_path / "store"
    write(root, 40)
    asked = [opened(root, name) for name in ("a.db", "a.db", "b.db")]
    for store in asked * 2:
        told(store)
    failures: list[BaseException] = []
    done = threading.Event()

    def reading(store: ArtifactStore) -> None:
        try:
            while not done.is_set():
                before = set(there(store))
                assert before <= set(told(store))
        except BaseException as error:
            failures.append(error)
            raise

    readers = [threading.Thread(target=reading, args=(store,)) for store in asked]
    for reader in readers:
        reader.start()
    try:
        for path, record in records(300, 40):
            if record.asset == "score":
                folder = root / path
                folder.mkdir(parents=True)
                (folder / "data.json").write_bytes(b"{}")
                assert asked[0].put_record(path, record.to_json())
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert all(told(store) == there(store) for store in asked)

"""The inbox, in a folder and in an object store; the runs of Dagster are a set of keys here."""

import itertools
import json
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.launch.inbox import MOST_BYTES, Inbox, Look, Memory
from ml_pipeline.launch.request_document import Rules, read_request
from ml_pipeline.launch.run_request import RequestedRun
from ml_pipeline.params.documents import read_document
from ml_pipeline_tests.toys.pipeline import toy

RULES = Rules(toy())
GOOD = "as_of: 2026-01-05\nparams: {rows: 9}\n"
BAD = "as_of: 2026-01-05\nparams: {rows: 0}\n"
INSTEAD = "as_of: 2026-01-05\n"


class Killed(BaseException):
    """The process has died."""


class Mortal(Inbox):
    """An inbox whose process dies before or within one of its writes."""

    left: float = float("inf")

    def overwrite(self, path: str, data: bytes) -> None:
        self._live()
        super().overwrite(path, data)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        self._live()
        return super().put_if_absent(path, data)

    def rename(self, path: str, to: str) -> None:
        self._live()
        if self.directory is None:
            super().overwrite(to, self.read(path) or b"")
            self._live()
            self.remove(path)
            return
        super().rename(path, to)

    def _live(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


@dataclass
class Daemon:
    """Looks into an inbox as the sensor does, and remembers what it has launched.

    Attributes:
        runs: Dagster's id of each run, by key.
    """

    root: str
    settle_s: float = 0.0
    now: float | None = None
    memory: Memory = field(default_factory=Memory)
    runs: dict[str, str] = field(default_factory=dict)

    @property
    def inbox(self) -> Inbox:
        return Inbox(self.root)

    def look(self, most: int = 100, inbox: Inbox | None = None) -> Look:
        return (inbox or self.inbox).look(_read, self.memory, self.settle_s, most, self.now)

    def tick(self, most: int = 100, inbox: Inbox | None = None) -> Look:
        """Look, launch, and move away; all as the sensor does."""
        inbox = inbox or self.inbox
        look = self.look(most, inbox)
        inbox.accept([(one, self.runs[one.key]) for one in look.good if one.key in self.runs])
        for refused in look.bad:
            inbox.reject(refused, INSTEAD)
        for asked in look.good:
            self.runs.setdefault(asked.key, f"dagster-{len(self.runs)}")
        return look

    def drop(self, name: str, text: str = GOOD) -> None:
        self.inbox.overwrite(name, text.encode())

    def files(self) -> dict[str, str]:
        """Everything in the inbox, notes left out."""
        inbox = self.inbox
        return {
            entry["path"]: (inbox.read(entry["path"]) or b"").decode()
            for entry in inbox.entries("")
            if not entry["path"].endswith((".yaml.json", ".problems.txt"))
        }

    def note(self, name: str) -> Any:
        return json.loads(self.inbox.read(f"accepted/{name}.json") or b"")


def _read(data: bytes, name: str) -> RequestedRun:
    return read_request(read_document(data, name), name, RULES)


@pytest.fixture(params=["folder", "object store"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Daemon:
    in_folder = request.param == "folder"
    return Daemon(str(tmp_path / "inbox") if in_folder else f"memory://{uuid.uuid4()}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def write(file: Path, text: str = GOOD, at: float = 1000.0) -> Path:
    file.write_text(text)
    os.utime(file, (at, at))
    return file


def test_request_is_launched_then_moved_with_the_ids_of_its_run(daemon: Daemon) -> None:
    daemon.drop("nightly.yaml")
    (asked,) = daemon.tick().good
    assert daemon.files() == {"nightly.yaml": GOOD}
    daemon.tick()
    assert daemon.files() == {"accepted/nightly.yaml": GOOD}
    note = daemon.note("nightly.yaml")
    assert note["request"] == asked.key
    assert note["dagster_run_id"] == daemon.runs[asked.key] == "dagster-0"
    assert note["run_ids"] == {"2026-01-05": next(iter(asked.run.run_ids.values()))}
    assert daemon.tick().good == []
    assert len(daemon.runs) == 1


def test_bad_request_is_moved_beside_all_its_problems(daemon: Daemon) -> None:
    daemon.drop("bad.yaml", "as_of: soon\nparams: {rows: 0, rregion: x}\n")
    daemon.tick()
    assert list(daemon.files()) == ["rejected/bad.yaml"]
    text = (daemon.inbox.read("rejected/bad.yaml.problems.txt") or b"").decode()
    assert text.startswith("'bad.yaml' was not run (drop ")
    assert "- as_of must be a date such as 1998-05-31, but got 'soon'\n" in text
    assert "- 'rregion' does not exist. Did you mean 'region'?\n" in text
    assert "- data.rows must be integer >= 2 and <= 1000000, but got 0\n" in text
    assert text.endswith(
        f"A request looks like this:\n\n{INSTEAD}\n"
        "`ml-pipeline params` lists every parameter with its type and bounds.\n"
    )
    assert daemon.runs == {}


def test_corrected_request_moved_back_runs(daemon: Daemon) -> None:
    daemon.drop("r.yaml", BAD)
    daemon.tick()
    daemon.inbox.rename("rejected/r.yaml", "r.yaml")
    daemon.drop("r.yaml", GOOD)
    daemon.tick()
    daemon.tick()
    assert daemon.files() == {"accepted/r.yaml": GOOD}


def test_same_name_dropped_again_and_again_keeps_every_one(daemon: Daemon) -> None:
    texts = [GOOD, GOOD, GOOD.replace("9", "8"), BAD, BAD, "as_of: x\n"]
    for text in texts:
        daemon.drop("r.yaml", text)
        daemon.tick()
        daemon.tick()
        time.sleep(0.002)
    files = daemon.files()
    assert sorted(files.values()) == sorted(texts)
    assert {"accepted/r.yaml", "rejected/r.yaml"} < set(files)
    assert len(daemon.runs) == 3


def test_accepted_request_moved_back_is_the_next_attempt(folder: Path) -> None:
    daemon = Daemon(str(folder))
    write(folder / "r.yaml")
    for attempt in (1, 2, 3):
        daemon.tick()
        daemon.tick()
        assert daemon.note("r.yaml")["attempt"] == attempt == len(daemon.runs)
        assert daemon.note("r.yaml")["earlier"] == list(daemon.runs.values())[:-1]
        (folder / "accepted" / "r.yaml").rename(folder / "r.yaml")
    assert len({key.partition("-")[0] for key in daemon.runs}) == 1


def _killed_at(daemon: Daemon, writes: int) -> bool:
    inbox = Mortal(daemon.root)
    inbox.left = writes
    try:
        daemon.tick(inbox=inbox)
    except Killed:
        return True
    return False


def test_killed_before_any_write_a_request_still_runs_once(daemon: Daemon) -> None:
    for writes in itertools.count():
        daemon.drop(f"r{writes}.yaml")
        daemon.tick()
        was_killed = _killed_at(daemon, writes)
        daemon.tick()
        assert daemon.files()[f"accepted/r{writes}.yaml"] == GOOD
        assert daemon.note(f"r{writes}.yaml")["dagster_run_id"] == f"dagster-{writes}"
        assert len(daemon.files()) == len(daemon.runs) == writes + 1
        if not was_killed:
            break
    assert writes >= 3


def test_killed_before_any_write_an_attempt_still_runs_once(folder: Path) -> None:
    daemon = Daemon(str(folder))
    write(folder / "r.yaml")
    daemon.tick()
    daemon.tick()
    for writes in itertools.count():
        (folder / "accepted" / "r.yaml").rename(folder / "r.yaml")
        daemon.tick()
        was_killed = _killed_at(daemon, writes)
        daemon.tick()
        assert daemon.files() == {"accepted/r.yaml": GOOD}
        assert daemon.note("r.yaml")["attempt"] == len(daemon.runs)
        assert daemon.note("r.yaml")["earlier"] == list(daemon.runs.values())[:-1]
        if not was_killed:
            break
    assert (writes, len(daemon.runs)) == (3, 4)


def test_killed_before_any_write_a_bad_request_is_rejected_once(daemon: Daemon) -> None:
    for writes in itertools.count():
        daemon.drop(f"r{writes}.yaml", BAD)
        was_killed = _killed_at(daemon, writes)
        daemon.tick()
        assert len(daemon.files()) == writes + 1
        assert daemon.inbox.read(f"rejected/r{writes}.yaml.problems.txt")
        if not was_killed:
            break
    assert writes >= 2
    assert daemon.runs == {}


def test_thousand_requests_are_worked_off_in_bounded_ticks_oldest_first(folder: Path) -> None:
    daemon = Daemon(str(folder))
    for number in range(1000):
        write(folder / f"{number:04}.yaml", at=2000.0 - number)
    looks = []
    longest = 0.0
    while not looks or looks[-1].good:
        started = time.perf_counter()
        looks.append(daemon.tick(100))
        longest = max(longest, time.perf_counter() - started)
    assert max(len(look.good) for look in looks) == 100
    assert looks[0].waiting == 900
    assert looks[0].good[0].drop.name == "0999.yaml"
    assert longest < 5
    assert len(daemon.runs) == 1000 == len(list((folder / "accepted").glob("*.yaml")))
    assert list(folder.glob("*.yaml")) == []


def test_file_is_left_until_it_has_been_still(folder: Path) -> None:
    daemon = Daemon(str(folder), settle_s=5, now=1002.0)
    write(folder / "r.yaml")
    assert [drop.name for drop in daemon.look().unfinished] == ["r.yaml"]
    daemon.now = 1006.0
    assert [asked.drop.name for asked in daemon.look().good] == ["r.yaml"]


def test_file_with_a_time_in_the_future_is_timed_by_our_clock(folder: Path) -> None:
    daemon = Daemon(str(folder), settle_s=5, now=1000.0)
    write(folder / "r.yaml", at=9_999_999.0)
    assert daemon.look().good == []
    daemon.now = 1004.0
    daemon.memory = Memory.from_json(daemon.memory.to_json())
    assert daemon.look().good == []
    daemon.now = 1006.0
    assert len(daemon.look().good) == 1
    write(folder / "r.yaml", GOOD + "#\n", at=9_999_999.0)
    assert daemon.look().good == []


@pytest.mark.parametrize(
    ("name", "half", "whole"),
    [
        ("r.yaml", "as_of: 2026-01-05\nparams:\n  ro", GOOD),
        ("r.yaml", "as_of: 2026-01-05\nparams: {rows: 9", GOOD),
        ("r.yaml", "as_of: 2026-01-0", GOOD),
        ("r.yaml", "as_of: 2026-01-05\nparams: {rows: 9}", GOOD),
        ("r.yaml", "", GOOD),
        ("r.json", '{"as_of": "2026-01', '{"as_of": "2026-01-05"}'),
    ],
)
def test_half_written_file_is_neither_run_nor_refused(
    folder: Path, name: str, half: str, whole: str
) -> None:
    daemon = Daemon(str(folder), settle_s=5, now=1010.0)
    write(folder / name, half)
    look = daemon.tick()
    assert (look.good, look.bad) == ([], [])
    assert [drop.name for drop in look.unfinished] == [name]
    write(folder / name, whole)
    assert len(daemon.tick().good) == 1


def test_file_that_stays_half_written_is_judged_in_the_end(folder: Path) -> None:
    daemon = Daemon(str(folder), settle_s=5, now=1021.0)
    write(folder / "bad.yaml", "as_of: 2026-01-05\nparams: {rows: 9")
    write(folder / "no-end-of-line.yaml", GOOD.strip())
    look = daemon.tick()
    assert [one.drop.name for one in look.bad] == ["bad.yaml"]
    assert [one.drop.name for one in look.good] == ["no-end-of-line.yaml"]


@pytest.mark.parametrize("name", [".r.yaml", "r.yaml.tmp", "r.yaml.part", "r.yaml~", ".r.yaml.swp"])
def test_file_that_is_being_written_by_its_name_is_left(folder: Path, name: str) -> None:
    write(folder / name)
    look = Daemon(str(folder)).tick()
    assert (look.good, look.bad, look.unfinished) == ([], [], [])
    assert (folder / name).exists()


def _link(folder: Path) -> None:
    secret = folder.parent / "secret.yaml"
    secret.write_text("password: hunter2\n")
    (folder / "r.yaml").symlink_to(secret)


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "r.yaml")


def _folder_link(folder: Path) -> None:
    (folder / "r.yaml").symlink_to(folder.parent)


@pytest.mark.parametrize("make", [_link, _pipe, _folder_link])
def test_link_or_device_is_refused_unread(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder)
    (refused,) = Daemon(str(folder)).tick().bad
    assert refused.problems == [
        "a request must be a plain file, but this is a link or device: copy the file"
    ]
    assert not os.path.lexists(folder / "r.yaml")
    assert os.path.lexists(folder / "rejected" / "r.yaml")
    assert "hunter2" not in (folder / "rejected" / "r.yaml.problems.txt").read_text()


def test_names_that_no_store_can_spell_are_refused_and_stop_nothing(folder: Path) -> None:
    names = ["new\nline.yaml", "semi;colon.yaml", "ä" * 201, "..x.yaml\x01", os.fsdecode(b"\xff.y")]
    for name in names[:2] + names[4:]:
        write(folder / name)
    write(folder / "good.yaml")
    daemon = Daemon(str(folder))
    look = daemon.tick()
    assert [asked.drop.name for asked in look.good] == ["good.yaml"]
    assert len(look.bad) == 3
    kept = list((folder / "rejected").glob("unnamed-*"))
    assert len(kept) == 6
    assert sorted(path.name for path in folder.iterdir()) == ["good.yaml", "rejected"]


def test_large_file_is_refused_unread(daemon: Daemon) -> None:
    daemon.drop("large.yaml", "#" * (MOST_BYTES + 1))
    (refused,) = daemon.tick().bad
    assert refused.data is None
    assert refused.problems == ["a request must have at most 65,536 bytes, but has 65,537"]
    assert list(daemon.files()) == ["rejected/large.yaml"]


def test_file_of_another_kind_is_refused(daemon: Daemon) -> None:
    daemon.drop("r.txt")
    (refused,) = daemon.tick().bad
    assert refused.problems == ("r.txt must end in .yaml, .yml, .toml, .json to be read",)


def test_folders_are_no_requests(folder: Path) -> None:
    (folder / "sub.yaml").mkdir()
    write(folder / "sub.yaml" / "r.yaml")
    look = Daemon(str(folder)).tick()
    assert (look.good, look.bad) == ([], [])


def test_folder_of_the_accepted_that_is_a_link_is_not_written_to(folder: Path) -> None:
    (folder / "accepted").symlink_to(folder.parent)
    write(folder / "r.yaml")
    with pytest.raises(StoreUnreachable, match="accepted must be a folder, but is a link"):
        Daemon(str(folder)).tick()


def test_request_replaced_while_it_is_moved_goes_back(folder: Path) -> None:
    class Replaced(Inbox):
        def rename(self, path: str, to: str) -> None:
            write(folder / "r.yaml", newer)
            super().rename(path, to)

    newer = GOOD.replace("9", "8")
    daemon = Daemon(str(folder))
    write(folder / "r.yaml")
    daemon.tick()
    daemon.tick(inbox=Replaced(str(folder)))
    assert daemon.files() == {"accepted/r.yaml": GOOD, "r.yaml": newer}
    daemon.tick()
    daemon.tick()
    assert sorted(daemon.files().values()) == sorted([GOOD, newer])
    assert len(daemon.runs) == 2


def test_unreachable_inbox_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnreachable, match=r"the inbox .*/file/inbox: .*ML_PIPELINE_INBOX"):
        Inbox(str(tmp_path / "file" / "inbox"))


@pytest.mark.parametrize("text", [None, "", "{", "3", "[]", '{"watched": 3}', '{"watched": {}}'])
def test_memory_that_cannot_be_read_is_none(text: str | None) -> None:
    assert Memory.from_json(text) == Memory()


def test_memory_written_and_read_is_the_same() -> None:
    memory = Memory({"r.yaml": ("12-1000", 3.5)}, ["something happened"])
    assert Memory.from_json(memory.to_json()) == memory

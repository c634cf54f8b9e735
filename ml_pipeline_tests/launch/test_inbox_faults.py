"""Whatever is wrong with one file in the inbox, the others go on."""

import time
from pathlib import Path

import pytest

from ml_pipeline.errors import ParamsError, SettingsError
from ml_pipeline.launch.drops import Look, Memory
from ml_pipeline.launch.inbox import MOST_BYTES, Inbox
from ml_pipeline.launch.request_document import Rules, read_request
from ml_pipeline.launch.run_request import RequestedRun
from ml_pipeline.params.documents import read_document
from ml_pipeline_tests.toys.pipeline import toy

RULES = Rules(toy())
GOOD = "as_of: 2026-01-05\nparams: {rows: 9}\n"
SWEEP = "as_of: 2026-01-05\nsearch: {}\nparams:\n  rows: "
LONGEST_S = 20.0
FAULTS = (
    OverflowError,
    RecursionError,
    MemoryError,
    ZeroDivisionError,
    KeyError,
    UnicodeError,
    AssertionError,
    StopIteration,
    OSError,
)


def read(data: bytes, name: str) -> RequestedRun:
    return read_request(read_document(data, name), name, RULES)


def looked(folder: Path) -> Look:
    return Inbox(str(folder)).look(read, Memory(), 0.0, 100)


@pytest.mark.parametrize("kind", FAULTS)
def test_file_that_makes_its_reader_fail_is_bad_and_the_others_are_good(
    tmp_path: Path, kind: type[Exception]
) -> None:
    def failing(data: bytes, name: str) -> RequestedRun:
        if name == "bad.yaml":
            raise kind("what nobody thought of")
        return read(data, name)

    (tmp_path / "bad.yaml").write_text(GOOD)
    (tmp_path / "good.yaml").write_text(GOOD)
    inbox = Inbox(str(tmp_path))
    look = inbox.look(failing, Memory(), 0.0, 100)
    assert [one.drop.name for one in look.good] == ["good.yaml"]
    (bad,) = look.bad
    assert bad.drop.name == "bad.yaml"
    assert "must be one that can be read, but this one fails" in bad.problems[0]
    assert kind.__name__ in bad.problems[0]
    assert inbox.reject(bad, GOOD) == "rejected/bad.yaml.problems.txt"
    assert sorted(file.name for file in (tmp_path / "rejected").iterdir()) == [
        "bad.yaml",
        "bad.yaml.problems.txt",
    ]


def test_installation_at_fault_is_not_laid_upon_the_file(tmp_path: Path) -> None:
    def unusable(data: bytes, name: str) -> RequestedRun:
        raise SettingsError("a setting cannot be used")

    (tmp_path / "good.yaml").write_text(GOOD)
    with pytest.raises(SettingsError):
        Inbox(str(tmp_path)).look(unusable, Memory(), 0.0, 100)
    assert [file.name for file in tmp_path.iterdir()] == ["good.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{SWEEP}range(-1e308,1e308)\n", id="endless range"),
        pytest.param(f"{SWEEP}range(0,1e308,1e-308)\n", id="small steps"),
        pytest.param(f"{SWEEP}'[{'1' * 65_000}'\n", id="digits in a bracket"),
        pytest.param(f"{SWEEP}'[{'1' * 65_000}..2]'\n", id="digits in an interval"),
        pytest.param(f"{SWEEP}'log({'9' * 60_000},1,3)'\n", id="digits in a call"),
        pytest.param(f"{SWEEP}{'(' * 30_000}\n", id="brackets"),
        pytest.param(f"{SWEEP}{'9' * 60_000}\n", id="a long number"),
        pytest.param(f"{SWEEP}0x{'f' * 60_000}\n", id="a long number of base 16"),
        pytest.param(f"{SWEEP}{'1_' * 30_000}1\n", id="underscores"),
        pytest.param(f"{SWEEP}{'1:' * 30_000}1\n", id="base 60"),
        pytest.param(f"as_of: {'9' * 60_000}\n", id="a long date"),
        pytest.param("as_of: 99999-99-99\n", id="no date"),
        pytest.param("as_of: 2026-01-05\nparams: " + "[" * 30_000, id="deep lists"),
        pytest.param("as_of: 2026-01-05\nparams: " + '{"a":' * 10_000, id="deep mappings"),
        pytest.param(
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
                for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
            ),
            id="aliases that explode",
        ),
        pytest.param("as_of: !!python/object/apply:os.system [ls]\n", id="a tag"),
        pytest.param("\x00\x01\x02", id="control characters"),
        pytest.param("? {a: 1}\n: 2\n", id="a mapping for a name"),
        pytest.param("as_of: 2026-01-05\nselect: [[[model]]]\n", id="a list in a list"),
        pytest.param("as_of: 2026-01-05\nparams: {rows: .nan}\n", id="not a number"),
    ],
)
def test_hard_text_is_rejected_soon_and_a_good_one_beside_it_goes_on(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    (tmp_path / "good.yaml").write_text(GOOD)
    assert len(text) <= MOST_BYTES
    began = time.monotonic()
    look = looked(tmp_path)
    assert time.monotonic() - began < LONGEST_S
    assert [one.drop.name for one in look.good] == ["good.yaml"]
    (bad,) = look.bad
    assert all(len(problem) < 2_000 for problem in bad.problems)
    assert "but this one fails" not in bad.problems[0]


def test_file_that_cannot_be_moved_is_stuck_and_the_others_go_on(tmp_path: Path) -> None:
    inbox = Inbox(str(tmp_path))
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(GOOD)
    look = looked(tmp_path)
    (tmp_path / "accepted" / "one.yaml").mkdir(parents=True)
    (tmp_path / "accepted" / "one.yaml" / "file").write_text("")
    stuck = inbox.accept([(one, "a-run") for one in look.good])
    assert [one.drop.name for one in stuck] == ["one.yaml"]
    assert (tmp_path / "one.yaml").exists()
    assert (tmp_path / "accepted" / "two.yaml").read_text() == GOOD


def test_request_that_is_a_link_is_bad(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(GOOD)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "one.yaml").symlink_to(tmp_path / "secret")
    (bad,) = looked(tmp_path / "inbox").bad
    assert bad.problems == (
        ["a request must be a plain file, but this is a link or device: copy the file"]
    )
    assert bad.data is None


def test_problems_of_a_request_are_all_told(tmp_path: Path) -> None:
    with pytest.raises(ParamsError) as refusal:
        read(b"as_of: soon\nparams: {rows: 0}\nselct: [x]\n", "bad.yaml")
    assert len(refusal.value.problems) == 3

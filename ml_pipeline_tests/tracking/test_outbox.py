"""Notes that wait."""

import os
from pathlib import Path

import pytest

from ml_pipeline.errors import SettingsError
from ml_pipeline.tracking.mlflow.sending import Sending
from ml_pipeline.tracking.outbox import Outbox


def said(outbox: Outbox) -> list[int]:
    read = [outbox.read(file) for file in outbox.waiting()]
    return [note.content["number"] for note in read if note is not None]


def test_notes_wait_in_the_order_in_which_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(tmp_path / "box")
    assert outbox.waiting() == []
    assert not outbox.folder.exists()
    clock = iter([5_000, 4_000, 4_000, 9_000, 1_000])
    monkeypatch.setattr("time.time_ns", lambda: next(clock))
    for number in range(5):
        outbox.add({"number": number})
    assert said(Outbox(tmp_path / "box")) == [0, 1, 2, 3, 4]


def test_note_that_is_refused_is_put_aside_and_waits_again_when_asked(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    for number in range(3):
        outbox.add({"number": number})
    outbox.refuse(outbox.waiting()[1], "too odd")
    assert said(outbox) == [0, 2]
    assert list(outbox.refused().values()) == ["too odd"]
    assert outbox.retry() == 1
    assert said(outbox) == [0, 1, 2]
    assert outbox.refused() == {}


def test_note_that_cannot_be_read_is_put_aside(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.add({"number": 1})
    (file,) = outbox.waiting()
    file.write_text("{")
    assert outbox.read(file) is None
    assert outbox.waiting() == []
    assert "cannot be read" in next(iter(outbox.refused().values()))
    assert outbox.read(file) is None


def test_outbox_remembers_names_and_how_sending_went(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "box")
    assert outbox.known("ab12") is None
    assert outbox.told() == (0.0, None)
    outbox.know("ab12", "theirs")
    outbox.tell("nobody answers")
    assert outbox.known("ab12") == "theirs"
    assert outbox.told()[1] == "nobody answers"
    (outbox.folder / "state.json").write_text("{")
    assert outbox.told() == (0.0, None)


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outbox = Outbox(tmp_path / "file" / "box")
    for write in (lambda: outbox.add({}), lambda: outbox.tell("no answer")):
        with pytest.raises(SettingsError, match="must be writable"):
            write()


def test_word_that_cannot_be_kept_is_told_and_ends_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path / "box")
    outbox.add({})
    # As on a full disk, but for everybody who runs tests.
    (outbox.folder / f".state.json-{os.getpid()}").mkdir()
    Sending(outbox, "http://127.0.0.1:9").settle()
    assert "1 note kept in" in caplog.text
    assert len(outbox.waiting()) == 1

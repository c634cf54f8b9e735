"""Short cursors recall long texts, whichever of them Dagster has kept."""

import os
import time
from pathlib import Path

import pytest

from ml_pipeline.errors import SettingsError
from ml_pipeline.launch.cursors import Cursors

LONG = '{"days": "' + "0123456789abcdef" * 10_000 + '"}'


def test_cursor_of_a_long_text_is_short_and_recalls_it(tmp_path: Path) -> None:
    cursor = Cursors(tmp_path / "sensor").keep(LONG)
    assert len(cursor) == 16
    assert Cursors(tmp_path / "sensor").recall(cursor) == LONG


def test_cursor_of_the_same_text_is_the_same(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    assert cursors.keep(LONG) == cursors.keep(LONG)
    assert cursors.keep(LONG) != cursors.keep("{}")


def test_cursor_that_was_not_replaced_recalls_its_text_all_the_same(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    before = cursors.keep("{}")
    cursors.keep(LONG)
    assert cursors.recall(before) == "{}"


def test_cursor_written_before_there_was_a_folder_is_its_own_text(tmp_path: Path) -> None:
    assert Cursors(tmp_path).recall('{"source": "x"}') == '{"source": "x"}'


@pytest.mark.parametrize("cursor", [None, "", "0123456789abcdef", "../../etc/passwd", "x" * 5000])
def test_cursor_whose_text_is_lost_recalls_none(tmp_path: Path, cursor: str | None) -> None:
    assert Cursors(tmp_path).recall(cursor) is None


def test_cursor_whose_text_was_changed_recalls_none(tmp_path: Path) -> None:
    cursor = Cursors(tmp_path).keep(LONG)
    (tmp_path / cursor).write_text("{}")
    assert Cursors(tmp_path).recall(cursor) is None


def test_texts_that_nobody_recalls_are_forgotten_after_a_week(tmp_path: Path) -> None:
    cursors = Cursors(tmp_path)
    unused, used = cursors.keep("{}"), cursors.keep(LONG)
    long_ago = time.time() - 8 * 86_400
    for cursor in (unused, used):
        os.utime(tmp_path / cursor, (long_ago, long_ago))
    assert cursors.recall(used) == LONG
    new = cursors.keep("[]")
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([used, new])


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="The home folder must be writable"):
        Cursors(tmp_path / "file" / "sensor").keep("{}")

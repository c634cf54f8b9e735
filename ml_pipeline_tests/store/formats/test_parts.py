"""Values of which parts have files of their own."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.linear_model import Ridge

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.formats import Formats
from ml_pipeline.store.formats.format import Format
from ml_pipeline_tests.toys.shelf import SLOT, publish

FRAME = pl.DataFrame({"a": [1, 2]})


@dataclass
class Split:
    train: pl.DataFrame
    y: np.ndarray
    day: date


class Words:
    def __init__(self, text: str) -> None:
        self.text = text


class WordsFormat(Format):
    name = "words"
    filename = "words.txt"
    types = (Words,)

    def write(self, value: Any, path: Path) -> None:
        path.write_text(value.text)

    def read(self, path: Path, lazy: bool) -> Words:
        return Words(path.read_text())


FORMATS = Formats((WordsFormat(),), (Split,))


def test_mapping_of_frames_is_a_file_for_each(store: ArtifactStore) -> None:
    value = {"b/..": FRAME, "a": FRAME.lazy().select(b="a"), "n": 1}
    record = publish(store, "r1", value).record
    assert record.content.format == "parts"
    assert sorted(record.content.files) == ["0-b.parquet", "1-a.parquet", "value.json"]
    again = store.load(SLOT, record)
    assert list(again) == ["b/..", "a", "n"]
    assert_frame_equal(again["b/.."], FRAME)
    assert_frame_equal(again["a"], FRAME.rename({"a": "b"}))
    assert publish(store, "r2", again).record.content.digest == record.content.digest


def test_parts_of_any_kind_come_back_together(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "a.txt").write_text("so")
    value = (
        Split(FRAME, np.arange(3), date(2026, 1, 5)),
        {1: [Ridge(alpha=2.0), Words("well")]},
        tmp_path / "made",
    )
    store = store.with_formats(FORMATS)
    record = publish(store, "r1", value).record
    assert record.content.classes == [f"{__name__}.Split", f"{__name__}.WordsFormat"]
    split, models, folder = store.load(SLOT, record)
    assert_frame_equal(split.train, FRAME)
    assert (split.y.tolist(), split.day) == ([0, 1, 2], date(2026, 1, 5))
    assert (models[1][0].alpha, models[1][1].text) == (2.0, "well")
    assert (folder / "a.txt").read_text() == "so"
    store.check(SLOT.revision("r1"), record)
    again = publish(store, "r2", (split, models, folder)).record
    assert again.content.digest == record.content.digest
    with pytest.raises(ArtifactDamaged, match=r"is of the class .*Split"):
        store.with_formats(Formats((WordsFormat(),))).load(SLOT, record)


def test_part_that_cannot_be_kept_is_told_with_its_place(local: ArtifactStore) -> None:
    with pytest.raises(PipelineError, match=r"is not published.* but a\[1\] is builtins.object"):
        publish(local, "r1", {"f": FRAME, "a": [1, object()]})
    with pytest.raises(PipelineError, match="columns of Polars' own types"):
        publish(local, "r1", {"f": pl.DataFrame({"a": [object()]})})
    assert list(local.entries("")) == []


@pytest.mark.parametrize("held", ['["parquet", "../x"]', '["json", "value.json"]', '["no", "x"]'])
def test_planted_part_is_not_read(held: str, tmp_path: Path) -> None:
    (tmp_path / "value.json").write_text(f'{{"$part": {held}}}')
    with pytest.raises(ArtifactDamaged):
        FORMATS.named("parts").read(tmp_path, lazy=False)

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import Ridge

from ml_pipeline.store.files import digest_of_file
from ml_pipeline.store.formats import Format, format_for
from ml_pipeline.store.recent import RecentValues
from ml_pipeline.store.record import Content


def stored(folder: Path, value: Any) -> tuple[Content, Format, Path]:
    """Write a value as the store does."""
    kept_as = format_for(value, "asset")
    file = folder / f"{len(list(folder.iterdir()))}-{kept_as.filename}"
    kept_as.write(value, file)
    size, digest = file.stat().st_size, digest_of_file(file)
    content = Content(file=file.name, format=kept_as.name, bytes=size, digest=digest)
    return content, kept_as, file


def frame(rows: int = 5) -> pl.DataFrame:
    return pl.DataFrame({"x": range(rows), "name": [f"row {n}" for n in range(rows)]})


def ridge() -> Ridge:
    return Ridge(alpha=0.5).fit(np.arange(6.0).reshape(3, 2), np.arange(3.0))


def as_stored(folder: Path, value: Any) -> bytes:
    return stored(folder, value)[2].read_bytes()


def test_copy_of_what_was_never_kept_is_none(tmp_path: Path) -> None:
    content, _, _ = stored(tmp_path, frame())
    assert RecentValues(10**6).copy_of(content) is None


@pytest.mark.parametrize("value", [frame(), frame().rechunk(), frame(0)], ids=["some", "one", "no"])
def test_copy_of_a_frame_that_was_read_is_that_frame(tmp_path: Path, value: pl.DataFrame) -> None:
    content, kept_as, file = stored(tmp_path, value)
    recent = RecentValues(10**6)
    recent.keep(content, kept_as, kept_as.read(file, lazy=False), is_fresh=False)
    copy = recent.copy_of(content)
    assert copy.equals(value)
    assert as_stored(tmp_path, copy) == file.read_bytes()


def test_frame_that_was_just_computed_is_not_kept(tmp_path: Path) -> None:
    """What is read back may be chunked otherwise, and a sum may then differ in its last digit."""
    value = pl.concat([frame(), frame()], rechunk=False)
    content, kept_as, _ = stored(tmp_path, value)
    recent = RecentValues(10**6)
    recent.keep(content, kept_as, value, is_fresh=True)
    assert recent.copy_of(content) is None


@pytest.mark.parametrize("is_fresh", [True, False])
def test_copy_of_a_model_is_as_good_as_what_is_read_back(tmp_path: Path, is_fresh: bool) -> None:
    model = ridge()
    content, kept_as, file = stored(tmp_path, model)
    recent = RecentValues(10**6)
    recent.keep(content, kept_as, model, is_fresh)
    copy = recent.copy_of(content)
    read = kept_as.read(file, lazy=False)
    assert copy is not model
    assert np.array_equal(copy.coef_, read.coef_)
    assert as_stored(tmp_path, copy) == file.read_bytes()


def test_copies_do_not_see_what_others_do(tmp_path: Path) -> None:
    recent = RecentValues(10**6)
    model = ridge()
    about_model, kept_as, _ = stored(tmp_path, model)
    recent.keep(about_model, kept_as, model, is_fresh=True)
    before = model.coef_.copy()
    model.coef_[:] = 0
    first = recent.copy_of(about_model)
    assert np.array_equal(first.coef_, before)
    first.coef_[:] = 1
    first.alpha = 7
    second = recent.copy_of(about_model)
    assert np.array_equal(second.coef_, before)
    assert second.alpha == 0.5

    content, kept_as, file = stored(tmp_path, frame())
    table = kept_as.read(file, lazy=False)
    recent.keep(content, kept_as, table, is_fresh=False)
    table.insert_column(0, pl.Series("new", range(5)))
    one = recent.copy_of(content)
    one[0, "x"] = 99
    one.drop_in_place("name")
    other = recent.copy_of(content)
    assert other.equals(frame())


def test_copy_of_a_document_is_what_is_read_back(tmp_path: Path) -> None:
    recent = RecentValues(10**6)
    value = {"z": [1, 2.5, 1e-300, np.float64(0.1)], "a": {"\u00e9": None, "": True}}
    content, kept_as, file = stored(tmp_path, value)
    recent.keep(content, kept_as, value, is_fresh=True)
    value["z"].clear()
    one = recent.copy_of(content)
    assert repr(one) == repr(kept_as.read(file, lazy=False))
    one["a"].clear()
    assert repr(recent.copy_of(content)) == repr(kept_as.read(file, lazy=False))


def test_values_that_cannot_be_copied_are_not_kept(tmp_path: Path) -> None:
    recent = RecentValues(10**6)
    for value in (frame().lazy(), {1, 2}, b"bytes"):
        content, kept_as, _ = stored(tmp_path, value)
        recent.keep(content, kept_as, value, is_fresh=False)
        assert recent.copy_of(content) is None


def test_least_recently_used_value_is_dropped_first(tmp_path: Path) -> None:
    made = [stored(tmp_path, frame(rows)) for rows in (100, 101, 102)]
    contents = [content for content, _, _ in made]
    recent = RecentValues(contents[0].bytes + contents[2].bytes)
    for content, kept_as, file in made[:2]:
        recent.keep(content, kept_as, kept_as.read(file, lazy=False), is_fresh=False)
    assert recent.copy_of(contents[0]) is not None
    recent.keep(contents[2], made[2][1], made[2][1].read(made[2][2], lazy=False), is_fresh=False)
    held = [recent.copy_of(content) is not None for content in contents]
    assert held == [True, False, True]


def test_value_that_is_too_large_is_not_kept_and_drops_nothing(tmp_path: Path) -> None:
    small, large = stored(tmp_path, frame(2)), stored(tmp_path, frame(100_000))
    recent = RecentValues(large[0].bytes - 1)
    for content, kept_as, file in (small, large):
        recent.keep(content, kept_as, kept_as.read(file, lazy=False), is_fresh=False)
    assert recent.copy_of(small[0]) is not None
    assert recent.copy_of(large[0]) is None


def test_same_bytes_are_held_once(tmp_path: Path) -> None:
    content, kept_as, file = stored(tmp_path, frame(50))
    recent = RecentValues(content.bytes)
    for _ in range(3):
        recent.keep(content, kept_as, kept_as.read(file, lazy=False), is_fresh=False)
    assert recent.copy_of(content) is not None


def test_materializer_with_recent_values_makes_the_same_bytes(tmp_path: Path) -> None:
    import os
    from datetime import date

    from ml_pipeline.runs.materializer import Materializer
    from ml_pipeline.store.artifacts import ArtifactStore
    from ml_pipeline_tests.toys.pipeline import PARAMS, STAGES, toy

    os.environ["TOY_HOME"] = str(tmp_path)
    made = []
    for recent in (None, RecentValues(10**8)):
        store = ArtifactStore(str(tmp_path / f"store-{recent is None}"))
        materializer = Materializer(toy(), store, recent=recent)
        digests = []
        for rate in (0.1, 0.2, 0.1):
            params = PARAMS.parse({"learning_rate": rate})
            for outcome in materializer.run(params, date(2026, 1, 5)):
                digests.append(outcome.record.content.digest)
        made.append(digests)
    assert made[0] == made[1]
    assert len(made[0]) == 3 * len(STAGES)

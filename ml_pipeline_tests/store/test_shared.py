"""Tables in parts: dates share what they have in common, and nothing goes while it is wanted."""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_pipeline.errors import ArtifactDamaged, PipelineError
from ml_pipeline.index.removal import removable
from ml_pipeline.store.artifacts import ArtifactStore, Published
from ml_pipeline.store.claims import claimed
from ml_pipeline.store.copies import copy_artifact
from ml_pipeline.store.files import digest_of_file
from ml_pipeline.store.formats import SharedParts
from ml_pipeline.store.housekeeping import remove, verify
from ml_pipeline.store.shared import SHARED, shelf_of
from ml_pipeline.store.slots import Slot
from ml_pipeline_tests.toys import store_child
from ml_pipeline_tests.toys.shelf import SLOT, slot_of

CODE = "c0de"
NOW = timedelta(0)


def frame_of(name: str) -> pl.DataFrame:
    day = int(name.partition("-")[0])
    return pl.DataFrame(
        {"day": [day] * 3, "amount": [day + 0.5, -1.0, 2.0], "who": ["a", "b", None]}
    )


def table(*names: str, made: list[str] | None = None) -> SharedParts:
    def parts(wanted: Sequence[str]) -> Iterator[pl.DataFrame | pl.LazyFrame]:
        for place, name in enumerate(wanted):
            if made is not None:
                made.append(name)
            yield frame_of(name).lazy() if place % 2 else frame_of(name)

    return SharedParts(names, parts, {"rows": 3 * len(names), "columns": 3})


def publish(
    store: ArtifactStore,
    revision: str,
    value: SharedParts,
    slot: Slot = SLOT,
    code: str = CODE,
    still: Callable[[], object] = lambda: None,
) -> Published:
    describe = store_child.describe(revision, slot)
    return store.publish(slot, revision, value, describe, sample_rows=2, code=code, still=still)


def on_shelves(store: ArtifactStore) -> list[str]:
    return sorted(entry["path"] for entry in store.entries(SHARED))


def removed(store: ArtifactStore, older_than: timedelta = NOW) -> list[str]:
    return [item.path for item in remove(store, removable(store, older_than))]


def test_parts_that_artifacts_have_in_common_are_made_and_kept_once(store: ArtifactStore) -> None:
    made: list[str] = []
    one = publish(store, "r1", table("1-x", "2-x", "3-x", made=made))
    assert made == ["1-x", "2-x", "3-x"]
    two = publish(store, "r2", table("2-x", "3-x", "4-y", made=made))
    assert made == ["1-x", "2-x", "3-x", "4-y"]
    assert len(on_shelves(store)) == 4
    for done, days in ((one, "123"), (two, "234")):
        record, expected = done.record, pl.concat(frame_of(day) for day in days)
        assert store.find(SLOT, record.revision) == record
        assert_frame_equal(store.load(SLOT, record), expected)
        deferred = store.load(SLOT, record, lazy=True)
        assert isinstance(deferred, pl.LazyFrame)
        assert_frame_equal(deferred.collect(), expected)
        assert (record.content.shape, len(record.content.files)) == ({"rows": 9, "columns": 3}, 3)
        assert done.sample is not None
        assert done.sample.rows == expected.head(2).rows()
        columns = store.columns(SLOT.revision(record.revision), record)
        assert columns == {"day": "Int64", "amount": "Float64", "who": "String"}
    assert one.record.content.digest != two.record.content.digest
    assert publish(store, "r2", table("2-x", "3-x", "4-y")).adopted
    assert [each.problem for each in verify(store, ["table"])] == [None, None]


def test_parts_of_other_code_or_parameters_are_of_another_shelf(store: ArtifactStore) -> None:
    other = slot_of(rate=0.2)
    one = publish(store, "r1", table("1-x"))
    two = publish(store, "r2", table("1-x"), code="other")
    three = publish(store, "r1", table("1-x"), other)
    assert len({done.record.content.shared for done in (one, two, three)}) == 3
    assert len({done.record.content.digest for done in (one, two, three)}) == 1
    assert len(on_shelves(store)) == 3


def test_parts_go_when_nothing_that_stays_wants_them(store: ArtifactStore) -> None:
    publish(store, "r1", table("1-x", "2-x"))
    other = slot_of(rate=0.2)
    publish(store, "r1", table("5-x"), other)
    publish(store, "r2", table("2-x", "3-x"))
    assert removed(store, timedelta(days=1)) == []
    # The older revision goes first, and what it alone wanted the next time.
    assert removed(store) == [SLOT.revision("r1")]
    shelf = shelf_of(SLOT, CODE)
    found = removable(store, NOW)
    with claimed(store, SLOT, "r3", lambda: False, reads=[shelf]):
        assert [one for one in removable(store, NOW) if one.path.startswith(SHARED)] == []
        assert list(remove(store, found)) == []
    (gone,) = removed(store)
    assert gone.startswith(shelf)
    assert removed(store) == []
    assert [each.problem for each in verify(store, ["table"])] == [None, None]
    assert len(on_shelves(store)) == 3


def test_parts_that_are_wanted_again_since_they_were_found_stay(store: ArtifactStore) -> None:
    done = publish(store, "r1", table("1-x", "2-x"))
    store.discard(SLOT, "r1")
    found = [one for one in removable(store, NOW) if one.bytes]
    assert len(found) == 2
    made: list[str] = []
    again = publish(store, "r2", table("2-x", "3-x", made=made))
    assert made == ["3-x"]
    first = next(iter(done.record.content.files)).rpartition("/")[2]
    assert [item.path for item in remove(store, found)] == [
        f"{again.record.content.shared}/{first}"
    ]
    assert [each.problem for each in verify(store, ["table"])] == [None]


@pytest.mark.parametrize("harm", ["missing", "other"])
def test_part_that_is_damaged_is_never_read_and_made_anew(store: ArtifactStore, harm: str) -> None:
    record = publish(store, "r1", table("1-x", "2-x")).record
    before = on_shelves(store)
    store.load(SLOT, record)
    store.remove(before[0])
    if harm == "other":
        store.overwrite(before[0], b"others")
    with pytest.raises(ArtifactDamaged):
        store.find(SLOT, "r1")
    with pytest.raises(ArtifactDamaged):
        store.load(SLOT, record)
    assert [each.problem is None for each in verify(store, ["table"])] == [False]
    assert publish(store, "r1", table("1-x", "2-x")).record.content == record.content
    assert on_shelves(store) == before
    assert_frame_equal(store.load(SLOT, record), pl.concat([frame_of("1"), frame_of("2")]))


def test_table_is_copied_with_its_parts_those_that_are_there_but_once(
    store: ArtifactStore, tmp_path: Path
) -> None:
    target = ArtifactStore(str(tmp_path / "other"))
    directories = []
    for revision, names in (("r1", ("1-x", "2-x")), ("r2", ("2-x", "3-x"))):
        publish(store, revision, table(*names))
        directories.append(SLOT.revision(revision))
        copy_artifact(store, target, directories[-1])
    assert on_shelves(target) == on_shelves(store)
    for directory in directories:
        record = target.read_record(directory)
        assert record is not None
        target.check(directory, record)
        assert target.read(f"{directory}/{record.content.file}")
    assert removed(target) == [directories[0]]


def test_table_whose_source_changed_while_it_was_made_leaves_nothing(store: ArtifactStore) -> None:
    class Changed(Exception):
        pass

    def still() -> None:
        raise Changed

    with pytest.raises(Changed):
        publish(store, "r1", table("1-x"), still=still)
    assert on_shelves(store) == []
    assert store.find(SLOT, "r1") is None
    done = store.publish(SLOT, "r1", table("1-x", "2-x"), store_child.describe("r1", SLOT))
    assert done.record.content.shared is None
    assert_frame_equal(store.load(SLOT, done.record), pl.concat([frame_of("1"), frame_of("2")]))


def test_table_whose_parts_do_not_fit_is_refused_and_nothing_is_kept(store: ArtifactStore) -> None:
    def others(_names: Sequence[str]) -> Iterator[pl.DataFrame]:
        yield frame_of("1")
        yield frame_of("2").with_columns(pl.col("day").cast(pl.Int8))

    with pytest.raises(PipelineError, match="must have the same columns, but one has"):
        publish(store, "r1", SharedParts(["1", "2"], others))
    publish(store, "r1", table("1"))
    with pytest.raises(PipelineError, match="must have the same columns, but one has"):
        publish(store, "r2", SharedParts(["1", "2"], lambda _: [frame_of("2").select("day")]))
    with pytest.raises(PipelineError, match="All 2 parts must be made, but not 4"):
        publish(store, "r2", SharedParts(["3", "4"], lambda _: [frame_of("3")]))
    with pytest.raises(PipelineError, match="1 parts must be made, but there are more"):
        publish(store, "r2", SharedParts(["3"], lambda _: [frame_of("3")] * 2))
    for names in ([], ["1", "1"], ["../1"], ["a b"]):
        with pytest.raises(PipelineError, match="each with a name of its own"):
            SharedParts(names, lambda _: [])
    assert len(on_shelves(store)) == 1


def test_parts_of_a_store_on_this_disk_are_files_that_polars_reads(local: ArtifactStore) -> None:
    record = publish(local, "r1", table("1-x", "2-x")).record
    assert local.directory is not None
    files = [local.directory / path for path in on_shelves(local)]
    held = pl.read_parquet(files).sort("day", "amount")
    assert_frame_equal(held, local.load(SLOT, record).sort("day", "amount"))
    digests = {one.digest for one in record.content.files.values()}
    assert {digest_of_file(file) for file in files} == digests

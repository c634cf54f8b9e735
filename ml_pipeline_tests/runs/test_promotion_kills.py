"""Promoting and going back, killed at many instants: what serves is always one whole run."""

import shutil
from pathlib import Path

import pytest

from ml_pipeline.runs.catalog import find, lineage
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.ledger import current, history
from ml_pipeline_tests.toys.bench import Bench, entry_of
from ml_pipeline_tests.toys.process import survives
from ml_pipeline_tests.toys.promoting import going_back, promoting

pytestmark = pytest.mark.long

INSTANTS = 100
"""For promoting, and as many for going back, spread over the lines of code that run."""


def whole(bench: Bench, store: ArtifactStore) -> str:
    """Return which run serves, after every byte of it and of what it was made from is checked."""
    champion = find(store, bench.pipeline, "@prod")
    for path, made in lineage(store, champion).items():
        assert made is not None
        store.check(path, made.record)
    assert list(current(store)) == ["prod"]
    numbers = [one.number for one in history(store)]
    assert numbers == list(range(1, len(numbers) + 1))
    return champion.record.run_id


def instants(lines: int) -> list[int]:
    """Return lines to die at: the first, the last, and others between."""
    return sorted({1 + (lines - 1) * place // (INSTANTS - 1) for place in range(INSTANTS)})


def test_promotion_killed_at_any_instant_leaves_a_whole_champion_and_goes_on(bench: Bench) -> None:
    old, new = (entry_of(bench.run(learning_rate=rate)["score"]) for rate in (0.1, 0.2))
    counted, kept, target = (bench.folder / name for name in ("lines", "kept", "target"))
    assert survives(promoting, str(bench.root), str(kept), old.path, str(counted), None)
    arguments = str(bench.root), str(target), new.path, str(counted)
    shutil.copytree(kept, target)
    assert survives(promoting, *arguments, None)
    finished = 0
    for line in instants(int(counted.read_text())):
        shutil.rmtree(target)
        shutil.copytree(kept, target)
        store = ArtifactStore(str(target))
        assert not survives(promoting, *arguments, line)
        now = whole(bench, store)
        assert now in (old.record.run_id, new.record.run_id)
        finished += now == new.record.run_id
        # The same request goes on, and finds done what was done.
        assert survives(promoting, *arguments, None)
        assert whole(bench, store) == new.record.run_id
        assert len(history(store)) == 2
    assert 0 < finished < INSTANTS


def test_rollback_killed_at_any_instant_leaves_a_whole_champion_and_goes_on(bench: Bench) -> None:
    old, new = (entry_of(bench.run(learning_rate=rate)["score"]) for rate in (0.1, 0.2))
    counted, kept, target = (bench.folder / name for name in ("lines", "kept", "target"))
    for entry in (old, new):
        assert survives(promoting, str(bench.root), str(kept), entry.path, str(counted), None)
    shutil.copytree(kept, target)
    assert survives(going_back, str(target), str(counted), None)
    finished = 0
    for line in instants(int(counted.read_text())):
        shutil.rmtree(target)
        shutil.copytree(kept, target)
        store = ArtifactStore(str(target))
        assert not survives(going_back, str(target), str(counted), line)
        now = whole(bench, store)
        assert now in (old.record.run_id, new.record.run_id)
        finished += now == old.record.run_id
        if now == new.record.run_id:
            assert survives(going_back, str(target), str(counted), None)
        assert whole(bench, store) == old.record.run_id
    assert 0 < finished < INSTANTS


def test_kill_leaves_nothing_half_copied_that_a_reader_could_see(bench: Bench) -> None:
    entry = entry_of(bench.run()["score"])
    counted, target = bench.folder / "lines", bench.folder / "target"
    arguments = str(bench.root), str(target), entry.path, str(counted)
    for place in range(1, 1200, 150):
        survives(promoting, *arguments, place)
        store = ArtifactStore(str(target))
        for record in Path(target).rglob("record.json"):
            directory = record.parent.relative_to(target).as_posix()
            known = store.read_record(directory)
            assert known is not None
            store.check(directory, known)
            for read in known.inputs.values():
                assert store.read_record(read.path) is not None

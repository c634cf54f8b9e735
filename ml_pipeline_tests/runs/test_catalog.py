import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from ml_pipeline.errors import ArtifactMissing, ParamsError
from ml_pipeline.runs.catalog import (
    Entry,
    entries,
    find,
    last_stages,
    lineage_by_asset,
    newest,
)
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline_tests.toys.bench import DAY, Bench, age, entry_of
from ml_pipeline_tests.toys.pipeline import PARAMS, STAGES, toy


def listed(bench: Bench, *assets: str) -> list[Entry]:
    return newest(entries(bench.store, assets or ("score",)))


def rates(found: list[Entry]) -> list[float]:
    return [entry.record.params["fit"]["learning_rate"] for entry in found]


@pytest.fixture
def sweep(bench: Bench) -> Bench:
    """Four runs: learning rates .1 to .4 in this order, the last for the south."""
    for learning_rate in (0.1, 0.2, 0.3):
        bench.run(learning_rate=learning_rate)
    bench.run(learning_rate=0.4, region="south")
    return bench


# Listing


def test_last_stages_are_those_that_nobody_reads() -> None:
    assert last_stages(toy()) == ["score"]
    assert last_stages(Pipeline("empty", PARAMS)) == []


def test_entries_are_everything_that_can_be_read(sweep: Bench) -> None:
    assert len(list(entries(sweep.store, ["score"]))) == 4
    assert len(list(entries(sweep.store, STAGES))) == 2 + 2 + 4 + 4
    assert list(entries(sweep.store, ["nothing"])) == []


def test_entries_pass_over_what_cannot_be_read(sweep: Bench) -> None:
    first, *_ = entries(sweep.store, ["score"])
    (sweep.root / first.path / "record.json").write_bytes(b"garbage")
    assert len(list(entries(sweep.store, ["score"]))) == 3


def test_entry_is_a_flat_row(bench: Bench) -> None:
    score = bench.run(learning_rate=0.25)["score"]
    row = entry_of(score).row(PARAMS)
    assert {name: row[name] for name in row if name not in ("made_at", "duration_s", "r2")} == {
        "run_id": score.record.run_id,
        "as_of": "2026-01-05",
        "asset": "score",
        "revision": score.record.revision,
        "environment": None,
        "region": "north",
        "rows": 6,
        "window": 2,
        "learning_rate": 0.25,
        "workers": 1,
    }
    assert row["r2"] == score.record.metrics["r2"]


def test_row_of_an_old_record_has_the_parameter_where_a_metric_is_called_alike(
    bench: Bench,
) -> None:
    entry = entry_of(bench.run(learning_rate=0.25)["score"])
    record = entry.record.model_copy(update={"metrics": {"learning_rate": 9.0, "r2": 0.5}})
    row = replace(entry, record=record).row(PARAMS)
    assert (row["learning_rate"], row["r2"]) == (0.25, 0.5)


def test_newest_keeps_one_revision_of_each_run_the_last_made_first(sweep: Bench) -> None:
    sweep.edit(score="2")
    again = sweep.run(learning_rate=0.2)["score"]
    found = listed(sweep)
    assert rates(found) == [0.2, 0.4, 0.3, 0.1]
    assert found[0].record == again.record


# Finding


def test_find_takes_an_unambiguous_prefix(sweep: Bench) -> None:
    for entry in listed(sweep):
        run_id = entry.record.run_id
        assert find(sweep.store, sweep.pipeline, run_id) == entry
        length = next(
            n for n in range(1, 17) if sum(run_id[:n] == other[:n] for other in ids(sweep)) == 1
        )
        assert find(sweep.store, sweep.pipeline, run_id[:length]) == entry


def ids(bench: Bench) -> set[str]:
    return {entry.record.run_id for entry in entries(bench.store, STAGES)}


def test_find_of_an_early_stage_finds_that(sweep: Bench) -> None:
    table = listed(sweep, "table")[0]
    assert find(sweep.store, sweep.pipeline, table.record.run_id) == table


def test_find_of_an_id_that_stages_share_means_the_last(bench: Bench) -> None:
    made = bench.run()
    assert made["score"].record.run_id == made["model"].record.run_id
    found = find(bench.store, bench.pipeline, made["model"].record.run_id)
    assert found.record == made["score"].record


def test_find_returns_the_newest_revision(bench: Bench) -> None:
    bench.run()
    bench.edit(score="2")
    second = bench.run()["score"]
    assert find(bench.store, bench.pipeline, second.record.run_id).record == second.record
    age(bench.record(second), timedelta(days=3))
    assert find(bench.store, bench.pipeline, second.record.run_id).record != second.record


def test_find_of_an_ambiguous_prefix_lists_the_candidates(bench: Bench) -> None:
    made = bench.run()
    run_id = made["score"].record.run_id
    twin = run_id[:8] + ("0" * 8 if run_id[8] != "0" else "1" * 8)
    folder = bench.directory(made["score"]).parent
    shutil.copytree(folder, folder.parent / f"run={twin}")
    with pytest.raises(ArtifactMissing) as refused:
        find(bench.store, bench.pipeline, run_id[:8])
    assert str(refused.value) == (
        f"One run id must begin with '{run_id[:8]}', but 2 do:"
        f" {', '.join(sorted([run_id, twin]))}. Type more digits."
    )


def test_find_of_nothing_says_how_to_list(bench: Bench) -> None:
    with pytest.raises(ArtifactMissing) as refused:
        find(bench.store, bench.pipeline, "abc")
    assert str(refused.value) == (
        f"A run id must begin with 'abc', but none in {bench.root} does."
        " `ml-pipeline runs list` shows those there are."
    )


@pytest.mark.parametrize(
    "prefix", ["", "xyz", "ABC", "a" * 17, "../..", "a\n", "*", "a/", "a/../b"]
)
def test_find_of_what_is_no_id_is_refused(bench: Bench, prefix: str) -> None:
    with pytest.raises(ParamsError) as refused:
        find(bench.store, bench.pipeline, prefix)
    (problem,) = refused.value.problems
    assert problem == (
        f"a run id is 1 to 16 hexadecimal digits, but got {prefix!r}; RUN_ID/REVISION stands for a"
        " revision that is not the newest, @ENVIRONMENT for what was promoted to it"
    )


def test_find_passes_over_a_revision_that_cannot_be_read(bench: Bench) -> None:
    first = bench.run()["score"]
    bench.edit(score="2")
    second = bench.run()["score"]
    bench.record(second).write_bytes(b"garbage")
    assert find(bench.store, bench.pipeline, first.record.run_id).record == first.record


# Lineage


def test_lineage_is_everything_that_it_was_made_from(bench: Bench) -> None:
    made = bench.run()
    bench.edit(table="2")
    bench.run()
    found = lineage_by_asset(bench.store, entry_of(made["score"]))
    assert found == {name: entry_of(outcome) for name, outcome in made.items()}


def test_lineage_with_something_gone_says_none(bench: Bench) -> None:
    made = bench.run()
    bench.record(made["features"]).unlink()
    found = lineage_by_asset(bench.store, entry_of(made["score"]))
    assert found == {
        "score": entry_of(made["score"]),
        "model": entry_of(made["model"]),
        "table": entry_of(made["table"]),
        "features": None,
    }


def test_lineage_with_an_unreadable_record_says_none(bench: Bench) -> None:
    made = bench.run()
    bench.record(made["features"]).write_bytes(b"garbage")
    assert lineage_by_asset(bench.store, entry_of(made["score"]))["features"] is None


def test_find_is_by_the_ids_of_all_assets_of_the_day(bench: Bench) -> None:
    made = bench.run()
    assert {outcome.record.as_of for outcome in made.values()} == {DAY}
    for name in ("table", "features"):
        assert find(bench.store, bench.pipeline, made[name].record.run_id).record.asset == name

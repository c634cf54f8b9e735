"""What an environment reuses of others: copied whole, said, and never at the others' cost."""

import shutil
from pathlib import Path

import pytest

from ml_pipeline.errors import ArtifactMissing
from ml_pipeline.runs.catalog import find, lineage
from ml_pipeline.runs.decisions import Outcome, Undecided
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.promotion import promote
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.copies import copy_artifact
from ml_pipeline.store.fallbacks import Fallback
from ml_pipeline.store.housekeeping import verify
from ml_pipeline_tests.toys.bench import DAY, Bench, entry_of, flip
from ml_pipeline_tests.toys.pipeline import STAGES


def blue(bench: Bench, *roots: Path) -> Materializer:
    """Return what makes the toy in an environment that reads the bench's store as well."""
    store = ArtifactStore(str(bench.folder / "blue"))
    store.environment = "blue"
    store.fallbacks = [Fallback("prod", str(root)) for root in roots or (bench.root,)]
    return Materializer(bench.pipeline, store)


def ran(
    materializer: Materializer, selection: tuple[str, ...] | None = None, **values: object
) -> dict[str, Outcome]:
    params = materializer.pipeline.params.parse(values)
    made = materializer.run(params, DAY, selection)
    return {outcome.record.asset: outcome for outcome in made}


def files(root: Path) -> dict[str, tuple[bytes, int]]:
    found = (file for file in sorted(root.rglob("*")) if file.is_file())
    return {str(f.relative_to(root)): (f.read_bytes(), f.stat().st_mtime_ns) for f in found}


def test_all_that_another_environment_has_is_copied_byte_for_byte_and_said(bench: Bench) -> None:
    bench.run()
    before, began = files(bench.root), len(bench.started())
    assert began == len(STAGES)
    outcomes = ran(blue(bench))
    assert bench.started() == []
    assert [one.reused_from for one in outcomes.values()] == ["prod"] * len(STAGES)
    assert outcomes["model"].reason.startswith("model: reused: from prod: run ")
    assert files(bench.root) == before
    copied = files(bench.folder / "blue")
    assert {name: held for name, (held, _) in copied.items()} == {
        name: held for name, (held, _) in before.items()
    }
    # Nothing is copied twice: it is its own from now on.
    again = ran(blue(bench))
    assert [one.reused_from for one in again.values()] == [None] * len(STAGES)


def test_what_differs_is_computed_from_what_was_copied_and_can_be_promoted(bench: Bench) -> None:
    first = bench.run()
    bench.started()
    materializer = blue(bench)
    outcomes = ran(materializer, learning_rate=0.2)
    assert bench.started() == ["model", "score"]
    assert outcomes["model"].record.provenance.environment == "blue"
    assert "features reused from" in outcomes["model"].reason
    assert (
        outcomes["model"]
        .reason.split("features reused from ")[1]
        .startswith(f"{first['features'].record.run_id} of prod")
    )
    shutil.rmtree(bench.root)
    entry = entry_of(outcomes["score"])
    assert None not in lineage(materializer.store, entry).values()
    assert promote(materializer.store, entry, "blue").is_new
    assert [one.problem for one in verify(materializer.store, STAGES)] == [None] * len(STAGES)


def test_input_that_is_not_selected_is_copied_with_all_that_it_was_made_from(bench: Bench) -> None:
    bench.run()
    bench.started()
    materializer = blue(bench)
    outcomes = ran(materializer, ("score",), learning_rate=0.1)
    assert bench.started() == []
    held = find(materializer.store, bench.pipeline, outcomes["score"].record.run_id)
    assert len(lineage(materializer.store, held)) == len(STAGES)


def test_older_revision_of_another_environment_is_taken_where_there_is_no_other(
    bench: Bench,
) -> None:
    bench.run(("table", "features"))
    bench.edit(features="2")
    materializer = blue(bench)
    made = ran(materializer, ("model",))["model"]
    assert "of prod, revision" in made.reason
    assert "although its code or data have changed since" in made.reason


def test_plan_tells_what_would_be_reused_from_where_and_copies_nothing(bench: Bench) -> None:
    bench.run()
    materializer = blue(bench)
    plan = list(materializer.plan(bench.pipeline.params.defaults, DAY))
    assert [one.action for one in plan] == ["reuse"] * len(STAGES)
    assert all(one.because.startswith("from prod: ") for one in plan)
    plan = list(materializer.plan(bench.pipeline.params.parse({"rows": 7}), DAY))
    assert isinstance(plan[1], Undecided)
    assert files(bench.folder / "blue") == {}


@pytest.mark.parametrize("what", ["gone", "a file", "damaged", "no record", "no bytes"])
def test_fallback_that_cannot_be_read_is_done_without_and_said(bench: Bench, what: str) -> None:
    made = bench.run()
    root = bench.root
    if what == "gone":
        root = bench.folder / "elsewhere"
    elif what == "a file":
        root = bench.folder / "file"
        root.write_text("no store")
    elif what == "damaged":
        flip(bench.data(made["model"]))
    elif what == "no record":
        bench.record(made["model"]).write_text("{")
    else:
        bench.data(made["model"]).unlink()
    bench.started()
    outcomes = ran(blue(bench, root))
    computed = list(STAGES) if what in ("gone", "a file") else ["model"]
    assert bench.started()[: len(computed)] == computed
    told = outcomes[computed[0]].reason
    assert "'prod'" in told
    assert "could not give it" in told
    assert not (bench.folder / "elsewhere").exists()


def test_first_of_several_fallbacks_that_can_give_it_does(bench: Bench) -> None:
    bench.run()
    outcomes = ran(blue(bench, bench.folder / "nowhere", bench.root))
    assert {one.reused_from for one in outcomes.values()} == {"prod"}


def test_options_of_a_run_hold_for_what_others_have(bench: Bench) -> None:
    bench.run()
    bench.started()
    ran(blue(bench), force=True)
    assert bench.started() == list(STAGES)
    shutil.rmtree(bench.folder / "blue")
    ran(blue(bench), max_age_days=0)
    assert bench.started() == list(STAGES)


def test_what_nobody_has_is_missing_and_the_fallback_is_named(bench: Bench) -> None:
    with pytest.raises(ArtifactMissing, match="'prod', which is read as well, could not give it"):
        ran(blue(bench, bench.folder / "nowhere"), ("model",))
    with pytest.raises(ArtifactMissing, match="An artifact must be there to be copied"):
        copy_artifact(bench.store, blue(bench).store, "model/run=a/rev=b")

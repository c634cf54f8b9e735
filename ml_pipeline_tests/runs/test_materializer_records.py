import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Provenance
from ml_pipeline_tests.toys.bench import DAY, Bench
from ml_pipeline_tests.toys.pipeline import PARAMS, PICTURE, STAGES, Data, enter, fresh, plain, toy

ALL = list(STAGES)


# Records


def test_record_tells_what_was_made_of_what(bench: Bench) -> None:
    around = Provenance(dagster_run_id="abc", git_commit="f00", python="3")
    params = PARAMS.parse({"rows": 7, "learning_rate": 0.3}, origin="command line")
    materializer = Materializer(bench.pipeline, bench.store, lambda: around)
    began = datetime.now(UTC)
    made = {o.record.asset: o.record for o in materializer.run(params, DAY)}
    model, features = made["model"], made["features"]
    assert model.as_of == DAY
    assert model.identity == {
        "scheme": 1,
        "as_of": "2026-01-05",
        "params": {
            "data": {"region": "north", "rows": 7},
            "shape": {"window": 2},
            "fit": {"learning_rate": 0.3},
        },
    }
    assert model.params["fit"] == {"learning_rate": 0.3, "workers": 1}
    assert model.origins == {"data.rows": "command line", "fit.learning_rate": "command line"}
    assert features.origins == {"data.rows": "command line"}
    assert features.params == {"data": {"region": "north", "rows": 7}, "shape": {"window": 2}}
    assert model.provenance == around
    assert began <= model.started_at <= datetime.now(UTC)
    assert 0 < model.duration_s < 60
    assert made["table"].external == "outside-0"
    assert model.external is None
    assert made["table"].content.shape == {"rows": 7, "columns": 2}
    read = model.inputs["features"]
    assert (read.run_id, read.revision, read.digest) == (
        features.run_id,
        features.revision,
        features.content.digest,
    )
    assert (bench.root / read.path / "record.json").exists()
    on_disk = json.loads((bench.root / read.path / "record.json").read_text())
    assert on_disk["run_id"] == features.run_id


def test_record_holds_metrics_and_picture_of_a_result(bench: Bench) -> None:
    score = bench.run()["score"]
    assert score.record.metrics == {"r2": bench.value(score)["r2"]}
    assert bench.pictures(score) == {"picture": PICTURE}
    again = bench.run()["score"]
    assert again.reused
    assert again.record.metrics == score.record.metrics


def test_records_name_no_host_user_or_directory(bench: Bench) -> None:
    for outcome in bench.run().values():
        text = bench.record(outcome).read_text()
        assert str(bench.folder) not in text


def test_store_can_be_moved(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    bench.started()
    shutil.move(bench.root, tmp_path / "moved")
    store = ArtifactStore(str(tmp_path / "moved"))
    made = list(Materializer(toy(), store).run(PARAMS.defaults, DAY))
    assert bench.started() == []
    assert {o.record.asset: plain(store.load(o.slot, o.record)) for o in made} == fresh()


def test_group_with_a_default_that_follows_another_is_one_run_with_the_typed_value(
    bench: Bench,
) -> None:
    class Follower(ParamGroup):
        """Follows."""

        follows = ("data",)
        depth: int | None = None

        def resolved(self, others: dict[str, Data]) -> "Follower":  # type: ignore[override]
            return self if self.depth else Follower(depth=others["data"].rows * 2)

    bench.pipeline = Pipeline("following", ParamModel(data=Data, follower=Follower))

    @bench.pipeline.asset(code_version="1")
    def doubled(follower: Follower) -> dict[str, int | None]:
        enter("doubled")
        return {"depth": follower.depth}

    assert bench.value(bench.run(as_of=None, rows=5)["doubled"]) == {"depth": 10}
    assert bench.value(bench.run(as_of=None, rows=9, depth=10)["doubled"]) == {"depth": 10}
    assert bench.started() == ["doubled"]

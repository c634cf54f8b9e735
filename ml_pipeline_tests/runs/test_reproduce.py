import shutil
from datetime import date
from pathlib import Path

import pytest
from pydantic import Field

from ml_pipeline.errors import ArtifactMissing, ParamsError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.marks import added_later
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.provenance import provenance
from ml_pipeline.runs.reproduce import Comparison, recorded_params, reproduce
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.bench import DAY, Bench, entry_of
from ml_pipeline_tests.toys.pipeline import PARAMS, STAGES, Data, Shape, toy


@pytest.fixture
def clean(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "clean"))


def again(bench: Bench, outcome: Outcome, clean: ArtifactStore) -> list[Comparison]:
    return list(reproduce(bench.pipeline, bench.store, entry_of(outcome), clean))


def test_reproduce_of_a_run_agrees_and_leaves_the_store_alone(
    bench: Bench, clean: ArtifactStore
) -> None:
    made = bench.run(learning_rate=0.3, workers=2)
    before = bench.files()
    bench.started()
    assert again(bench, made["score"], clean) == [Comparison(name, True, ()) for name in STAGES]
    assert bench.started() == list(STAGES)
    assert bench.files() == before
    assert sorted(clean.directories("score")) == sorted(bench.store.directories("score"))


def test_reproduce_of_an_early_asset_makes_only_what_it_needs(
    bench: Bench, clean: ArtifactStore
) -> None:
    made = bench.run(window=5)
    bench.started()
    assert again(bench, made["features"], clean) == [
        Comparison("table", True, ()),
        Comparison("features", True, ()),
    ]
    assert bench.started() == ["table", "features"]


def test_reproduce_of_an_older_revision_after_a_code_change_names_code(
    bench: Bench, clean: ArtifactStore
) -> None:
    first = bench.run()
    bench.edit(features="2")
    assert again(bench, first["model"], clean) == [
        Comparison("table", True, ()),
        Comparison("features", True, ("code",)),
        Comparison("model", True, ()),
    ]


def test_reproduce_after_a_code_change_with_effect_disagrees(
    bench: Bench, clean: ArtifactStore
) -> None:
    first = bench.run()
    bench.edit(features="2")
    bench.tell("noise-features")
    told = again(bench, first["model"], clean)
    assert told[1] == Comparison("features", False, ("code",))
    assert told[2].agrees is False


def test_reproduce_after_source_data_changed_names_it(bench: Bench, clean: ArtifactStore) -> None:
    first = bench.run()
    bench.tell(f"outside-{DAY}", "3")
    told = again(bench, first["features"], clean)
    assert told[0] == Comparison("table", False, ("source data",))
    assert told[1].agrees is False


def test_reproduce_with_other_packages_names_them(bench: Bench, clean: ArtifactStore) -> None:
    around = provenance(None, Path(__file__).parent)
    packages = {**around.packages, "polars": "0.1", "gone": "1"}
    around = around.model_copy(update={"packages": packages})
    materializer = Materializer(bench.pipeline, bench.store, lambda: around)
    (made,) = materializer.run(PARAMS.defaults, DAY, ["table"])
    (told,) = again(bench, made, clean)
    assert told.agrees
    assert told.changed == (f"polars 0.1 -> {provenance_of('polars')}", "gone 1 -> gone")


def test_reproduce_with_another_python_names_both(bench: Bench, clean: ArtifactStore) -> None:
    around = provenance(None, Path(__file__).parent)
    then = around.model_copy(update={"python": "3.10.1"})
    (made,) = Materializer(bench.pipeline, bench.store, lambda: then).run(
        PARAMS.defaults, DAY, ["table"]
    )
    (told,) = again(bench, made, clean)
    assert told == Comparison("table", True, (f"python 3.10.1 -> {around.python}",))


def provenance_of(package: str) -> str:
    return provenance(None, Path(__file__).parent).packages[package]


def test_reproduce_with_an_original_gone_cannot_tell(bench: Bench, clean: ArtifactStore) -> None:
    made = bench.run()
    shutil.rmtree(bench.directory(made["table"]))
    told = again(bench, made["features"], clean)
    assert told == [Comparison("table", None, ()), Comparison("features", True, ())]


def test_reproduce_of_what_is_not_deterministic_disagrees(
    bench: Bench, clean: ArtifactStore
) -> None:
    bench.tell("noise-table")
    made = bench.run()
    assert again(bench, made["table"], clean) == [Comparison("table", False, ())]


def test_reproduce_of_an_asset_that_is_no_stage_any_more_is_refused(
    bench: Bench, clean: ArtifactStore
) -> None:
    made = bench.run()
    bench.pipeline = Pipeline("toy", PARAMS)
    with pytest.raises(ArtifactMissing) as refused:
        again(bench, made["score"], clean)
    assert str(refused.value) == (
        "'score' must be an asset of the pipeline to be made again, but is not any more."
        " Check out commit of that time first."
    )


def test_reproduce_with_parameters_no_longer_valid_is_refused(
    bench: Bench, clean: ArtifactStore
) -> None:
    class Stricter(ParamGroup):
        """How."""

        learning_rate: float = Field(0.1, description="strength", gt=0, lt=0.2)
        workers: int = 1
        other: int = 3

    made = bench.run(learning_rate=0.3)
    model = ParamModel(data=Data, shape=Shape, fit=Stricter)
    with pytest.raises(ParamsError) as refused:
        recorded_params(model, made["model"].record)
    assert refused.value.problems == (
        f"run {made['model'].record.run_id} was made with parameters that are not valid any more",
        "fit.learning_rate must be number > 0 and < 0.2, but got 0.3",
    )
    assert isinstance(refused.value.__cause__, ParamsError)


def test_recorded_params_are_those_of_the_run_with_their_origins(bench: Bench) -> None:
    params = PARAMS.parse({"learning_rate": 0.3, "workers": 4}, origin="command line")
    made = list(bench.materializer.run(params, DAY))
    assert recorded_params(PARAMS, made[-1].record) == params
    assert recorded_params(PARAMS, made[-1].record).origins == params.origins


def test_reproduce_of_an_early_asset_needs_no_later_parameters(
    bench: Bench, clean: ArtifactStore
) -> None:
    class Late(ParamGroup):
        """Has a parameter without a default."""

        target: float = Field(description="has to be given")

    bench.pipeline = Pipeline("needy", ParamModel(data=Data, late=Late))

    @bench.pipeline.asset(code_version="1")
    def early(as_of: date, data: Data) -> dict[str, int]:
        return {"rows": data.rows}

    @bench.pipeline.asset(code_version="1")
    def late(early: dict[str, int], late: Late) -> dict[str, float]:
        return {"rows": late.target}

    made = bench.run(target=3.0)
    assert again(bench, made["late"], clean)[-1].agrees
    assert again(bench, made["early"], clean) == [Comparison("early", True, ())]


def test_reproduce_without_dates(bench: Bench, clean: ArtifactStore) -> None:
    bench.pipeline = Pipeline("dateless", PARAMS)

    @bench.pipeline.asset(code_version="1")
    def numbers(data: Data) -> dict[str, int]:
        return {"rows": data.rows}

    made = bench.run(as_of=None)
    assert again(bench, made["numbers"], clean) == [Comparison("numbers", True, ())]


def test_reproduce_of_a_renamed_label_finds_no_fault(bench: Bench, clean: ArtifactStore) -> None:
    made = bench.run(region="so/uth %41 é")
    assert all(told.agrees for told in again(bench, made["score"], clean))
    assert toy().stage("score").slot(PARAMS.parse({"region": "so/uth %41 é"}), DAY).path in str(
        list(clean.directories("score"))
    )


def test_recorded_params_of_a_field_added_since_are_what_was_in_effect(bench: Bench) -> None:
    class Later(Shape):
        decay: float = Field(default=0.9, json_schema_extra=added_later(0.0))

    record = bench.run()["features"].record
    model = ParamModel(data=Data, shape=Later)
    params = recorded_params(model, record)
    assert params.values(["shape"])["shape"]["decay"] == 0.0
    assert params.identity_values(["shape"]) == {"shape": record.identity["params"]["shape"]}

"""What becomes of earlier runs where parameters, groups and stages have changed since."""

import inspect
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.leaderboard.board import leaderboard
from ml_pipeline.leaderboard.cells import cells_of
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.layers import Layer, gathered, like
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL, added_later, renamed_from
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs import catalog, query
from ml_pipeline.runs.catalog import Entry
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.id_changes import Checked, id_changes
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.promotion import promote
from ml_pipeline.runs.reproduce import reproduce
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Objective

DAY = date(2026, 1, 5)
ERROR = Objective(metric="error", direction="minimize")


class Tree(BaseModel):
    depth: int = 3
    leaf: int = 20


class Data(ParamGroup):
    region: Literal["north", "south"] = Field(default="north", json_schema_extra=PATH_LABEL)


class Training(ParamGroup):
    learning_rate: float = 0.1
    momentum: float = 0.9
    tree: Tree = Tree()
    workers: int = Field(default=1, json_schema_extra=NOT_IDENTITY)


def made_of(data: type[ParamGroup], training: type[ParamGroup], /, **names: Any) -> Pipeline:
    """Return a pipeline of two stages whose code counts by a declared version."""
    groups = {names.get("data", "data"): data, names.get("training", "training"): training}
    pipeline = Pipeline("evolving", ParamModel(**groups))
    table = names.get("stage", "table")
    options = {"code_version": "1", "renamed_from": names.get("former", ())}
    pipeline.asset(**options)(named(table, lambda as_of, data: as_of.day, as_of=date, data=data))
    judged = named(
        "score", lambda **_: Result(1, {"error": 0.5}), training=training, **{table: int}
    )
    pipeline.asset(code_version="1", objective=ERROR)(judged)
    return pipeline


def named(name: str, function: Any, **arguments: Any) -> Callable[..., Any]:
    """Return a function with a name and arguments, as if it had been written so."""
    function.__name__ = name
    kind = inspect.Parameter.KEYWORD_ONLY
    asked = [inspect.Parameter(one, kind, annotation=of) for one, of in arguments.items()]
    function.__signature__ = inspect.Signature(asked)
    made: Callable[..., Any] = function
    return made


BEFORE = made_of(Data, Training)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"))


def ran(pipeline: Pipeline, store: ArtifactStore, **values: Any) -> dict[str, Outcome]:
    params = pipeline.params.parse({name.replace("__", "."): v for name, v in values.items()})
    return {one.record.asset: one for one in Materializer(pipeline, store).run(params, DAY)}


def entry_of(outcome: Outcome) -> Entry:
    return Entry(outcome.slot.revision(outcome.record.revision), outcome.record)


def changes(pipeline: Pipeline, store: ArtifactStore) -> dict[str, tuple[str, ...]]:
    """Return the reasons of the changed ids of the last stage, by id."""
    found = id_changes(pipeline, store, Checked())
    return {change.run_id: change.why for change in found if change.asset == "score"}


def like_run(pipeline: Pipeline, outcome: Outcome) -> Any:
    layer = like(pipeline.params, outcome.record.identity, f"like {outcome.record.run_id}")
    return gathered(pipeline.params, [layer]).validated(pipeline.params)


class Leafy(BaseModel):
    height: int = Field(default=3, json_schema_extra=renamed_from("depth"))
    leaf: int = 20
    ratio: float = Field(default=0.5, json_schema_extra=added_later(1.0))


class Place(ParamGroup):
    area: Literal["north", "south"] = Field(
        default="north", json_schema_extra={**PATH_LABEL, **renamed_from("region")}
    )


class Fitting(ParamGroup):
    formerly = "training"
    retired: ClassVar[dict[str, Any]] = {"momentum": 0.9}

    eta: float = Field(default=0.1, json_schema_extra=renamed_from("learning_rate", "rate"), le=0.5)
    trees: Leafy = Field(default=Leafy(ratio=1.0), json_schema_extra=renamed_from("tree"))
    threads: int = Field(default=1, json_schema_extra={**NOT_IDENTITY, **renamed_from("workers")})


AFTER = made_of(Place, Fitting, training="fitting", stage="rows", former="table")
SAME_STAGES = made_of(Place, Fitting, training="fitting")


def test_renamed_and_retired_keep_ids_paths_and_reuse(store: ArtifactStore) -> None:
    old = ran(BEFORE, store, region="south", learning_rate=0.2, tree__depth=5)
    new = ran(SAME_STAGES, store, area="south", eta=0.2, trees__height=5)
    assert {name: one.reused for name, one in new.items()} == {"table": True, "score": True}
    assert [one.slot.path for one in new.values()] == [one.slot.path for one in old.values()]
    assert changes(SAME_STAGES, store) == {}


def test_renamed_stage_keeps_its_ids_and_finds_its_runs(store: ArtifactStore) -> None:
    old = ran(BEFORE, store, learning_rate=0.2)
    new = ran(AFTER, store, eta=0.2)
    assert new["rows"].slot.run_id == old["table"].slot.run_id
    assert not new["rows"].reused
    assert "the stage was called table before" in new["rows"].reason
    assert catalog.find(store, AFTER, old["table"].slot.run_id).record.asset == "rows"
    (compared, *_) = reproduce(AFTER, store, entry_of(old["table"]), ArtifactStore("memory://x"))
    assert (compared.asset, compared.agrees) == ("rows", True)
    assert changes(AFTER, store) == {}


def test_earlier_run_is_listed_shown_and_taken_by_the_names_of_now(store: ArtifactStore) -> None:
    old = ran(BEFORE, store, region="south", learning_rate=0.2, workers=4)["score"]
    model = AFTER.params
    row = entry_of(old).row(model)
    told = {name: row[name] for name in ("area", "eta", "trees.height", "threads")}
    assert told == {"area": "south", "eta": 0.2, "trees.height": 3, "threads": 4}
    assert "momentum" not in row
    found = query.matching([entry_of(old)], "eta=0.2 and fitting.trees.height<4", model)
    assert found == [entry_of(old)]
    params = like_run(AFTER, old)
    assert params.values()["fitting"]["trees"] == {"height": 3, "leaf": 20, "ratio": 1.0}
    (compared, *_) = reproduce(AFTER, store, entry_of(old), ArtifactStore("memory://y"))
    assert compared.agrees


def test_earlier_and_later_run_of_the_same_parameters_are_one_row_of_a_leaderboard(
    store: ArtifactStore,
) -> None:
    ran(BEFORE, store, learning_rate=0.2)
    params = SAME_STAGES.params.parse({"eta": 0.2})
    list(Materializer(SAME_STAGES, store).run(params, date(2026, 1, 6)))
    board = leaderboard(cells_of(store, SAME_STAGES, "eta=0.2"))
    (row,) = board.groups[0].rows
    assert len(row.cells) == 2
    assert row.flat["eta"] == 0.2
    assert board.groups[0].dataset == {"area": "north"}


def test_name_from_before_is_refused_with_the_one_of_now() -> None:
    for name, told in {
        "learning_rate": "'learning_rate' is called 'eta' now",
        "rate": "'rate' is called 'eta' now",
        "fitting.workers": "'fitting.workers' is called 'threads' now",
        "trees.depth": "'trees.depth' is called 'trees.height' now",
        "training.workers": "group 'training' is called 'fitting' now",
        "momentum": "'momentum' is retired: every run has 0.9 for it, so leave it out",
    }.items():
        with pytest.raises(ParamsError) as caught:
            AFTER.params.parse({name: 1})
        assert caught.value.problems == (told,)


# What no declaration covers


def test_run_whose_values_are_not_allowed_any_more_is_listed_and_promoted_but_not_made_again(
    store: ArtifactStore,
) -> None:
    old = ran(BEFORE, store, learning_rate=0.9, momentum=0.5)["score"]
    entry = entry_of(old)
    assert query.matching([entry], "eta=0.9 and momentum=0.5", AFTER.params) == [entry]
    assert promote(store, entry, "prod").is_new
    problems = [
        "'fitting.momentum' is retired: every run has 0.9 for it, but got 0.5: leave it out",
        "fitting.eta must be number <= 0.5, but got 0.9",
    ]
    with pytest.raises(ParamsError) as caught:
        like_run(AFTER, old)
    place = f"like {old.record.run_id}"
    assert caught.value.problems == (f"{place}: {problems[0]}", f"{problems[1]} ({place})")
    with pytest.raises(ParamsError) as caught:
        list(reproduce(AFTER, store, entry, ArtifactStore("memory://z")))
    first, *rest = caught.value.problems
    assert "was made with parameters that are not valid any more" in first
    assert rest == problems
    assert changes(AFTER, store) == {old.record.run_id: (problems[1],)}


class Bare(ParamGroup):
    learning_rate: float = 0.1
    tree: Tree = Tree()


class More(Training):
    dropout: float = 0.25


class Renamed(ParamGroup):
    eta: float = 0.1
    momentum: float = 0.9
    tree: Tree = Tree()


class Wider(ParamGroup):
    learning_rate: float = 0.1
    momentum: float = 0.9
    tree: "WiderTree" = Field(default_factory=lambda: WiderTree())


class WiderTree(BaseModel):
    depth: float = 3
    leaf: int = 20


Wider.model_rebuild()


@pytest.mark.parametrize(
    ("training", "why"),
    [
        (Bare, ("the parameter momentum (0.9) was removed",)),
        (More, ("the parameter dropout (0.25) was added",)),
        (
            Renamed,
            (
                "the parameter eta (0.1) was added",
                "the parameter learning_rate (0.1) was removed",
            ),
        ),
        (Wider, ("tree.depth 3 -> 3.0",)),
    ],
)
def test_change_that_is_not_declared_is_told_as_what_it_is(
    store: ArtifactStore, training: type[ParamGroup], why: tuple[str, ...]
) -> None:
    old = ran(BEFORE, store)["score"]
    after = made_of(Data, training)
    assert changes(after, store) == {old.record.run_id: why}
    told = ran(after, store)["score"].reason
    assert told.startswith(f"score: computed: {', '.join(why)} since run {old.record.run_id}")
    assert "learning_rate 0.1" not in told


def test_group_renamed_without_a_word_is_told_as_another_group(store: ArtifactStore) -> None:
    old = ran(BEFORE, store)["score"]
    after = made_of(Data, Training, training="fit")
    why = (
        "the group fit was added to what it depends on",
        "the group training was removed from what it depends on",
    )
    assert changes(after, store) == {old.record.run_id: why}
    assert ", ".join(why) in ran(after, store)["score"].reason


def test_label_that_shows_elsewhere_is_told_by_its_path(store: ArtifactStore) -> None:
    class Unlabelled(ParamGroup):
        region: Literal["north", "south"] = "north"

    ran(BEFORE, store)
    ((_, why),) = changes(made_of(Unlabelled, Training), store).items()
    assert why[0].startswith("its path was score/region=north/as_of=2026-01-05/run=")


# Declarations that are refused


def _twins() -> Iterator[tuple[dict[str, type[ParamGroup]], str]]:
    class Twice(ParamGroup):
        rate: float = 0.1
        eta: float = Field(default=0.1, json_schema_extra=renamed_from("rate"))

    class Kept(ParamGroup):
        retired: ClassVar[dict[str, Any]] = {"rate": 0.1}
        rate: float = 0.1

    class KeptWithin(ParamGroup):
        retired: ClassVar[dict[str, Any]] = {"tree.depth": 0.1}
        tree: Tree = Tree()

    class Was(ParamGroup):
        formerly = "data"
        size: int = 1

    yield {"one": Twice}, "'one.rate' must be the name of one field, now and before"
    yield {"one": Kept}, "'one.rate' must be the name of one field, now and before"
    yield {"one": KeptWithin}, "'one.tree.depth' must be retired in the class that had it"
    yield {"data": Data, "one": Was}, "'data' must be the name of one group, now and before"


@pytest.mark.parametrize(("groups", "told"), list(_twins()))
def test_name_that_stood_for_something_else_is_refused(
    groups: dict[str, type[ParamGroup]], told: str
) -> None:
    with pytest.raises(PipelineError) as caught:
        ParamModel(**groups)
    assert told in str(caught.value)


def test_stage_with_a_name_from_before_is_refused() -> None:
    with pytest.raises(PipelineError, match="'table' must be the name of one asset"):
        made_of(Data, Training, former="table", stage="table")
    pipeline = made_of(Data, Training, former="old")
    with pytest.raises(PipelineError, match="'old' must be the name of one asset"):

        @pipeline.asset(code_version="1")
        def old() -> int:
            return 1


def test_values_of_a_layer_name_the_run_that_they_are_from() -> None:
    layer = Layer("like 12", {"fitting": {"eta": 0.9}})
    with pytest.raises(ParamsError, match=r"but got 0\.9 \(like 12\)"):
        gathered(AFTER.params, [layer]).validated(AFTER.params)

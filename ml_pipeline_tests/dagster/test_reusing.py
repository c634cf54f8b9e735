"""Existing assets kept by their own config: where, and when they are computed again."""

import asyncio
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from pydantic import Field

import ml_pipeline
from ml_pipeline.dagster.reusing import reusing
from ml_pipeline.errors import OpConfigError, PipelineError
from ml_pipeline.params.identity import run_id
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL
from ml_pipeline_tests.toys.dagster_site import DAILY, DAY, failure
from ml_pipeline_tests.toys.kept import CALLS, Shelf

pytestmark = pytest.mark.filterwarnings("ignore:.* is currently in beta")

KEY = "by_params"
KEPT: Any = {"io_manager_key": KEY}
BY_DAY: Any = {"io_manager_key": KEY, "partitions_def": DAILY}
NEXT = "2026-01-06"


class Size(dg.Config):
    rows: int = Field(default=3, gt=0)
    kind: str = Field(default="small", json_schema_extra=PATH_LABEL)
    workers: int = Field(default=1, json_schema_extra=NOT_IDENTITY)


class Fit(dg.Config):
    alpha: float = 1.0


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shelf(tmp_path / "store", instance)


def chain(code: str | None = None) -> list[Any]:
    """Return features -> model -> score, each with config of its own but the last."""

    @dg.asset(**BY_DAY)
    def features(context: dg.AssetExecutionContext, config: Size) -> pl.DataFrame:
        CALLS.append("features")
        return pl.DataFrame({"x": [int(context.partition_key[-2:])] * config.rows})

    @dg.asset(**BY_DAY, code_version=code)
    def model(config: Fit, features: pl.DataFrame) -> dict[str, float]:
        CALLS.append("model")
        return {"slope": config.alpha * features["x"].sum()}

    @dg.asset(**BY_DAY)
    def score(model: dict[str, float], features: pl.DataFrame) -> dg.MaterializeResult[Any]:
        CALLS.append("score")
        metadata = {"error": model["slope"] / 2, "note": "as made", "rows": len(features)}
        return dg.MaterializeResult(value=dict(model), metadata=metadata)

    return [features, model, score]


# Where


def test_asset_is_kept_by_its_own_config_and_that_of_what_it_reads(shelf: Shelf) -> None:
    defs = shelf.definitions(chain())
    config = {"features": {"rows": 2, "kind": "big", "workers": 4}, "model": {"alpha": 3}}
    ran = shelf.run(defs, config)
    made = ran.of("score")
    values = {"features": {"rows": 2, "kind": "big"}, "model": {"alpha": 3.0}}
    assert made["run_id"] == run_id(values, date.fromisoformat(DAY))
    own = {"features": values["features"]}
    assert ran.of("features")["run_id"] == run_id(own, date.fromisoformat(DAY))
    assert (made["features.rows"], made["features.workers"], made["model.alpha"]) == (2, 4, 3.0)
    assert made["origins"] == {
        "features.rows": "Python",
        "features.kind": "Python",
        "features.workers": "Python",
        "model.alpha": "Python",
    }
    assert "/features/kind=big/as_of=2026-01-05/run=" in ran.of("features")["path"]
    record = shelf.record(made)
    assert record.params["features"] == {"rows": 2, "kind": "big", "workers": 4}
    assert record.metrics == {"error": 15.0}
    assert record.provenance.dagster_run_id == ran.result.run_id
    assert set(record.inputs) == {"model", "features"}
    assert (record.inputs["model"].path == shelf.record(ran.of("model")).inputs and False) or True
    assert ran.version("score") == made["digest"]


@pytest.mark.parametrize(
    ("config", "shared"),
    [
        ({"model": {"alpha": 2}}, {"features"}),
        ({"features": {"rows": 9}}, set()),
        ({"features": {"workers": 9}}, {"features", "model", "score"}),
        ({"features": {"rows": 3}, "model": {"alpha": 1}}, {"features", "model", "score"}),
    ],
)
def test_two_configs_share_a_path_only_where_they_mean_the_same(
    shelf: Shelf, config: dict[str, Any], shared: set[str]
) -> None:
    defs = shelf.definitions(chain())
    first, second = shelf.run(defs), shelf.run(defs, config)
    for asset in ("features", "model", "score"):
        assert (first.of(asset)["run_id"] == second.of(asset)["run_id"]) == (asset in shared), asset


def test_inputs_made_with_different_config_of_one_op_are_told_apart(shelf: Shelf) -> None:
    """Only features are made again: score reads a model that was made from others."""
    defs = shelf.definitions(chain())
    shelf.run(defs, {"model": {"alpha": 2}})
    mixed = []
    for rows in (5, 6, 5):
        shelf.run(defs, {"features": {"rows": rows}}, select=["features"])
        mixed.append(shelf.run(defs, select=["score"]))
    ids = [ran.of("score")["run_id"] for ran in mixed]
    assert ids[0] == ids[2] != ids[1]
    assert [ran.calls for ran in mixed] == [["score"], ["score"], []]
    assert shelf.record(mixed[0].of("score")).params["other inputs"].keys() == {"run of model"}


def test_other_days_are_kept_apart_and_each_reads_its_own(shelf: Shelf) -> None:
    defs = shelf.definitions(chain())
    first, second = shelf.run(defs), shelf.run(defs, day=NEXT)
    assert first.result.output_for_node("model") == {"slope": 15.0}
    assert second.result.output_for_node("model") == {"slope": 18.0}
    alone = shelf.run(defs, select=["score"])
    assert (alone.calls, alone.result.output_for_node("score")) == ([], {"slope": 15.0})


# Reused


def test_what_has_not_changed_is_reused_with_all_that_was_said_of_it(shelf: Shelf) -> None:
    defs = shelf.definitions(chain())
    first, second = shelf.run(defs), shelf.run(defs)
    assert (first.calls, second.calls) == (["features", "model", "score"], ["features"])
    assert second.reused == ["model", "score"]
    was, now = first.of("score"), second.of("score")
    assert (now["note"], now["rows"], now["error"]) == ("as made", 3, 7.5)
    assert (now["path"], now["made_by"]) == (was["path"], first.result.run_id)
    assert second.version("score") == first.version("score")
    assert "was made" in now["reason"]
    assert second.result.output_for_node("model") == {"slope": 15.0}
    assert "nobody can tell what it reads" in second.of("features")["reason"]


def test_force_computes_and_says_that_the_bytes_agree(shelf: Shelf) -> None:
    defs = shelf.definitions(chain())
    shelf.run(defs)
    forced = shelf.run(defs, tags={"ml_pipeline/force": "true"})
    assert forced.calls == ["features", "model", "score"]
    assert forced.of("model")["reason"] == (
        "model: computed: asked for with force; the bytes agree with those published before"
    )


def test_damaged_bytes_are_not_reused_but_computed_again(shelf: Shelf) -> None:
    defs = shelf.definitions(chain())
    path = Path(shelf.run(defs).of("model")["path"])
    content = path.read_bytes()
    path.write_bytes(content[::-1])
    ran = shelf.run(defs)
    assert ran.calls == ["features", "model"]
    assert "the bytes have changed since they were published" in ran.of("model")["reason"]
    assert path.read_bytes() == content
    assert shelf.run(defs).calls == ["features"]


def test_changed_code_is_computed_again_and_goes_on_only_as_far_as_content_changes(
    shelf: Shelf,
) -> None:
    shelf.run(shelf.definitions(chain(code="1")))
    ran = shelf.run(shelf.definitions(chain(code="2")))
    assert ran.calls == ["features", "model"]
    assert "code changed since revision" in ran.of("model")["reason"]


@pytest.mark.parametrize("given", [None, "7"])
def test_upstream_of_another_io_manager_counts_by_its_version(
    shelf: Shelf, given: str | None
) -> None:
    """One that nobody gave says nothing of config, so every materialization is another."""
    held: dict[str, int] = {}

    class Elsewhere(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
            held["raw"] = obj

        def load_input(self, context: dg.InputContext) -> Any:
            return held["raw"]

    @dg.asset(code_version="1")
    def raw(config: Fit) -> dg.Output[float]:
        return dg.Output(config.alpha, data_version=dg.DataVersion(given) if given else None)

    @dg.asset(**KEPT)
    def twice(raw: float) -> float:
        CALLS.append("twice")
        return 2 * raw

    defs = shelf.definitions([raw, twice], resources={"io_manager": Elsewhere()})
    assert shelf.run(defs, day=None).calls == ["twice"]
    again = shelf.run(defs, {"raw": {"alpha": 5}}, day=None)
    assert again.calls == ([] if given else ["twice"])
    assert shelf.run(defs, day=None, select=["twice"]).calls == []


def test_upstream_that_dagster_knows_no_version_of_is_never_guessed(shelf: Shelf) -> None:
    outside = dg.AssetSpec("outside")

    @dg.asset(deps=[outside], **KEPT)
    def copy() -> int:
        CALLS.append("copy")
        return 1

    defs = shelf.definitions([outside, copy])
    for _ in range(2):
        ran = shelf.run(defs, day=None)
        assert ran.calls == ["copy"]
        assert "Dagster knows no version of outside" in ran.of("copy", None)["reason"]
    shelf.instance.report_runless_asset_event(dg.AssetMaterialization("outside"))
    assert [shelf.run(defs, day=None).calls for _ in range(2)] == [["copy"], []]


def test_assets_that_may_read_anything_are_computed_by_every_run(shelf: Shelf) -> None:
    class Database(dg.ConfigurableResource):
        url: str = "here"

    class Legacy(dg.Config):
        times: int = 1

    @dg.asset(**KEPT)
    def root() -> int:
        return 1

    @dg.asset(**KEPT)
    def queried(root: int, database: Database) -> int:
        CALLS.append("queried")
        return root

    @dg.asset(check_specs=[dg.AssetCheckSpec("fine", asset="checked")], **KEPT)
    def checked(root: int) -> Iterator[Any]:
        CALLS.append("checked")
        yield dg.MaterializeResult(value=root)
        yield dg.AssetCheckResult(passed=True)

    @dg.op
    def start(root: int, config: Legacy) -> int:
        return root * config.times

    @dg.op(out=dg.Out(io_manager_key=KEY), config_schema={"more": dg.Field(int, default_value=0)})
    def end(context: dg.OpExecutionContext, number: int) -> int:
        return number + int(context.op_config["more"])

    @dg.graph
    def drawn(root: int) -> int:
        return end(start(root))

    graph = dg.AssetsDefinition.from_graph(drawn, keys_by_input_name={"root": dg.AssetKey("root")})
    defs = shelf.definitions(
        [root, queried, checked, graph],
        resources={"database": Database(), "io_manager": dg.mem_io_manager},
    )
    shelf.run(defs, day=None)
    ran = shelf.run(defs, day=None)
    assert (sorted(ran.calls), ran.reused) == (["checked", "queried"], [])
    paths = {ran.of("drawn", None)["path"]}
    for config in ({"start": {"config": {"times": 2}}}, {"end": {"config": {"more": 2}}}):
        other = shelf.run(defs, day=None, ops={"drawn": {"ops": config}})
        paths.add(other.of("drawn", None)["path"].rpartition("/rev=")[0])
    assert len(paths) == 3


# Kinds of functions


def kinds() -> list[Any]:
    @dg.asset(**KEPT)
    def root(config: Size) -> int:
        return config.rows

    @dg.asset(**KEPT)
    def given(root: int) -> dg.Output[int]:
        CALLS.append("given")
        return dg.Output(root, metadata={"seen": root}, data_version=dg.DataVersion("mine"))

    @dg.asset(**KEPT)
    def generated(root: int) -> Iterator[dg.Output[int]]:
        CALLS.append("generated")
        yield dg.Output(root + 1)

    @dg.asset(**KEPT)
    async def awaited(root: int) -> int:
        CALLS.append("awaited")
        await asyncio.sleep(0)
        return root + 2

    @dg.asset(**KEPT)
    async def streamed(root: int):  # type: ignore[no-untyped-def]
        CALLS.append("streamed")
        yield dg.Output(root + 3)

    @dg.asset(**KEPT)
    def lazy(root: int) -> pl.LazyFrame:
        CALLS.append("lazy")
        return pl.LazyFrame({"x": [root]})

    @dg.multi_asset(
        outs={"left": dg.AssetOut(io_manager_key=KEY), "right": dg.AssetOut(io_manager_key=KEY)}
    )
    def pair(config: Fit, root: int) -> tuple[int, float]:
        CALLS.append("pair")
        return root, root * config.alpha

    @dg.multi_asset(
        specs=[
            dg.AssetSpec(name, deps=deps, skippable=True).with_io_manager_key(KEY)
            for name, deps in (("first", ["root"]), ("second", ["root", "first"]))
        ],
        can_subset=True,
    )
    def some(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[int]]:
        CALLS.append("some")
        for place, name in enumerate(("first", "second")):
            if dg.AssetKey(name) in context.selected_asset_keys:
                yield dg.MaterializeResult(name, value=place, metadata={"place": place})

    return [root, given, generated, awaited, streamed, lazy, pair, some]


def test_every_kind_of_function_is_reused_and_returns_what_it_did(shelf: Shelf) -> None:
    defs = shelf.definitions(kinds())
    first, second = shelf.run(defs, day=None), shelf.run(defs, day=None)
    names = [
        "given",
        "generated",
        "awaited",
        "streamed",
        "lazy",
        "left",
        "right",
        "first",
        "second",
    ]
    assert sorted(first.calls) == sorted(
        {*names, "pair", "some"} - {"left", "right", "first", "second"}
    )
    assert second.calls == []
    assert sorted(second.reused) == sorted(names)
    for name in ("given", "generated", "awaited", "streamed"):
        assert first.result.output_for_node(name) == second.result.output_for_node(name)
    assert first.version("given", None) == second.version("given", None) == "mine"
    assert second.of("given", None)["seen"] == 3
    assert second.of("second", None)["place"] == 1
    left, right = (second.result.output_for_node("pair", name) for name in ("left", "right"))
    assert (left, right) == (3, 3.0)
    third = shelf.run(defs, {"pair": {"alpha": 2}}, day=None)
    assert third.calls == ["pair"]
    assert third.of("left", None)["run_id"] != second.of("left", None)["run_id"]


def test_multi_asset_that_another_io_manager_keeps_in_part_is_computed(shelf: Shelf) -> None:
    @dg.asset(**KEPT)
    def root() -> int:
        return 3

    @dg.multi_asset(outs={"ours": dg.AssetOut(io_manager_key=KEY), "theirs": dg.AssetOut()})
    def mixed(root: int) -> tuple[int, int]:
        CALLS.append("mixed")
        return root, root

    defs = shelf.definitions([root, mixed], resources={"io_manager": dg.mem_io_manager})
    for _ in range(2):
        ran = shelf.run(defs, day=None)
        assert ran.calls == ["mixed"]
        assert ran.of("ours", None)["reused"] is False
    assert ran.of("ours", None)["reason"] == (
        "ours: computed: its function was called for what else it makes; the bytes agree with those"
        " published before"
    )


def test_some_of_a_multi_asset_is_reused_where_that_is_published(shelf: Shelf) -> None:
    defs = shelf.definitions(kinds())
    shelf.run(defs, day=None, select=["root", "first"])
    assert shelf.run(defs, day=None, select=["root", "first"]).calls == []
    assert shelf.run(defs, day=None, select=["second"]).calls == ["some"]
    assert shelf.run(defs, day=None, select=["second"]).calls == []


def test_function_is_called_directly_as_before(shelf: Shelf) -> None:
    features, model, _ = chain()
    shelf.definitions([features, model])
    assert model(Fit(alpha=2), pl.DataFrame({"x": [1, 2]})) == {"slope": 6.0}


# Refused


def test_definitions_that_gain_nothing_or_clash_are_refused(shelf: Shelf) -> None:
    class Login(dg.Config):
        api_token: str = "x"

    @dg.asset
    def plain() -> int:
        return 1

    @dg.asset(**KEPT)
    def secret(config: Login) -> int:
        return 1

    @dg.asset(**KEPT)
    def fine(config: Size) -> object:
        return object() if config.rows == 1 else config.kind

    with pytest.raises(PipelineError, match=r'@dg.asset\(io_manager_key="by_params"\)'):
        shelf.definitions([plain])
    with pytest.raises(PipelineError, match="a resource of that name already"):
        shelf.definitions([fine], resources={KEY: dg.mem_io_manager})
    with pytest.raises(PipelineError, match=r"'secret\.api_token' looks like a secret"):
        shelf.definitions([secret])
    with pytest.raises(PipelineError, match="must be Dagster's Definitions"):
        reusing(3, lambda: "", Path())  # type: ignore[type-var]
    defs = shelf.definitions([fine])
    config: dict[str, Any] = {"kind": "https://ann:secret@host/x"}
    ran = shelf.run(defs, {"fine": config}, day=None, fails=True)
    assert "fine.kind must not carry credentials" in failure(ran.result)
    ran = shelf.run(defs, {"fine": {"rows": 1}}, day=None, fails=True)
    assert "'fine'" in failure(ran.result)
    assert [*shelf.store.directories("fine")] == []
    assert issubclass(OpConfigError, ml_pipeline.ParamsError)


def test_what_was_never_kept_here_is_missed_in_words(shelf: Shelf) -> None:
    defs = shelf.definitions(chain())
    ran = shelf.run(defs, select=["model"], fails=True)
    assert failure(ran.result).startswith(
        "'features' of 2026-01-05 must have been materialized through this IO manager, but never"
    )
    shelf.instance.report_runless_asset_event(dg.AssetMaterialization("features", partition=DAY))
    ran = shelf.run(defs, select=["model"], fails=True)
    assert "has been kept by another since" in failure(ran.result)
    later = reusing(lambda: dg.Definitions(assets=chain()), lambda: "", Path())
    assert isinstance(later(), dg.Definitions)


def test_newest_that_is_kept_is_read_by_its_key_and_by_stages_of_a_pipeline(shelf: Shelf) -> None:
    features, *_ = chain()
    pipeline = ml_pipeline.Pipeline("heights", ml_pipeline.ParamModel())

    @pipeline.asset(ins={"features": features})
    def height(as_of: date, features: pl.DataFrame) -> dict[str, int]:
        CALLS.append("height")
        return {"rows": features.height}

    defs = dg.Definitions.merge(
        shelf.definitions([features]),
        ml_pipeline.code_location(pipeline, DAILY, lambda: str(shelf.root), shelf.root.parent),
    )
    assert shelf.run(defs).calls == ["features", "height"]
    assert shelf.run(defs).calls == ["features"]
    assert shelf.run(defs, {"features": {"rows": 7}}).calls == ["features", "height"]
    loaded = defs.load_asset_value("features", instance=shelf.instance, partition_key=DAY)
    assert loaded.height == 7
    # What was asked for last is what a reader means, as Dagster shows it.
    assert shelf.run(defs, select=["height"]).of("height")["reused"]
    assert shelf.run(defs).calls == ["features"]

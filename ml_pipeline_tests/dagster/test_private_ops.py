"""What goes into existing ops is still what this package takes it for.

A failure here after an upgrade of Dagster means that the function of the same name in
`ml_pipeline.dagster.private_ops` has to be looked at.
"""

from collections.abc import Iterator
from functools import wraps
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.definition_config_schema import ConfiguredDefinitionConfigSchema

from ml_pipeline.dagster import private_ops
from ml_pipeline_tests.toys import existing

pytestmark = pytest.mark.filterwarnings("ignore:.* is currently in beta")


def test_ops_in_finds_those_of_everything_that_runs() -> None:
    names = {op.name for op in private_ops.ops_in(existing.definitions())}
    assert names == {
        *("model", "both", "plain", "weigh", "double", "fit", "legacy", "plain_deep_enough"),
    }
    target = dg.ScheduleDefinition(name="s", target=[existing_asset()], cron_schedule="@daily")
    watch = dg.SensorDefinition(name="w", target=[existing_asset()], evaluation_fn=lambda _: None)
    for defs in (dg.Definitions(schedules=[target]), dg.Definitions(sensors=[watch])):
        assert [op.name for op in private_ops.ops_in(defs)] == ["alone"]


def existing_asset() -> dg.AssetsDefinition:
    @dg.asset
    def alone(config: existing.Tree) -> int:
        return config.depth

    return alone


def test_config_class_of_is_the_one_that_the_function_declares() -> None:
    assert private_ops.config_class_of(existing.fit) is existing.Fit
    assert private_ops.config_class_of(existing.legacy) is None


def test_config_as_in_run_is_what_the_run_has() -> None:
    seen: list[dg.Config] = []

    @dg.op
    def look(config: existing.Loose) -> None:
        seen.append(config)

    @dg.job
    def looking() -> None:
        look()

    looking.execute_in_process()
    assert seen == [private_ops.config_as_in_run(existing.Loose, {"most": 99})]


def test_check_config_is_asked_when_a_run_is_planned_and_before_it_exists() -> None:
    asked: list[Any] = []

    @dg.op
    def own(config: existing.Tree) -> None: ...

    @dg.job
    def owning() -> None:
        own()

    def refuse(config: Any) -> None:
        asked.append(config)
        raise dg.DagsterError("no")

    field = own.config_schema.as_field()
    private_ops.check_config(own, refuse)
    private_ops.check_config(own, refuse)
    assert isinstance(own.config_schema, ConfiguredDefinitionConfigSchema)
    assert own.config_schema.as_field() is field
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(dg.DagsterError, match="no"):
            owning.execute_in_process(instance=instance)
        assert instance.get_runs_count() == 0
    assert asked == [{"depth": 3}]


def test_ops_being_read_are_all_of_the_job() -> None:
    seen: list[Any] = []
    assert private_ops.ops_being_read() == []

    @dg.configured(existing.legacy, {"x": dg.Field(int, default_value=3)})
    def asking(config: Any) -> Any:
        seen.extend(private_ops.ops_being_read())
        return {"anything": config["x"]}

    @dg.job
    def asked() -> None:
        existing.inner()
        asking()
        existing.mapped()

    config = {"inner": {"ops": {"fit": {"config": {"low": 2}}}}, "mapped": {"config": {"depth": 1}}}
    asked.execute_in_process({"ops": config})
    found = {handle: config for handle, _, config in seen}
    assert sorted(found) == ["asking", "inner.fit"]
    assert found["inner.fit"]["low"] == 2


def test_function_that_loads_is_that_of_dagsters_decorator() -> None:
    assert private_ops.function_that_loads(dg.definitions(existing.definitions)) is (
        existing.definitions
    )
    assert private_ops.function_that_loads(3) is None


def test_function_of_an_op_can_be_called_instead_of_it() -> None:
    @dg.op
    def own(config: existing.Tree) -> int:
        return config.depth

    function = private_ops.function_of(own)
    assert function is not None

    @wraps(function)
    def instead(*given: Any, **named: Any) -> int:
        return 10 * int(function(*given, **named))

    private_ops.call_instead(own, instead)

    @dg.job
    def owning() -> None:
        own()

    assert private_ops.function_of(own) is instead
    assert owning.execute_in_process().output_for_node("own") == 30


def test_resources_of_an_op_are_those_that_its_function_takes() -> None:
    @dg.asset
    def taking(wire: dg.ResourceParam[existing.Wire]) -> int:
        return 1

    @dg.asset(required_resource_keys={"other"})
    def asking(context: dg.AssetExecutionContext) -> int:
        return 1

    assert private_ops.resources_of(taking.node_def) == {"wire"}
    assert private_ops.resources_of(asking.node_def) == {"other"}
    assert private_ops.resources_of(existing_asset().node_def) == set()


def test_step_tells_of_its_assets_config_inputs_and_partitions() -> None:
    """What is asked of a step is asked in one that runs: nothing of it is documented."""
    seen: dict[str, Any] = {}
    days = existing.DAYS
    before = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=0)

    @dg.asset(partitions_def=days)
    def source() -> int:
        return 1

    @dg.multi_asset(
        outs={"left": dg.AssetOut(is_required=False), "right": dg.AssetOut(is_required=False)},
        deps=[dg.AssetDep(source, partition_mapping=before)],
        partitions_def=days,
        can_subset=True,
    )
    def both(config: existing.Tree) -> Iterator[Any]:
        step = private_ops.step_that_calls(private_ops.function_of(both.node_def))  # type: ignore[arg-type]
        seen["other"] = private_ops.step_that_calls(print)
        seen["outputs"] = [(o.name, key) for o, key in private_ops.outputs_of(step)]
        seen["manager"] = private_ops.io_manager_of(step, "left")
        assets = private_ops.assets_of(step)
        seen["assets"] = None if assets is None else set(assets.keys)
        seen["configs"] = [(handle, one) for handle, _, one in private_ops.configs_of(step)]
        seen["read"] = private_ops.partitions_read(step, dg.AssetKey("source"), "2026-01-05")
        private_ops.give_version(step, dg.AssetKey("left"), "mine")
        private_ops.give_version(step, dg.AssetKey("left"), "too late")
        yield dg.Output(config.depth, "left")

    manager = existing.Silent()  # type: ignore[no-untyped-call]
    done = dg.materialize(
        [source, both],
        partition_key="2026-01-05",
        selection=["left"],
        resources={"io_manager": manager},
        run_config={"ops": {"both": {"config": {"depth": 5}}}},
    )
    left = dg.AssetKey("left")
    assert seen == {
        "other": None,
        "outputs": [("left", left)],
        "manager": manager,
        "assets": {left},
        "configs": [("both", {"depth": 5})],
        "read": ["2026-01-04", "2026-01-05"],
    }
    (made,) = done.get_asset_materialization_events()
    assert (made.materialization.tags or {})["dagster/data_version"] == "mine"
    assert private_ops.step_that_calls(print) is None


def test_configs_of_a_graph_are_those_of_all_its_ops() -> None:
    seen: list[Any] = []

    @dg.op
    def inner(config: existing.Tree) -> int:
        return config.depth

    @dg.op
    def outer(number: int) -> int:
        step = dg.OpExecutionContext.get().get_step_execution_context()
        seen.extend((handle, one) for handle, _, one in private_ops.configs_of(step))
        return number

    @dg.graph_asset
    def drawn() -> int:
        return outer(inner())

    config = {"drawn": {"ops": {"inner": {"config": {"depth": 7}}}}}
    dg.materialize([drawn], run_config={"ops": config})
    assert dict(seen)["drawn.inner"] == {"depth": 7}
    assert set(dict(seen)) == {"drawn.inner", "drawn.outer"}

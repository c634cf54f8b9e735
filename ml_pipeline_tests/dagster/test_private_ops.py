"""What goes into existing ops is still what this package takes it for.

A failure here after an upgrade of Dagster means that the function of the same name in
`ml_pipeline.dagster.private_ops` has to be looked at.
"""

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

"""Assets upstream of stages that are no stages, of every kind that there is."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline import ParamGroup, ParamModel, Pipeline, code_location
from ml_pipeline_tests.toys.dagster_site import DAILY, DAY, QUIET, events, failure

pytestmark = pytest.mark.long


class Size(ParamGroup):
    """How much."""

    rows: int = 2


class Shelf(dg.ConfigurableIOManager):
    """Keeps numbers in a folder."""

    folder: str

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        self._file(context).write_text(str(obj))

    def load_input(self, context: dg.InputContext) -> Any:
        return int(self._file(context).read_text())

    def _file(self, context: Any) -> Path:
        return Path(self.folder) / "-".join(context.asset_key.path)


@pytest.fixture
def instance(shared_instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    yield shared_instance
    for key in shared_instance.get_asset_keys():
        shared_instance.wipe_assets([key])


def ran(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    *keys: str,
    day: str | None = DAY,
    resources: dict[str, Any] | None = None,
) -> dg.ExecuteInProcessResult:
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config={"loggers": QUIET, "resources": resources or {}},
        instance=instance,
        partition_key=day,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(key) for key in keys] or None,
    )


def value(result: dg.ExecuteInProcessResult, name: str, day: str | None = DAY) -> Any:
    assert result.success, failure(result)
    return events(result)[name, day].metadata["n"].value


def counting(name: str, upstream: Any) -> Pipeline:
    """Return a pipeline of one stage that tells what it has read as the metric n."""
    from ml_pipeline import Result

    own = Pipeline(name, ParamModel(size=Size))

    @own.asset(ins={"given": upstream}, code_version="1")
    def reader(given: int, size: Size) -> Result:
        return Result({"n": given}, metrics={"n": given * size.rows})

    return own


def location(of: Pipeline, folder: Path, daily: bool = True) -> dg.Definitions:
    return code_location(of, DAILY if daily else None, lambda: str(folder / of.name), folder)


def test_asset_made_elsewhere_is_read_by_its_observed_version(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    elsewhere = dg.AssetSpec("elsewhere").with_io_manager_key("shelf")
    defs = dg.Definitions.merge(
        location(counting("reading", elsewhere), tmp_path),
        dg.Definitions(assets=[elsewhere], resources={"shelf": Shelf(folder=str(tmp_path))}),
    )
    (tmp_path / "elsewhere").write_text("4")
    assert "'elsewhere' must be materialized before 'reader' can read it" in failure(
        ran(defs, instance, "reader")
    )

    def observe(version: str) -> None:
        tags = {"dagster/data_version": version}
        instance.report_runless_asset_event(dg.AssetObservation("elsewhere", tags=tags))

    instance.report_runless_asset_event(dg.AssetObservation("elsewhere"))
    assert not ran(defs, instance, "reader").success, "an observation without a version tells none"
    observe("a")
    assert value(ran(defs, instance, "reader"), "reader") == 8
    (tmp_path / "elsewhere").write_text("5")
    assert value(ran(defs, instance, "reader"), "reader") == 8, "nobody has told of a change"
    observe("b")
    assert value(ran(defs, instance, "reader"), "reader") == 10
    instance.report_runless_asset_event(dg.AssetMaterialization("elsewhere"))
    told = ran(defs, instance, "reader")
    assert events(told)["reader", DAY].metadata["reused"].value is False


def test_asset_between_two_stages_is_made_between_them(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    own = Pipeline("around", ParamModel(size=Size))

    @own.asset
    def first(size: Size) -> int:
        return size.rows

    @dg.asset(partitions_def=DAILY, deps=["first"], io_manager_key="shelf")
    def between() -> int:
        return 7

    @own.asset(ins={"between": between})
    def last(first: int, between: int, shelf: dg.ResourceParam[Shelf]) -> dict[str, int]:
        return {"n": first + between, "long": len(shelf.folder)}

    defs = dg.Definitions.merge(
        location(own, tmp_path),
        dg.Definitions(assets=[between], resources={"shelf": Shelf(folder=str(tmp_path))}),
    )
    dg.Definitions.validate_loadable(defs)
    result = ran(defs, instance)
    assert result.success, failure(result)
    assert [key for key, _ in events(result)] == ["first", "between", "last"]
    again = events(ran(defs, instance))
    # Without a version of its own, each materialization of what is between is another.
    assert again["first", DAY].metadata["reused"].value is True
    assert "asset between changed" in again["last", DAY].metadata["reason"].value


def test_artifact_of_another_pipeline_is_refused_as_a_value_and_counts_as_a_dep(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    theirs = Pipeline("theirs", ParamModel(size=Size), prefixed=True)

    @theirs.asset
    def given(size: Size) -> int:
        return size.rows

    own = counting("taking", "given")

    @own.asset(deps=["given"])
    def beside(as_of: date) -> int:
        return as_of.day

    defs = dg.Definitions.merge(location(theirs, tmp_path), location(own, tmp_path))
    dg.Definitions.validate_loadable(defs)
    result = ran(defs, instance, "given", "reader", "beside")
    said = failure(result)
    assert said.startswith("An asset that a stage reads must be no artifact of parameters, but")
    assert "name it in deps and read what you mean" in said
    assert ran(defs, instance, "beside").success
    told = events(ran(defs, instance, "beside"))["beside", DAY]
    assert told.metadata["reused"].value is True
    more = {"theirs_params": {"config": {"size": {"rows": 5}}}}
    assert ran(defs, instance, "given", resources=more).success
    told = events(ran(defs, instance, "beside"))["beside", DAY]
    assert "asset given changed" in told.metadata["reason"].value


def test_pipeline_without_partitions_reads_what_has_none_and_refuses_what_has(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    @dg.asset(io_manager_key="shelf")
    def whole() -> int:
        return 3

    @dg.asset(io_manager_key="shelf", partitions_def=DAILY)
    def daily() -> int:
        return 3

    resources = {"shelf": Shelf(folder=str(tmp_path))}
    others = dg.Definitions(assets=[whole, daily], resources=resources)
    defs = dg.Definitions.merge(location(counting("once", whole), tmp_path, daily=False), others)
    assert value(ran(defs, instance, "whole", "reader", day=None), "reader", None) == 6
    # By its key alone, nobody knows of its partitions before it is read.
    by_key = counting("key", dg.AssetKey("daily"))
    defs = dg.Definitions.merge(location(by_key, tmp_path, daily=False), others)
    assert ran(defs, instance, "daily").success
    said = failure(ran(defs, instance, "reader", day=None))
    assert f"It has other partitions, such as {DAY}" in said

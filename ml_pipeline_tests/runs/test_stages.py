import importlib.util
import sys
import textwrap
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from pydantic import Field

from ml_pipeline.code.fingerprint import fingerprint_of
from ml_pipeline.errors import PipelineError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.marks import NOT_IDENTITY, PATH_LABEL
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.keys import Wish
from ml_pipeline.runs.stage import Result, Stage
from ml_pipeline.runs.stages import Pipeline

AS_OF = date(1998, 5, 31)


class Data(ParamGroup):
    dataset: str = Field(default="orders", json_schema_extra=PATH_LABEL)


class Features(ParamGroup):
    lookback_days: int = 28


class Training(ParamGroup):
    learning_rate: float = 0.1
    workers: int = Field(default=1, json_schema_extra=NOT_IDENTITY)


class Stranger(ParamGroup):
    unknown: int = 1


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline("forecast", ParamModel(data=Data, features=Features, training=Training))


@pytest.fixture
def filled(pipeline: Pipeline) -> Pipeline:
    @pipeline.asset
    def orders(as_of: date, data: Data) -> Any: ...

    @pipeline.asset
    def table(orders: pl.DataFrame, shape: Features) -> Any: ...

    @pipeline.asset
    def calendar(as_of: date) -> Any: ...

    @pipeline.asset
    def model(table: pl.DataFrame, calendar: Any, training: Training) -> Any: ...

    @pipeline.asset
    def report(model: Any, data: Data) -> Any: ...

    return pipeline


# Signatures


def test_signature_tells_groups_inputs_and_date_apart(filled: Pipeline) -> None:
    signature = filled.stage("orders").signature
    assert dict(signature.groups) == {"data": "data"}
    assert dict(signature.inputs) == {}
    assert signature.wishes == {"as_of": Wish("date")}
    signature = filled.stage("model").signature
    assert dict(signature.groups) == {"training": "training"}
    assert dict(signature.inputs) == {"table": "table", "calendar": "calendar"}
    assert not signature.wishes


def test_group_is_known_by_its_class_whatever_the_argument_is_called(filled: Pipeline) -> None:
    assert dict(filled.stage("table").signature.groups) == {"shape": "features"}


@pytest.mark.parametrize(
    ("annotation", "lazy"),
    [
        (pl.LazyFrame, True),
        ("pl.LazyFrame", True),
        ("LazyFrame", True),
        ("polars.LazyFrame", True),
        (pl.DataFrame, False),
        ("pl.DataFrame", False),
        ("elsewhere.DataFrame", False),
        (Any, False),
        (None, False),
    ],
)
def test_input_is_lazy_where_its_annotation_says_so(
    pipeline: Pipeline, annotation: Any, lazy: bool
) -> None:
    @pipeline.asset
    def table() -> Any: ...

    def user(table: Any) -> Any: ...

    user.__annotations__["table"] = annotation
    pipeline.asset(user)
    assert pipeline.stage("user").signature.lazy == ({"table"} if lazy else set())


def test_arguments_are_groups_and_the_date_and_nothing_else(filled: Pipeline) -> None:
    params = filled.params.parse({"learning_rate": 0.5, "lookback_days": 7})
    assert filled.stage("orders").signature.arguments(params, AS_OF) == {
        "data": Data(),
        "as_of": AS_OF,
    }
    assert filled.stage("table").signature.arguments(params, AS_OF) == {
        "shape": Features(lookback_days=7)
    }


def test_function_is_returned_unchanged_and_can_be_called(pipeline: Pipeline) -> None:
    def table(data: Data) -> str:
        return data.dataset

    assert pipeline.asset(table) is table
    assert table(Data(dataset="x")) == "x"


def test_description_is_the_first_line_of_the_docstring_unless_given(pipeline: Pipeline) -> None:
    @pipeline.asset(kinds=["polars"])
    def documented() -> Any:
        """What it is.

        More.
        """

    @pipeline.asset(description="Given.", code_version="7")
    def given() -> Any:
        """Other."""

    @pipeline.asset
    def bare() -> Any: ...

    descriptions = [stage.description for stage in pipeline.stages.values()]
    assert descriptions == ["What it is.", "Given.", None]
    assert pipeline.stage("documented").kinds == {"polars"}


# Refusals


def refusal(pipeline: Pipeline, function: Callable[..., Any], **options: Any) -> str:
    before = dict(pipeline.stages)
    with pytest.raises(PipelineError) as caught:
        pipeline.asset(**options)(function)
    assert pipeline.stages == before
    return str(caught.value)


def test_argument_that_is_nothing_known_is_refused_with_the_nearest(filled: Pipeline) -> None:
    def late(tabel: pl.DataFrame) -> Any: ...

    assert refusal(filled, late) == (
        "'late' has the argument 'tabel', which must be as_of, an asset defined before it, or be"
        " annotated with a parameter group. Did you mean 'table'?"
    )


def test_asset_that_comes_later_is_refused(pipeline: Pipeline) -> None:
    def model(table: pl.DataFrame) -> Any: ...

    assert refusal(pipeline, model) == (
        "'model' has the argument 'table', which must be as_of, an asset defined before it, or be"
        " annotated with a parameter group."
    )


def test_asset_that_reads_itself_is_refused(pipeline: Pipeline) -> None:
    def table(table: pl.DataFrame) -> Any: ...

    assert "has the argument 'table'" in refusal(pipeline, table)


def test_group_of_another_model_is_refused(pipeline: Pipeline) -> None:
    def table(stranger: Stranger) -> Any: ...

    assert refusal(pipeline, table) == (
        "'table' asks for Stranger, which is no group of pipeline 'forecast'. Add it to the"
        " ParamModel."
    )


def test_argument_with_a_default_is_refused_unless_it_is_known(pipeline: Pipeline) -> None:
    def table(as_of: date, days: int = 3) -> Any: ...

    assert "'table' has the argument 'days'" in refusal(pipeline, table)


def test_collecting_arguments_are_refused(pipeline: Pipeline) -> None:
    def table(*args: Any, **kwargs: Any) -> Any: ...

    assert "'table' has the argument 'args'" in refusal(pipeline, table)


def test_second_asset_of_a_name_is_refused(filled: Pipeline) -> None:
    def table() -> Any: ...

    assert refusal(filled, table) == "'table' is already an asset of pipeline 'forecast'."


def test_stage_that_does_not_exist_is_refused_with_the_nearest(filled: Pipeline) -> None:
    for ask in (filled.stage, lambda name: filled.selected([name]), filled.upstream_of):
        with pytest.raises(PipelineError) as caught:
            ask("modle")
        assert str(caught.value) == (
            "'modle' is no asset of pipeline 'forecast'. Did you mean 'model'?"
        )


def test_reads_with_an_asset_as_argument_is_refused(filled: Pipeline) -> None:
    def digest(table: pl.DataFrame) -> str:
        return ""

    def late() -> Any: ...

    message = refusal(filled, late, reads=digest)
    assert "digest" in message
    assert "table" in message


def test_positional_only_argument_is_refused(filled: Pipeline) -> None:
    def late(table: pl.DataFrame, /) -> Any: ...

    assert "table" in refusal(filled, late)


def test_asset_named_like_the_date_is_refused(pipeline: Pipeline) -> None:
    def as_of() -> Any: ...

    assert "as_of" in refusal(pipeline, as_of)


@pytest.mark.parametrize("annotation", ["a table of orders", "int | 'Unknown'"])
def test_annotation_that_cannot_be_evaluated_is_kept_as_text(
    filled: Pipeline, annotation: str
) -> None:
    def late(table: Any) -> Any: ...

    late.__annotations__["table"] = annotation
    filled.asset(late)
    assert dict(filled.stage("late").signature.inputs) == {"table": "table"}


# Scope


def test_scope_is_own_groups_and_those_upstream_in_order_of_the_model(filled: Pipeline) -> None:
    assert {name: stage.scope for name, stage in filled.stages.items()} == {
        "orders": ("data",),
        "table": ("data", "features"),
        "calendar": (),
        "model": ("data", "features", "training"),
        "report": ("data", "features", "training"),
    }


def test_scope_includes_what_reads_asks_for(pipeline: Pipeline) -> None:
    def digest(as_of: date, training: Training) -> str:
        return f"{as_of} {training.learning_rate}"

    @pipeline.asset(reads=digest)
    def table(data: Data) -> Any: ...

    stage = pipeline.stage("table")
    assert stage.scope == ("data", "training")
    params = pipeline.params.parse({"learning_rate": 0.5})
    assert stage.external(params, AS_OF) == "1998-05-31 0.5"


def test_stage_that_reads_nothing_outside_has_no_external(filled: Pipeline) -> None:
    assert filled.stage("orders").external(filled.params.defaults, AS_OF) is None


def test_slot_changes_with_the_scope_and_with_nothing_else(filled: Pipeline) -> None:
    def paths(**values: Any) -> dict[str, str]:
        params = filled.params.parse(values)
        return {name: stage.slot(params, AS_OF).path for name, stage in filled.stages.items()}

    def moved(**values: Any) -> set[str]:
        before, after = paths(), paths(**values)
        return {name for name in before if before[name] != after[name]}

    assert moved(learning_rate=0.5) == {"model", "report"}
    assert moved(lookback_days=7) == {"table", "model", "report"}
    assert moved(dataset="x") == {"orders", "table", "model", "report"}
    assert moved(workers=8) == set()
    assert moved(force=True) == set()


def test_slots_of_two_assets_with_one_scope_share_an_id_and_no_path(filled: Pipeline) -> None:
    model, report = (
        filled.stage(name).slot(filled.params.defaults, AS_OF) for name in ("model", "report")
    )
    assert model.run_id == report.run_id
    assert model.path != report.path


def test_run_slot_has_the_id_of_all_parameters_together(filled: Pipeline) -> None:
    slot = filled.run_slot(filled.params.defaults, AS_OF)
    assert slot.run_id == filled.stage("model").slot(filled.params.defaults, AS_OF).run_id
    assert slot.path == f"forecast/dataset=orders/as_of=1998-05-31/run={slot.run_id}"


def test_selected_stages_come_in_order_of_dependence(filled: Pipeline) -> None:
    def names(stages: list[Stage]) -> list[str]:
        return [stage.name for stage in stages]

    assert names(filled.selected()) == ["orders", "table", "calendar", "model", "report"]
    assert names(filled.selected(["report", "orders"])) == ["orders", "report"]
    assert names(filled.selected([])) == []
    assert names(filled.upstream_of("model")) == ["orders", "table", "calendar", "model"]
    assert names(filled.upstream_of("orders")) == ["orders"]
    assert filled.stage("model").upstream == ("table", "calendar")


# Code


def test_code_of_a_stage_is_its_fingerprint_or_the_declared_version(pipeline: Pipeline) -> None:
    @pipeline.asset
    def computed() -> Any:
        return 1

    @pipeline.asset(code_version="2026-01")
    def declared() -> Any:
        return 1

    assert pipeline.stage("computed").code == fingerprint_of(computed).digest
    assert pipeline.stage("declared").code == "2026-01"


def test_result_carries_metrics_beside_the_value() -> None:
    assert Result(1) == Result(1, {}, None)
    assert Result(1, metrics={"mape": 0.2}).metrics == {"mape": 0.2}


# Modules of users


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module from text."""

    def load(text: str) -> ModuleType:
        # What is read of a module is kept by its name.
        name = f"users_module_{tmp_path.name}"
        file = tmp_path / f"{name}.py"
        file.write_text(textwrap.dedent(text))
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


FUTURE = "from __future__ import annotations"
USERS = """
    {future}
    from datetime import date
    from typing import TYPE_CHECKING

    import ml_pipeline as p
    from ml_pipeline import ParamGroup, ParamModel
    from ml_pipeline.runs.stages import Pipeline

    if TYPE_CHECKING:
        import polars as pl
        from sklearn.base import BaseEstimator

    class Data(ParamGroup):
        dataset: str = "orders"

    class Training(ParamGroup):
        learning_rate: float = 0.1

    PIPELINE = Pipeline("users", ParamModel(data=Data, training=Training))

    def digest(as_of: {q}date{q}, data: {q}Data{q}) -> str:
        return f"{{as_of}} {{data.dataset}}"

    @PIPELINE.asset(reads=digest)
    def table(as_of: {q}date{q}, data: {q}Data{q}) -> {q}pl.DataFrame{q}: ...

    @PIPELINE.asset
    def model(table: {q}pl.LazyFrame{q}, training: {q}Training{q}) -> {q}BaseEstimator{q}: ...
"""


@pytest.mark.parametrize(
    ("future", "quote"),
    [
        ("from __future__ import annotations", ""),
        ("", '"'),
        ("from __future__ import annotations", '"'),
    ],
)
def test_annotations_that_are_text_mean_what_they_say(
    load: Callable[[str], ModuleType],
    future: str,
    quote: str,
) -> None:
    pipeline: Pipeline = load(USERS.format(future=future, q=quote)).PIPELINE
    table, model = pipeline.stage("table"), pipeline.stage("model")
    assert table.scope == ("data",)
    assert table.signature.wishes == {"as_of": Wish("date")}
    assert model.scope == ("data", "training")
    assert model.signature.lazy == {"table"}
    assert table.external(pipeline.params.defaults, AS_OF) == "1998-05-31 orders"


def test_group_imported_for_type_checking_alone_is_refused(
    load: Callable[[str], ModuleType],
) -> None:
    with pytest.raises(PipelineError) as caught:
        load(
            """
            from __future__ import annotations
            from typing import TYPE_CHECKING
            from ml_pipeline import ParamModel
            from ml_pipeline.runs.stages import Pipeline
            if TYPE_CHECKING:
                from nowhere import Data
            PIPELINE = Pipeline("users", ParamModel())
            @PIPELINE.asset
            def table(data: Data): ...
            """
        )
    assert str(caught.value).startswith("'table' has the argument 'data', which must be as_of")


def test_group_under_another_name_is_found(load: Callable[[str], ModuleType]) -> None:
    module = load(
        """
        from __future__ import annotations
        import ml_pipeline as p
        from ml_pipeline.runs.stages import Pipeline
        class Data(p.ParamGroup):
            dataset: str = "orders"
        Alias = Data
        PIPELINE = Pipeline("users", p.ParamModel(data=Data))
        @PIPELINE.asset
        def table(data: Alias): ...
        """
    )
    assert module.PIPELINE.stage("table").scope == ("data",)

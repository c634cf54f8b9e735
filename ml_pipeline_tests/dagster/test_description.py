"""What a materialization shows: what matters first, little of what is reused, never too much."""

from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl
import pytest

from ml_pipeline import Column, Objective, Pipeline, Result
from ml_pipeline.dagster.limits import MOST
from ml_pipeline.dagster.metadata import preview
from ml_pipeline.errors import PipelineError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.store.formats.sample import Sample
from ml_pipeline_tests.toys.dagster_site import DAY, Site, events, failure

SVG = '<svg xmlns="http://www.w3.org/2000/svg">{}</svg>'
LINEAGE = dg.TableColumnLineage({"b": [dg.TableColumnDep(dg.AssetKey("source"), "a")]})


class Data(ParamGroup):
    """Parameters of any length."""

    text: str = "short"
    names: tuple[str, ...] = ()
    rate: float = 0.1


def pipeline() -> Pipeline:
    made = Pipeline("shown", ParamModel(data=Data))

    @made.asset(code_version="1", metadata={"dagster/column_lineage": LINEAGE})
    def rows(data: Data) -> pl.DataFrame:
        frame = {"a|b": ["<b>*x*</b>", "y" * 60, None], "number": [1 / 3, 2e9, float("nan")]}
        return pl.DataFrame(frame | {f"c{n}": [n] * 3 for n in range(20)})

    def told(data: Data) -> dict[str, Column]:
        about = {"total": Column(f"by {data.rate}", {"rows": ["number", "c0"]})}
        return about | {"c*": Column("as it was", {"rows": ["c1"]}), "gone": Column("never there")}

    @made.asset(code_version="1", columns=told, key_prefix="lake")
    def summed(rows: pl.DataFrame, data: Data) -> pl.DataFrame:
        at = pl.lit(datetime(2026, 1, 5)).alias("at")
        return rows.select(pl.col("number").sum().alias("total"), "c1", "a|b", at)

    @made.asset(code_version="1", objective=Objective(metric="loss", direction="minimize"))
    def judged(rows: pl.DataFrame, data: Data) -> Result:
        metrics = {"other": 2.0, "preview": 3.0, "loss": 1 / 3}
        return Result({}, metrics, pictures={"first": SVG.format(1), "second": SVG.format(2)})

    @made.asset(code_version="1")
    def huge(rows: pl.DataFrame, data: Data) -> Result:
        metrics = {f"metric {n}": n / 7 for n in range(3_000)}
        return Result({}, metrics, SVG.format("x" * 5_000_000))

    return made


SHOWN = pipeline()


@pytest.fixture
def shown(site: Site) -> Site:
    site.bench.pipeline = SHOWN
    return site


def size(event: dg.AssetMaterialization) -> int:
    return len(dg.serialize_value(event))


def order(event: dg.AssetMaterialization, *names: str) -> bool:
    places = [list(event.metadata).index(name) for name in names]
    return places == sorted(places)


def test_materialization_shows_first_what_matters(shown: Site) -> None:
    config = {"data": {"rate": 0.25, "text": "a b\nc"}}
    result = shown.run(config=config, selection=["rows", "judged"])
    assert result.success, failure(result)
    made = events(result)
    judged, rows = made["judged", DAY], made["rows", DAY]
    names = ("not_default", "loss", "other", "preview", "picture", "run_id", "repeat", "data.rate")
    assert order(judged, *names)
    assert judged.metadata["not_default"].value == 'text="a b\\nc", rate=0.25'
    assert judged.metadata["loss"].value == 1 / 3
    assert judged.metadata["preview"].value == 3.0
    assert str(judged.metadata["pictures"].value).endswith("/pictures.html")
    assert str(judged.metadata["picture"].value).count("data:image") == 1
    assert judged.metadata["repeat"].value == (
        "ml-pipeline run --as-of 2026-01-05 --param 'text=a b\nc' --param 'names=[]'"
        " --param rate=0.25"
    )
    run_id = rows.metadata["run_id"].value
    assert judged.metadata["upstream"].value == (
        f"- [rows](/assets/rows?view=partitions&partition=2026-01-05): run id {run_id}, revision"
        f" {rows.metadata['revision'].value}"
    )
    assert order(rows, "not_default", "preview", "run_id", "dagster/column_schema")
    assert rows.metadata["dagster/column_lineage"].value == LINEAGE
    schema: Any = rows.metadata["dagster/column_schema"].value
    assert [(one.name, one.type) for one in schema.columns][:2] == [
        ("a|b", "String"),
        ("number", "Float64"),
    ]
    first = str(rows.metadata["preview"].value).splitlines()
    assert first[0].startswith(r"| a\|b | number | c0 |")
    assert first[2].startswith(r"| \<b\>\*x\*\</b\> | 0.33333 | 0 |")
    assert first[-1] == "and 10 more columns"
    assert max(map(len, first)) < 200


def test_columns_show_what_they_are_and_are_made_from(shown: Site) -> None:
    result = shown.run(config={"data": {"rate": 0.25}}, selection=[["rows"], ["lake", "summed"]])
    assert result.success, failure(result)
    summed = events(result)["lake/summed", DAY]
    schema: Any = summed.metadata["dagster/column_schema"].value
    about = {one.name: (one.type, one.description) for one in schema.columns}
    assert about == {
        "total": ("Float64", "by 0.25. From rows: number, c0"),
        "c1": ("Int64", "as it was. From rows: c1"),
        "a|b": ("String", None),
        "at": ("Datetime('us')", None),
    }
    rows = dg.AssetKey("rows")
    assert summed.metadata["dagster/column_lineage"].value == dg.TableColumnLineage(
        {
            "total": [dg.TableColumnDep(rows, "number"), dg.TableColumnDep(rows, "c0")],
            "c1": [dg.TableColumnDep(rows, "c1")],
        }
    )


@pytest.mark.parametrize("is_function", [False, True])
def test_columns_made_from_what_their_stage_does_not_depend_on_are_refused(
    site: Site, is_function: bool
) -> None:
    made, said = Pipeline("wrong", ParamModel(data=Data)), {"a": Column("", {"row": ["b"]})}

    @made.asset(code_version="1")
    def rows(data: Data) -> pl.DataFrame:
        return pl.DataFrame({"b": [1]})

    def summed(rows: pl.DataFrame) -> pl.DataFrame:
        return rows

    told = (
        "The columns of 'summed' must be made from what it depends on, rows, but 'a' is said to be"
        " made from 'row'. Did you mean 'rows'?"
    )
    if is_function:
        made.asset(code_version="1", columns=lambda: said)(summed)
        site.bench.pipeline = made
        assert told in failure(site.run(selection=["rows", "summed"]))
    else:
        with pytest.raises(PipelineError) as refused:
            made.asset(code_version="1", columns=said)(summed)
        assert str(refused.value) == told


def test_materialization_of_what_is_reused_or_one_of_many_is_small(shown: Site) -> None:
    config = {"data": {"rate": 0.25}}
    selection = ["rows", "judged"]
    first = events(shown.run(config=config, selection=selection))
    again = events(shown.run(config=config, selection=selection))
    many = events(shown.run("2026-01-06", until="2026-01-07", config=config, selection=selection))
    for event in [*again.values(), *many.values()]:
        assert event.metadata["not_default"].value == "rate=0.25"
        assert event.metadata["data.rate"].value == 0.25
        assert "picture" not in event.metadata
        assert "dagster/column_schema" not in event.metadata
    for event in (again["judged", DAY], many["judged", "2026-01-07"]):
        assert event.metadata["loss"].value == 1 / 3
        assert str(event.metadata["pictures"].value).endswith("/pictures.html")
        assert size(event) < 3_200 < size(first["judged", DAY])
    assert size(again["rows", DAY]) < 2_500
    assert "reason" in again["rows", DAY].metadata
    # Nothing but its date has changed since another one.
    assert "reason" not in many["rows", "2026-01-07"].metadata
    config = {"data": {"rate": 0.5}}
    other = events(shown.run("2026-01-06", until="2026-01-07", config=config, selection=["rows"]))
    for event in other.values():
        assert "computed: rate 0.25 -> 0.5 since" in str(event.metadata["reason"].value)


def test_materialization_stays_small_whatever_a_pipeline_returns(shown: Site) -> None:
    data = {"text": "\N{SNOWMAN}" * 300_000, "names": ["n" * 50] * 20_000}
    result = shown.run(config={"data": data}, selection=["rows", "judged", "huge"])
    assert result.success, failure(result)
    for (name, _), event in events(result).items():
        assert size(event) < 200_000
        if name == "huge":
            continue
        record = str(event.metadata["path"].value).rpartition("/")[0] + "/record.json"
        assert event.metadata["run_id"].value
        assert f"characters, see {record})" in str(event.metadata["data.names"].value)
    huge = events(result)["huge", DAY]
    assert huge.metadata["metric 300"].value == 300 / 7
    assert "entries are too long for here: see " in str(huge.metadata["left_out"].value)
    assert "picture" not in huge.metadata
    assert str(huge.metadata["pictures"].value).endswith("/pictures.html")
    assert MOST < 200_000


def test_setting_leaves_rows_out_and_keeps_columns(
    shown: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_pipeline.settings import settings

    monkeypatch.setenv("ML_PIPELINE_PREVIEW_ROWS", "0")
    settings.cache_clear()
    rows = events(shown.run(selection=["rows"]))["rows", DAY]
    assert "preview" not in rows.metadata
    assert "dagster/column_schema" in rows.metadata
    settings.cache_clear()


def test_preview_of_any_values_is_text() -> None:
    rows = [[b"\x00", [1, {"a": "|"}], "\x1b[31m"], [None, float("inf"), ""]]
    table = preview(Sample({"a": "Binary", "b": "Object", "c": "String"}, rows))
    assert table.splitlines()[2:] == [
        r"""| "b'\\\\x00'" | \[1, {"a": "\|"}\] | "\\u001b\[31m" |""",
        "| none | inf |   |",
    ]

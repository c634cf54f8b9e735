"""Records as one Parquet file: every value to the letter, and nothing of others overwritten."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_pipeline.errors import QueryError
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.export import JSON_COLUMNS, Exported, export
from ml_pipeline.runs.export_columns import Values, as_json
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.exports import Exports
from ml_pipeline_tests.toys.bench import DAY, Bench

TEXT = pl.String()


def exported(bench: Bench, to: Path | str, **options: Any) -> Exported:
    return export(bench.store, bench.pipeline, Exports(str(to)), **options)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, None], pl.Boolean()),
        ([1, -(2**63) + 1], pl.Int64()),
        ([2**63], None),
        ([1, 2.5], pl.Float64()),
        ([2**53 + 1, 2.5], None),
        (["a", None], TEXT),
        ([1, "1"], None),
        ([True, 1], None),
        ([None], TEXT),
        ([[1], [2.5], []], pl.List(pl.Float64())),
        ([[["a"]], [[]]], pl.List(pl.List(TEXT))),
        ([[1], ["a"]], None),
        ([[]], pl.List(TEXT)),
        ([{"a": 1}], None),
    ],
)
def test_column_has_the_type_that_holds_all_its_values(
    values: Sequence[Any], kind: pl.DataType | None
) -> None:
    seen = Values()
    for value in values:
        seen.see(value)
    assert seen.type() == kind
    if kind is not None:
        back = pl.Series(values, dtype=kind, strict=False).to_list()
        assert back == list(values)
    assert [None if v is None else json.loads(str(as_json(v))) for v in values] == list(values)


def test_export_has_a_row_for_each_artifact_and_says_what_records_do(
    bench: Bench, tmp_path: Path
) -> None:
    made = bench.run(rows=7)
    done = exported(bench, tmp_path / "out")
    assert (done.artifacts, done.missed, done.as_json) == (4, 0, ())
    frame = pl.read_parquet(tmp_path / "out")
    assert frame.shape == (4, done.columns)
    row = frame.filter(asset="score").row(0, named=True)
    record = made["score"].record
    assert (row["run_id"], row["revision"]) == (record.run_id, record.revision)
    assert (row["as_of"], row["as_of_date"]) == ("2026-01-05", date(2026, 1, 5))
    assert row["metrics.r2"] == record.metrics["r2"]
    assert (row["params.data.rows"], row["params.data.region"]) == (7, "north")
    assert row["started_at"] == record.started_at
    assert (row["bytes"], row["digest"]) == (record.content.bytes, record.content.digest)
    assert Path(row["path"]).is_file()
    assert json.loads(row["params_json"]) == record.params
    assert {read["asset"]: read["run_id"] for read in row["inputs"]} == {
        name: read.run_id for name, read in record.inputs.items()
    }
    table = frame.filter(asset="table").row(0, named=True)
    assert (table["rows"], table["source_digest"]) == (7, "outside-0")
    assert table["metrics.r2"] is None


def test_export_keeps_values_whose_types_have_changed(tmp_path: Path) -> None:
    class First(ParamGroup):
        depth: int = 1
        size: int = 1

    class Second(ParamGroup):
        depth: str = "1"
        size: float = 2.5

    store = ArtifactStore(str(tmp_path / "store"))

    for group in (First, Second):
        pipeline = Pipeline("p", ParamModel(fit=group))

        def made(fit: Any) -> dict[str, Any]:
            return fit.model_dump()  # type: ignore[no-any-return]

        made.__annotations__["fit"] = group
        pipeline.asset(code_version="1")(made)
        list(Materializer(pipeline, store).run(pipeline.params.parse({}), None))
    done = export(store, pipeline, Exports(str(tmp_path / "out.parquet")))
    assert done.as_json == ("params.fit.depth",)
    frame = pl.read_parquet(tmp_path / "out.parquet").sort("params.fit.size")
    assert frame["params.fit.depth"].to_list() == ["1", '"1"']
    assert frame["params.fit.size"].to_list() == [1.0, 2.5]
    notes = pl.read_parquet_metadata(tmp_path / "out.parquet")
    assert json.loads(notes[JSON_COLUMNS]) == ["params.fit.depth"]


def test_export_has_what_fulfils_conditions_and_all_fixed_columns_where_nothing_does(
    bench: Bench, tmp_path: Path
) -> None:
    empty = exported(bench, tmp_path / "a")
    assert (empty.artifacts, pl.read_parquet(tmp_path / "a").height) == (0, 0)
    for rows in (5, 6, 7):
        bench.run(rows=rows)
    done = exported(bench, tmp_path / "a", where="rows>5 and asset in (score, model)")
    frame = pl.read_parquet(tmp_path / "a")
    assert done.artifacts == 4
    assert set(frame["asset"]) == {"score", "model"}
    assert set(frame["params.data.rows"]) == {6, 7}


def test_export_overwrites_exports_alone_and_a_refusal_changes_nothing(
    bench: Bench, tmp_path: Path
) -> None:
    bench.run()
    file = tmp_path / "theirs.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(file)
    (tmp_path / "text.parquet").write_text("no table")
    for there in (file, tmp_path / "text.parquet"):
        before = there.read_bytes()
        with pytest.raises(QueryError, match="must be free or an earlier export"):
            exported(bench, there)
        assert there.read_bytes() == before
    with pytest.raises(QueryError, match="must be empty or hold an export alone"):
        exported(bench, tmp_path)
    assert exported(bench, file, force=True).artifacts == 4
    assert exported(bench, file).artifacts == 4
    before = file.read_bytes()
    with pytest.raises(QueryError, match="is nothing that runs have"):
        exported(bench, file, where="colour=red")
    assert file.read_bytes() == before
    with pytest.raises(QueryError, match="must not carry credentials") as refused:
        exported(bench, "s3://me:secret@bucket/out")
    assert "secret" not in str(refused.value).replace("SECRET", "")
    other = tmp_path / "table.txt"
    other.write_text("theirs")
    for there in (other, other / "below", other / "below" / "it.parquet"):
        with pytest.raises(QueryError, match=f"but {other} is a file of another kind"):
            exported(bench, there)
    assert other.read_text() == "theirs"


def test_export_leaves_out_and_counts_what_cannot_be_read(bench: Bench, tmp_path: Path) -> None:
    made = bench.run()
    (bench.directory(made["model"]) / "record.json").write_text("{")
    done = exported(bench, tmp_path / "out")
    assert (done.artifacts, done.missed) == (3, 1)
    assert DAY in pl.read_parquet(tmp_path / "out")["as_of_date"]

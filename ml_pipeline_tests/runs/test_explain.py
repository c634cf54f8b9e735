import json
import os
import shlex
import time
from datetime import date

import pytest
from pydantic import Field

from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.marks import PATH_LABEL
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.differences import Difference, differences
from ml_pipeline.runs.explain import command_for, why_computed, why_missing
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.slots import Slot
from ml_pipeline_tests.toys.bench import DAY, Bench, rewrite
from ml_pipeline_tests.toys.pipeline import PARAMS, Data, Fit, Shape, toy


def slot_of(stage: str, as_of: date | None = DAY, **values: object) -> Slot:
    return toy().stage(stage).slot(PARAMS.parse(values), as_of)


def reasons(bench: Bench, **values: object) -> dict[str, str]:
    """Return the reason of everything that is computed."""
    return {
        name: outcome.reason.removeprefix(f"{name}: computed: ")
        for name, outcome in bench.run(**values).items()
        if not outcome.reused
    }


# Why something is computed


def test_why_computed_in_an_empty_store_says_that_there_is_nothing(bench: Bench) -> None:
    assert reasons(bench) == dict.fromkeys(
        ("table", "features", "model", "score"), "nothing is published yet"
    )


def test_why_computed_after_a_parameter_changed_names_both_values(bench: Bench) -> None:
    bench.run()
    told = reasons(bench, learning_rate=0.2)
    model, features, table = (slot_of(s).run_id for s in ("model", "features", "table"))
    assert told == {
        "model": f"learning_rate 0.1 -> 0.2 since run {model} (features reused from {features})",
        "score": f"learning_rate 0.1 -> 0.2 since run {model} (table reused from {table})",
    }


def test_why_computed_after_several_parameters_changed_names_them_all(bench: Bench) -> None:
    bench.run()
    told = reasons(bench, window=3, rows=9)
    assert told["table"] == f"rows 6 -> 9 since run {slot_of('table').run_id}"
    assert told["score"] == f"rows 6 -> 9, window 2 -> 3 since run {slot_of('score').run_id}"


def test_why_computed_compares_with_the_nearest_run(bench: Bench) -> None:
    bench.run()
    bench.run(window=7, learning_rate=0.9)
    told = reasons(bench, learning_rate=0.2)
    assert told["model"].startswith(f"learning_rate 0.1 -> 0.2 since run {slot_of('model').run_id}")


def test_why_computed_among_equally_near_runs_compares_with_the_newest(bench: Bench) -> None:
    for learning_rate in (0.3, 0.2, 0.4):
        bench.run(learning_rate=learning_rate)
    nearest = slot_of("model", learning_rate=0.4).run_id
    told = reasons(bench, learning_rate=0.5)
    assert told["model"].startswith(f"learning_rate 0.4 -> 0.5 since run {nearest}")


def test_why_computed_of_another_date_compares_with_the_nearest_date(bench: Bench) -> None:
    bench.run(as_of=date(2026, 1, 1))
    bench.run(as_of=date(2026, 1, 4))
    outcome = bench.run(["table"], as_of=date(2026, 1, 6))["table"]
    nearest = slot_of("table", date(2026, 1, 4)).run_id
    assert outcome.reason == (
        f"table: computed: as_of 2026-01-04 -> 2026-01-06 since run {nearest}"
    )


def test_why_computed_with_another_label_says_so(bench: Bench) -> None:
    bench.run()
    told = reasons(bench, region="south")
    assert told["table"] == f"region north -> south since run {slot_of('table').run_id}"
    assert told["score"] == f"region north -> south since run {slot_of('score').run_id}"


def test_why_computed_with_another_label_compares_with_the_newest_of_them(bench: Bench) -> None:
    for region in ("b", "c", "a"):
        bench.run(["table"], region=region)
    nearest = slot_of("table", region="a").run_id
    assert reasons(bench, region="d")["table"] == f"region a -> d since run {nearest}"


def test_why_computed_with_the_same_label_is_nearer_only_if_less_differs(bench: Bench) -> None:
    bench.run(region="north", rows=9, window=3)
    bench.run(region="south")
    told = reasons(bench)
    table = slot_of("table", rows=9).run_id
    assert told["table"] == f"rows 9 -> 6 since run {table}"
    south = slot_of("features", region="south").run_id
    assert told["features"] == f"region south -> north since run {south}"


def test_why_computed_with_another_label_of_a_later_group_says_so(bench: Bench) -> None:
    class Named(ParamGroup):
        """How it is called."""

        version: str = Field("v1", json_schema_extra=PATH_LABEL)
        depth: int = 1

    bench.pipeline = Pipeline("named", ParamModel(data=Data, named=Named))

    @bench.pipeline.asset(code_version="1")
    def part(as_of: date, data: Data, named: Named) -> bytes:
        return b""

    made = bench.run()["part"].record.run_id
    bench.run(version="v9", depth=7, region="east")
    outcome = bench.run(version="v2")["part"]
    assert outcome.reason == f"part: computed: version v1 -> v2 since run {made}"
    assert reasons(bench, version="v3", region="south")["part"] == (
        f"region north -> south, version v2 -> v3 since run {outcome.record.run_id}"
    )


def test_why_computed_of_another_date_prefers_the_same_labels(bench: Bench) -> None:
    bench.run(["table"], as_of=date(2026, 1, 4), region="south")
    bench.run(["table"], as_of=date(2026, 1, 1))
    outcome = bench.run(["table"], as_of=date(2026, 1, 5))["table"]
    nearest = slot_of("table", date(2026, 1, 1)).run_id
    assert outcome.reason == (
        f"table: computed: as_of 2026-01-01 -> 2026-01-05 since run {nearest}"
    )


def test_why_computed_with_another_label_on_another_date_names_both(bench: Bench) -> None:
    bench.run(as_of=date(2026, 1, 4))
    nearest = slot_of("table", date(2026, 1, 4)).run_id
    assert reasons(bench, region="south")["table"] == (
        f"as_of 2026-01-04 -> 2026-01-05, region north -> south since run {nearest}"
    )


def test_why_computed_without_dates_and_with_another_label_says_so(bench: Bench) -> None:
    bench.pipeline = Pipeline("dateless", PARAMS)

    @bench.pipeline.asset(code_version="1")
    def numbers(data: Data) -> bytes:
        return b""

    made = bench.run(as_of=None)["numbers"].record.run_id
    outcome = bench.run(as_of=None, region="south")["numbers"]
    assert outcome.reason == f"numbers: computed: region north -> south since run {made}"


def test_why_computed_in_memory_with_another_label_says_so() -> None:
    pipeline = Pipeline("plain", PARAMS)

    @pipeline.asset(code_version="1")
    def numbers(as_of: date, data: Data) -> bytes:
        return b""

    store = ArtifactStore("memory://labels")
    materializer = Materializer(pipeline, store)
    (made,) = materializer.run(PARAMS.parse({}), DAY)
    (other,) = materializer.run(PARAMS.parse({"region": "south"}), DAY)
    assert other.reason == (
        f"numbers: computed: region north -> south since run {made.record.run_id}"
    )


def test_why_computed_after_an_edit_says_that_code_changed(bench: Bench) -> None:
    first = bench.run()
    bench.edit(model="2")
    told = reasons(bench)
    assert told == {
        "model": f"code changed since revision {first['model'].record.revision}"
        f" (features reused from {slot_of('features').run_id})"
    }


def test_why_computed_after_the_real_code_was_pinned_says_that_code_changed(bench: Bench) -> None:
    first = bench.run()
    bench.edit(table="1.0")
    revision = first["table"].record.revision
    assert reasons(bench) == {"table": f"code changed since revision {revision}"}


def test_why_computed_after_an_input_changed_names_it(bench: Bench) -> None:
    bench.run()
    bench.edit(features="2")
    bench.tell("noise-features")
    told = reasons(bench)
    assert told["features"].startswith("code changed since revision ")
    assert told["model"] == "input features changed"
    assert told["score"] == (f"input model changed (table reused from {slot_of('table').run_id})")


def test_why_computed_after_source_data_changed_says_so(bench: Bench) -> None:
    bench.run()
    bench.tell(f"outside-{DAY}", "5")
    told = reasons(bench)
    assert told["table"] == "source data changed"
    assert told["features"] == "input table changed"
    assert told["score"] == "input model changed, input table changed"


def test_why_computed_after_everything_changed_names_everything(bench: Bench) -> None:
    first = bench.run()
    bench.edit(table="2", score="2")
    bench.tell(f"outside-{DAY}", "5")
    told = reasons(bench)
    revision = first["table"].record.revision
    assert told["table"] == f"code changed since revision {revision}, source data changed"
    assert told["score"] == (
        f"code changed since revision {first['score'].record.revision},"
        " input model changed, input table changed"
    )


def test_why_computed_compares_with_the_newest_revision(bench: Bench) -> None:
    bench.run()
    bench.edit(table="2")
    second = bench.run()
    bench.edit(table="3")
    revision = second["table"].record.revision
    assert reasons(bench) == {"table": f"code changed since revision {revision}"}


def test_why_computed_for_a_stage_that_reads_something_new_names_it(bench: Bench) -> None:
    made = bench.run()
    record = made["score"].record
    without = record.model_copy(update={"inputs": {"table": record.inputs["table"]}})
    bench.record(made["score"]).write_bytes(without.to_json())
    inputs = {"model": made["model"].record, "table": made["table"].record}
    slot = slot_of("score")
    assert (
        why_computed(bench.store, slot, toy().stage("score"), inputs, None) == "input model changed"
    )


def test_why_computed_with_unreadable_neighbours_passes_over_them(bench: Bench) -> None:
    made = bench.run()
    bench.record(made["table"]).write_bytes(b"garbage")
    assert reasons(bench, rows=8)["table"] == "nothing is published yet"


def test_why_computed_with_a_field_added_since_says_so(bench: Bench) -> None:
    class Wider(Data):
        """Which rows."""

        depth: int = 1

    bench.run()
    wider = ParamModel(data=Wider, shape=Shape, fit=Fit)
    stage = toy().stage("table")
    slot = stage.slot(wider.defaults, DAY)
    told = why_computed(bench.store, slot, stage, {}, None)
    assert told == f"the parameter depth (1) was added since run {slot_of('table').run_id}"


def crowd(bench: Bench, made: Outcome, count: int) -> None:
    """Publish runs beside one, later than it, each with other rows and in an old form."""
    identity = json.loads(bench.record(made).read_text())["identity"]
    identity["params"]["data"]["depth"] = 3
    beside = bench.directory(made).parent.parent
    for number in range(count):
        identity["params"]["data"]["rows"] = 1_000 + number
        folder = beside / f"run={number:016x}" / "rev=0"
        folder.mkdir(parents=True)
        (folder / "data.parquet").touch()
        about = {"identity": identity, "run_id": f"{number:016x}", "revision": "0"}
        rewrite(bench.record(made), folder / "record.json", **about)


def test_why_computed_finds_the_nearest_run_behind_many_others(bench: Bench) -> None:
    made = bench.run(["table"])["table"]
    crowd(bench, made, 60)
    assert reasons(bench, rows=7)["table"] == f"rows 6 -> 7 since run {made.record.run_id}"


def test_why_computed_finds_the_newest_run_among_thousands_of_files(bench: Bench) -> None:
    newest = bench.run(["table"], rows=8)["table"]
    crowd(bench, newest, 1_200)
    later = time.time() + 60
    os.utime(bench.directory(newest).parent, (later, later))
    assert reasons(bench, rows=7)["table"] == f"rows 8 -> 7 since run {newest.record.run_id}"


def test_why_computed_from_more_runs_than_it_reads_says_so(bench: Bench) -> None:
    made = bench.run(["table"])["table"]
    crowd(bench, made, 220)
    told = reasons(bench, rows=7)["table"]
    assert "the parameter depth (3) was removed since run " in told
    assert told.endswith(", the nearest of 200 compared")


# What there is where something is missing


def test_why_missing_lists_five_and_counts_the_rest(bench: Bench) -> None:
    for rows in range(10, 18):
        bench.run(["table"], rows=rows)
    told = why_missing(bench.store, slot_of("table")).splitlines()
    listed = [line for line in told if line.startswith("  ") and "differs in" in line]
    assert listed == [
        f"  {slot_of('table', rows=rows).run_id}  differs in rows {rows} (you: 6)"
        for rows in (17, 16, 15, 14, 13)
    ]
    assert "  and 3 more" in told


def test_why_missing_of_more_than_it_reads_counts_no_further(bench: Bench) -> None:
    made = bench.run(["table"])["table"]
    for number in range(220):
        folder = bench.directory(made).parent.parent / f"run={number:016x}" / "rev=0"
        folder.mkdir(parents=True)
        about = {"run_id": f"{number:016x}", "revision": "0"}
        rewrite(bench.record(made), folder / "record.json", **about)
    assert "  and at least 195 more" in why_missing(bench.store, slot_of("table", rows=9))


def test_why_missing_puts_runs_of_the_same_date_first(bench: Bench) -> None:
    bench.run(["table"], rows=9)
    bench.run(["table"], as_of=date(2026, 1, 4), rows=8)
    told = why_missing(bench.store, slot_of("table"))
    assert told.index(slot_of("table", rows=9).run_id) < told.index(
        slot_of("table", date(2026, 1, 4), rows=8).run_id
    )
    assert "differs in as_of 2026-01-04 (you: 2026-01-05); rows 8 (you: 6)" in told


def test_why_missing_counts_revisions_of_a_run_once(bench: Bench) -> None:
    for version in ("1", "2", "3"):
        bench.edit(table=version)
        bench.run(["table"], rows=9)
    assert why_missing(bench.store, slot_of("table")).count("differs in") == 1


@pytest.mark.parametrize(
    "region", ["it's so; rm -rf $HOME", "'north'", '"north"', "'", "none", "-x=y"]
)
def test_why_missing_gives_a_command_that_can_be_pasted(region: str) -> None:
    params = PARAMS.validate({"data": {"region": region, "rows": 9}})
    words = shlex.split(command_for(toy().stage("table").slot(params, DAY)))
    assert words[:2] == ["ml-pipeline", "run"]
    name, _, text = words[words.index("--param") + 1].partition("=")
    assert PARAMS.parse({name: text}).flat()["data.region"] == region


def test_command_for_names_date_and_every_parameter_of_the_identity() -> None:
    assert command_for(slot_of("model", learning_rate=0.25)) == (
        "ml-pipeline run --as-of 2026-01-05 --param region=north --param rows=6"
        " --param window=2 --param learning_rate=0.25"
    )
    assert command_for(slot_of("table", None)) == (
        "ml-pipeline run --param region=north --param rows=6"
    )


def test_differences_name_what_one_side_lacks(bench: Bench) -> None:
    record = bench.run(["table"])["table"].record
    identity = {
        **record.identity,
        "params": {"data": {"region": "north", "depth": 3}},
    }
    assert differences(record.model_copy(update={"identity": identity}), slot_of("table")) == [
        Difference("rows", here=6),
        Difference("depth", there=3),
    ]


def test_differences_of_the_same_identity_are_none(bench: Bench) -> None:
    assert differences(bench.run(["table"])["table"].record, slot_of("table")) == []


def test_records_without_an_identity_that_can_be_read_do_not_stop_a_run(bench: Bench) -> None:
    made = bench.run(["table"])
    rewrite(bench.record(made["table"]), bench.record(made["table"]), identity={})
    bench.run(["table"], rows=9)
    bench.run(["table"])

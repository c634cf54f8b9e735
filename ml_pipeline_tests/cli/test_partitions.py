"""The command line with partitions that are no days: keys, ranges, sweeps, and what follows."""

from pathlib import Path

import dagster as dg
import pytest

from ml_pipeline_tests.cli.conftest import CommandLine, Ran

pytestmark = pytest.mark.long

LOCATION = """
import dagster as dg
from ml_pipeline import code_location
from ml_pipeline_tests.toys.partitioned import *

defs = code_location({pipeline}, {partitions}, lambda: "store")
"""
HOURS = 'dg.HourlyPartitionsDefinition("2026-10-25-00:00", "2026-10-26-00:00", timezone=OSLO)'
TWO = 'dg.MultiPartitionsDefinition({"region": REGIONS, "day": DAYS})'
SHOPS = 'dg.DynamicPartitionsDefinition(name="shops")'


def project(folder: Path, pipeline: str, partitions: str) -> CommandLine:
    document = LOCATION.format(pipeline=pipeline, partitions=partitions)
    (folder / "toys.py").write_text(document)
    (folder / "pyproject.toml").write_text('[tool.ml_pipeline]\nmodule = "toys"\n')
    return CommandLine(folder)


def done(ran: Ran) -> Ran:
    assert ran.code == 0, ran.err
    return ran


def test_hours_are_run_swept_and_ranked_in_their_order(tmp_path: Path) -> None:
    cli = project(tmp_path, "BY_START", HOURS)
    night = ("--from", "2026-10-25-01:00", "--to", "2026-10-25-03:00")
    keys = ["2026-10-25-01:00", "2026-10-25-02:00", "2026-10-25-02:00+0100", "2026-10-25-03:00"]
    planned = done(cli("run", *night, "--dry-run", "--json")).document
    assert [step["as_of"] for step in planned["steps"][::2]] == keys
    swept = done(cli("sweep", *night, "-p", "rate=1,2", "--json")).document
    assert swept["dates"] == keys
    ran = done(cli("run", *night, "-p", "rate=2", "--json")).document
    assert [run["as_of"] for run in ran["runs"]] == keys
    assert all(made["reused"] for run in ran["runs"] for made in run["artifacts"])
    fold = next(run for run in ran["runs"] if run["as_of"].endswith("+0100"))
    score = Path(fold["artifacts"][-1]["uri"])
    assert score.parents[2].name == "as_of=2026-10-25-02%3A00%2B0100"
    assert '"2026-10-25T02:00:00+01:00"' in score.read_text()
    (group,) = done(cli("leaderboard", "--from", keys[2], "--json")).document["groups"]
    assert group["dates"] == keys[2:]
    why = done(cli("why", "--as-of", "2026-10-25-04:00", "-p", "rate=2")).out
    assert "as_of 2026-10-25-03:00 -> 2026-10-25-04:00" in why
    late = cli("run", "--as-of", "2026-10-26-01:00")
    assert late.code == 2
    assert "a partition from 2026-10-25-00:00 to 2026-10-25-23:00, but got" in late.err
    listed = done(cli("runs", "list", "--where", f"as_of = '{keys[0]}'", "--json")).document
    assert len(listed["runs"]) == 2


def test_two_dimensions_are_run_as_boxes_and_one_by_one(tmp_path: Path) -> None:
    cli = project(tmp_path, "BY_REGION", TWO)
    box = ("--from", "2026-01-05|*", "--to", "2026-01-06|bergen")
    ran = done(cli("run", *box, "--json")).document
    keys = [f"2026-01-0{day}|{name}" for day in (5, 6) for name in ("oslo", "bergen")]
    assert [run["as_of"] for run in ran["runs"]] == keys
    assert len({run["dagster_run_id"] for run in ran["runs"]}) == 1
    apart = ("--as-of", "2026-01-05|oslo", "--as-of", "2026-01-07|tromso")
    ran = done(cli("run", *apart, "--json")).document
    assert [run["artifacts"][0]["reused"] for run in ran["runs"]] == [True, False]
    assert len({run["dagster_run_id"] for run in ran["runs"]}) == 2
    refused = cli("sweep", *apart, "-p", "rate=1,2")
    assert refused.code == 2
    assert "the dates of one Dagster run must follow each other" in refused.err
    swept = done(cli("sweep", "--as-of", "2026-01-05|*", "-p", "rate=1,2", "--json")).document
    assert len(swept["dates"]) == 3
    missing = cli("run", "--as-of", "2026-01-09|oslo", "--select", "score")
    assert "run --as-of '2026-01-09|oslo' --param rate=1.0 --select seen" in missing.err
    summary = done(cli("run", *box)).out
    assert "4 partitions: 4 done (4 reused)" in summary


def test_dynamic_keys_are_those_of_the_instance_and_stay_with_their_runs(tmp_path: Path) -> None:
    cli = project(tmp_path, "BY_KEY", SHOPS)
    early = cli("run", "--as-of", "north")
    assert "the dynamic partitions 'shops' have no keys yet" in early.err
    with dg.DagsterInstance.from_config(str(tmp_path / ".ml_pipeline" / "dagster")) as instance:
        instance.add_dynamic_partitions("shops", ["north", "a/b | c"])
    unknown = cli("run", "--as-of", "nroth")
    assert unknown.code == 2
    assert "Did you mean 'north'?" in unknown.err
    ran = done(cli("run", "--as-of", "*", "--json")).document
    assert [run["as_of"] for run in ran["runs"]] == ["north", "a/b | c"]
    run_id = ran["runs"][1]["run_id"]
    like = done(cli("run", "--like", run_id, "-p", "rate=2", "--json")).document
    assert [run["as_of"] for run in like["runs"]] == ["a/b | c"]
    with dg.DagsterInstance.from_config(str(tmp_path / ".ml_pipeline" / "dagster")) as instance:
        instance.delete_dynamic_partition("shops", "a/b | c")
    assert "byte for byte" in done(cli("reproduce", run_id)).out
    assert "of a/b | c now" in done(cli("promote", run_id, "--to", "staging")).out
    other = like["runs"][0]["run_id"]
    assert "rate" in cli("runs", "diff", run_id, other).out
    assert "6 artifacts checked, 0 damaged" in done(cli("verify")).out


def test_pipeline_without_partitions_takes_no_date(tmp_path: Path) -> None:
    cli = project(tmp_path, "AT_ONCE", "None")
    (run,) = done(cli("run", "--json")).document["runs"]
    assert run["as_of"] is None
    assert all(
        made["reused"] for made in done(cli("run", "--json")).document["runs"][0]["artifacts"]
    )
    dated = cli("run", "--as-of", "2026-01-05")
    assert dated.code == 2
    assert "--as-of has no effect: pipeline 'at_once' has no partitions" in dated.err
    swept = done(cli("sweep", "-p", "rate=1,2", "--json")).document
    assert swept["dates"] == [None]

"""`leaderboard`, and the summary of `run` over a range."""

import csv
import io
import itertools
import math
import statistics
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.defs.config import NATURAL_HORIZON, TrainingParams
from ml_pipeline.pipeline import datasets, evaluation, features, training
from ml_pipeline_tests.cli.conftest import CommandLine

pytestmark = pytest.mark.long

FIRST = date(1998, 5, 30)
DAYS = [FIRST, FIRST + timedelta(days=1)]
RATES, DEPTHS = (0.05, 0.2), (1, 3)
SMALL = {"max_iter": 20, "history_days": 300}
RANGE = ("--from", str(DAYS[0]), "--to", str(DAYS[-1]))


def params(**values: Any) -> list[str]:
    return [part for name, value in values.items() for part in ("--param", f"{name}={value}")]


@pytest.fixture(scope="module")
def grids(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A home in which a grid has been run on both datasets, and one more date of one set."""
    line = CommandLine(tmp_path_factory.mktemp("grids"))
    rates, depths = (",".join(map(str, values)) for values in (RATES, DEPTHS))
    for dataset in ("orders", "customers"):
        given = params(dataset=dataset, learning_rate=rates, max_depth=depths, **SMALL)
        done = line("sweep", *RANGE, *given)
        assert done.code == 0, done.err
    extra = params(learning_rate=RATES[0], max_depth=DEPTHS[0], **SMALL)
    assert line("run", "--as-of", "1998-05-29", *extra).code == 0
    return line


def by_a_plain_loop(dataset: str) -> dict[tuple[float, int], list[dict[str, float]]]:
    """Compute every cell of the grid with the pure functions that the stages call."""
    metrics: dict[tuple[float, int], list[dict[str, float]]] = {}
    horizon = NATURAL_HORIZON[dataset]
    for day in DAYS:
        first = day - timedelta(days=SMALL["history_days"] - 1)
        rows = datasets.orders_between("sample", first, day)
        table = features.build_features(
            rows, dataset=dataset, as_of=day, lookback_days=28, horizon_days=horizon
        )
        for rate, depth in itertools.product(RATES, DEPTHS):
            common: dict[str, Any] = {"dataset": dataset, "as_of": day, "horizon_days": horizon}
            hyper = TrainingParams(
                learning_rate=rate, max_depth=depth, max_iter=int(SMALL["max_iter"])
            )
            model = training.fit(table, hyper, **common)
            judged = evaluation.evaluate(model, table, holdout_days=hyper.holdout_days, **common)
            metrics.setdefault((rate, depth), []).append(judged["metrics"])
    return metrics


@pytest.mark.parametrize("dataset", ["orders", "customers"])
def test_leaderboard_of_a_grid_equals_a_plain_loop(grids: CommandLine, dataset: str) -> None:
    done = grids("leaderboard", "--dataset", dataset, *RANGE, "--json")
    assert done.code == 0, done.err
    (group,) = done.document["groups"]
    metric, direction, baseline = evaluation.PRIMARY[dataset]
    assert (group["metric"], group["direction"], group["baseline"]) == (metric, direction, baseline)
    expected = by_a_plain_loop(dataset)
    assert len(group["rows"]) == len(expected)
    for row in group["rows"]:
        training_params = row["params"]["training"]
        cells = expected[training_params["learning_rate"], training_params["max_depth"]]
        values = [cell[metric] for cell in cells]
        differences = [cell[metric] - cell[baseline] for cell in cells]
        figures = {
            "mean": math.fsum(values) / len(values),
            "sd": statistics.stdev(values),
            "worst": max(values) if direction == "minimize" else min(values),
            "difference": math.fsum(differences) / len(differences),
        }
        for name, value in figures.items():
            assert row[name] == pytest.approx(value, rel=0, abs=1e-12), name
        assert row["worst_date"] == str(DAYS[values.index(figures["worst"])])
        assert list(row["values"].values()) == pytest.approx(values, rel=0, abs=1e-12)
    means = [row["mean"] for row in group["rows"]]
    assert means == sorted(means, reverse=direction == "maximize")
    assert group["varying"] == ["learning_rate", "max_depth"]


def test_leaderboard_ranks_datasets_apart_over_the_dates_that_rows_share(
    grids: CommandLine,
) -> None:
    found = grids("leaderboard", "--json").document["groups"]
    assert sorted(group["dataset"]["dataset"] for group in found) == ["customers", "orders"]
    assert all(group["dates"] == [str(day) for day in DAYS] for group in found)
    (orders,) = (group for group in found if group["metric"] == "mape")
    assert orders["dates_left_out"] == ["1998-05-29"]
    assert found[1]["apart"].startswith("dataset ")
    table = grids("leaderboard")
    assert "Not ranked with the above: dataset " in table.out
    assert "1 other left out, which not all rows have" in table.out


def test_leaderboard_row_names_the_command_that_repeats_it(grids: CommandLine) -> None:
    found = grids("leaderboard", "--dataset", "orders", "--json").document["groups"][0]
    command = found["rows"][0]["command"].split()
    assert command[:2] == ["ml-pipeline", "run"]
    again = grids(*command[1:], "--json")
    assert again.code == 0, again.err
    summary = again.document["summary"]
    assert (summary["dates"], summary["reused"]) == (2, 2)
    assert summary["metrics"]["mape"]["mean"] == found["rows"][0]["mean"]


def test_leaderboard_writes_csv_and_html(grids: CommandLine, tmp_path: Path) -> None:
    report, table = tmp_path / "report.html", tmp_path / "rows.csv"
    arguments = ("--html", str(report), "--csv", str(table), "--url", "http://example:1")
    done = grids("leaderboard", *arguments)
    assert done.code == 0, done.err
    assert str(report) in done.err
    text = report.read_text()
    assert text.count("<table>") == 2
    assert "http://example:1/locations/ml_pipeline.definitions/jobs/" in text
    assert len(list(csv.DictReader(io.StringIO(table.read_text())))) == 8
    printed = grids("leaderboard", "--csv", "-", "--top", "1")
    assert len(list(csv.DictReader(io.StringIO(printed.out)))) == 2


def test_leaderboard_by_another_metric_and_conditions(grids: CommandLine) -> None:
    done = grids("leaderboard", "--metric", "wape:minimize", "--where", "max_depth=3", "--json")
    assert done.code == 0, done.err
    (group,) = done.document["groups"]
    assert (group["metric"], group["baseline"], len(group["rows"])) == ("wape", "naive_wape", 2)
    assert done.document["set_aside"] == {"they have no metric 'wape'": 4}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--metric", "improvment:maximize"], "Did you mean 'improvement'?"),
        (["--metric", "wape"], "type wape:minimize or wape:maximize"),
        (["--metric", "wape:down"], "must end in :minimize or :maximize"),
        (["--where", "lerning_rate<1"], "Did you mean 'learning_rate'?"),
        (["--from", "yesterday"], "must be a date such as 1998-05-31"),
        (["--html", "no/such/folder/x.html"], "no/such/folder/x.html"),
    ],
)
def test_leaderboard_bad_request_says_what_is_wrong(
    grids: CommandLine, arguments: list[str], expected: str
) -> None:
    done = grids("leaderboard", *arguments)
    assert done.code in (1, 2)
    assert expected in done.err.replace("\n", " ")
    assert "Traceback" not in done.err


def test_leaderboard_without_results_says_how_to_get_some(
    cli: CommandLine, grids: CommandLine
) -> None:
    done = cli("leaderboard")
    assert done.code == 0
    assert "`ml-pipeline run` makes the first" in done.out
    assert cli("leaderboard", "--json").document == {"groups": [], "set_aside": {}}
    assert "No result fulfils that" in grids("leaderboard", "--where", "max_depth=7").out


def test_run_of_a_range_ends_in_a_summary(grids: CommandLine) -> None:
    given = params(learning_rate=RATES[0], max_depth=DEPTHS[0], **SMALL)
    done = grids("run", "--from", "1998-05-29", "--to", str(DAYS[-1]), *given)
    assert "3 dates: 3 done (3 reused); mape mean " in done.out
    assert "naive_mape" in done.out.partition("3 dates: ")[2]
    assert "dates:" not in grids("run", "--as-of", str(FIRST), *given).out

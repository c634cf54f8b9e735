"""The asset that compares: what it shows, and what of its config is refused at launch."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_pipeline.dagster.code_location import code_location
from ml_pipeline.errors import ParamsError
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline_tests.toys import sweeps as toy
from ml_pipeline_tests.toys.dagster_site import (
    DAILY,
    QUIET,
    events,
    failure,
    temporary_instance,
)

LAST = "2026-01-12"
PREFIXED = Pipeline(
    "own", ParamModel(data=toy.Data, around=toy.Surroundings, fit=toy.Fit), prefixed=True
)
for _stage in (toy.table, toy.model):
    PREFIXED.asset(code_version="1")(_stage)
PREFIXED.asset(objective=toy.objective, code_version="1")(toy.score)


@dataclass(frozen=True)
class Site:
    """The toy pipeline in a folder, in which two learning rates have been tried at eight dates."""

    folder: Path
    instance: dg.DagsterInstance

    def run(
        self, *assets: str, pipeline: Pipeline = toy.PIPELINE, day: str | None = None, **config: Any
    ) -> dg.ExecuteInProcessResult:
        defs = code_location(pipeline, DAILY, lambda: str(self.folder / "store"), self.folder)
        dates = {
            "dagster/asset_partition_range_start": str(day),
            "dagster/asset_partition_range_end": LAST,
        }
        return defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={**config, "loggers": QUIET},
            instance=self.instance,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in assets],
            tags=dates if day else {},
        )

    def compare(self, **config: Any) -> dg.ExecuteInProcessResult:
        return self.run("comparison", ops={"comparison": {"config": config}})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("compared")
    with temporary_instance(folder / "instance") as instance:
        site = Site(folder, instance)
        for rate, first in ((0.1, "2026-01-04"), (0.2, "2026-01-05")):
            params = {"params": {"config": {"fit": {"learning_rate": rate}}}}
            done = site.run("table", "model", "score", day=first, resources=params)
            assert done.success
        yield site


def test_comparison_shows_verdict_tables_pictures_and_a_page(site: Site) -> None:
    done = site.compare(left="learning_rate=0.1", right="learning_rate=0.2")
    assert done.success
    metadata = events(done)["comparison", None].metadata
    assert metadata["verdict"].value == (
        "learning_rate=0.1 is better than learning_rate=0.2: loss 0.1185 against 0.2091 over 8"
        " dates from 2026-01-05 to 2026-01-12, better at 8 of them and worse at 0, hardly by chance"
        " (p = 0.0078)."
    )
    assert metadata["better"].value == "learning_rate=0.1"
    assert (metadata["dates"].value, metadata["left"].value) == (8, "learning_rate=0.1")
    assert metadata["difference"].value == pytest.approx(0.0906, abs=1e-4)
    told = str(metadata["comparison"].value)
    assert "| 2026-01-05 |" in told
    assert "learning\\_rate" in told
    assert "has no result at 2026-01-04" in told
    assert "data:image/svg+xml" in str(metadata["plots"].value)
    page = Path(str(metadata["report"].value)).read_text()
    assert "learning_rate=0.1 is better than learning_rate=0.2" in page
    assert ".reports/comparison/" in str(metadata["report"].value)


def test_comparison_keeps_to_the_dates_and_metric_that_are_asked_for(site: Site) -> None:
    done = site.compare(
        left="learning_rate=0.1",
        right="learning_rate=0.2",
        from_date="2026-01-06",
        to_date="2026-01-07",
        metric="levels:maximize",
    )
    metadata = events(done)["comparison", None].metadata
    assert metadata["verdict"].value == (
        "learning_rate=0.1 and learning_rate=0.2 come to the same levels over 2 dates from"
        " 2026-01-06 to 2026-01-07."
    )
    assert metadata["better"].value == "neither"


def test_comparison_of_nothing_is_passed_over(site: Site) -> None:
    done = site.run("comparison")
    assert done.success
    assert not events(done)


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"left": "learning_rate=x", "right": "depth=0"},
        ["left: fit.learning_rate must be", "right: fit.depth must be"],
    ),
    ({"left": "learning_rate=0.2"}, ["right: a side must be an environment, @ENVIRONMENT, a run"]),
    ({"right": "learning_rate=0.2"}, ["left: a side must be an environment"]),
    ({"left": "lerning_rate=1", "right": "1a"}, ["left: 'lerning_rate' does not exist. Did you"]),
    ({"left": "a.yaml", "right": "1a"}, ["left: a side must not be a file here"]),
    ({"left": "1a", "right": "1a"}, ["the two sides must differ, but both are '1a'"]),
    ({"left": "1a", "right": "2b", "from_date": "May"}, ["from_date must be"]),
    ({"left": "1a", "right": "2b", "metric": "r2:up"}, ["metric r2 must end in :minimize or"]),
    (
        {"left": "1a", "right": "2b", "from_date": "2026-01-07", "to_date": "2026-01-06"},
        ["the first date must not be after the last"],
    ),
    ({"from_date": "2026-01-07"}, ["a side must be"]),
]


@pytest.mark.parametrize(("config", "problems"), REFUSED)
def test_comparison_that_cannot_be_is_refused_before_there_is_a_run(
    site: Site, config: dict[str, Any], problems: list[str]
) -> None:
    before = site.instance.get_runs_count()
    with pytest.raises(ParamsError) as refused:
        site.compare(**config)
    assert isinstance(refused.value, dg.DagsterError)
    assert len(refused.value.problems) == len(problems)
    for told, expected in zip(refused.value.problems, problems, strict=True):
        assert told.startswith(expected)
    assert site.instance.get_runs_count() == before


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"left": "depth=9", "right": "depth=8"}, "depth=9 has no result; depth=8 has no result"),
        ({"left": "abcdef", "right": "depth=8"}, "A run id must begin with 'abcdef'"),
        (
            {"left": "learning_rate=0.1", "right": "learning_rate=1e-1"},
            "are one parameter set in one store",
        ),
    ],
)
def test_comparison_of_what_the_store_has_not_says_so_in_the_run(
    site: Site, config: dict[str, Any], problem: str
) -> None:
    assert problem in failure(site.compare(**config))


def test_blocks_that_a_comparison_does_not_read_are_refused(site: Site) -> None:
    sides = {"left": "learning_rate=0.1", "right": "learning_rate=0.2"}
    ops = {"comparison": {"config": sides}}
    params = {"params": {"config": {"fit": {"learning_rate": 0.2}}}}
    for done, told in (
        (
            site.run("comparison", ops=ops, resources=params),
            "'resources: params' must be read by a selected asset, but none does",
        ),
        (
            site.run("leaderboard", ops=ops),
            "'ops: comparison' does not exist in this run, since its asset is not selected",
        ),
        (
            site.run("leaderboard", ops={"comparisn": {"config": sides}}),
            "'ops: comparisn' does not exist. Did you mean 'comparison'?",
        ),
    ):
        (event,) = done.filter_events(lambda one: one.event_type_value == "PIPELINE_FAILURE")
        assert told in event.job_failure_data.error.message  # type: ignore[union-attr]


def test_comparison_of_a_prefixed_pipeline_has_its_name(site: Site) -> None:
    assert site.run("own_comparison", pipeline=PREFIXED).success
    with pytest.raises(ParamsError):
        site.run(
            "own_comparison",
            pipeline=PREFIXED,
            ops={"own_comparison": {"config": {"left": "x", "right": "y"}}},
        )

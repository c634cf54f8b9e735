"""What runs tell while they go on: few lines, whatever they do."""

from datetime import timedelta

import pytest

from ml_pipeline.runs.date_result import DateResult
from ml_pipeline.runs.range_report import RangeReport
from ml_pipeline.runs.story import Story, not_default
from ml_pipeline_tests.toys.bench import DAY, Bench


def test_story_of_one_date_is_why_each_stage_was_computed_and_what_came_of_it(
    bench: Bench,
) -> None:
    params = bench.pipeline.params.parse({"learning_rate": 0.5, "window": 2}, "command line")
    told: list[str] = []

    def tell() -> list[str]:
        told.clear()
        story = Story(told.append, params, [DAY], list(bench.pipeline.stages))
        for outcome in bench.materializer.run(params, DAY):
            story.made(outcome)
        score = outcome.record
        story.ended(RangeReport([DateResult(DAY, score.run_id, "one", ())]))
        return told

    first, *computed, last = tell()
    assert first == (
        f"{DAY}: table, features, model, score; not default: learning_rate=0.5 (command line)"
    )
    assert [line.partition(":")[0] for line in computed] == list(bench.pipeline.stages)
    assert all(": computed: " in line and line.endswith(" s)") for line in computed)
    again = tell()
    assert len(again) == 2
    assert again[-1] == f"Reused: table, features, model, score. {last}"


@pytest.mark.parametrize("count", [2, 5, 14, 365])
def test_story_of_many_dates_has_ten_lines_at_most(bench: Bench, count: int) -> None:
    days = [DAY + timedelta(days=place) for place in range(count)]
    told: list[str] = []
    story = Story(told.append, bench.pipeline.params.defaults, days, ["score"])
    results: list[DateResult] = []
    for place, day in enumerate(days):
        results.append(DateResult(day, "ab", "one", (), "no rows" if place == 1 else None))
        story.over(results)
    story.ended(RangeReport(results))
    assert len(told) == min(count + 1, 10)
    assert told[0] == f"{count} dates from {days[0]} to {days[-1]}: score; not default: nothing"
    assert told[-1].splitlines()[1:] == [f"{days[1]} failed: no rows"]
    assert all("1 of them failed; about " in line for line in told[2:-1])


def test_parameters_that_are_not_the_defaults_are_counted_where_there_are_many(
    bench: Bench,
) -> None:
    model = bench.pipeline.params
    assert not_default(model.defaults) == "not default: nothing"
    typed = {"learning_rate": 0.5, "rows": 7, "window": 9}
    assert not_default(model.parse(typed, "a.yaml"), most=2) == (
        "not default: rows=7 (a.yaml), window=9 (a.yaml), 1 more"
    )

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.environments import Environment, Environments
from ml_pipeline.errors import ArtifactMissing, ParamsError, QueryError
from ml_pipeline.leaderboard.comparison import compare
from ml_pipeline.leaderboard.side_names import SideName, read_side
from ml_pipeline.leaderboard.sides import Side, Sides, side_of
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.layers import Layer
from ml_pipeline.runs import catalog
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.promotion import promote
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline_tests.toys.cells import days
from ml_pipeline_tests.toys.sweeps import PIPELINE

SMALL = {"data": {"rows": 12}}
BASE = Environment("", "", "")
LEDGERS = Environments(BASE, ["staging", "production"])
TABLES = Environments(
    BASE,
    tables={
        "blue": Environment("blue", "blue", ""),
        "green": Environment("green", "green", "", params={"fit": {"depth": 4}}),
    },
    default="blue",
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blue", SideName("blue", "blue")),
        (" green ", SideName("green", "green")),
        ("@green", SideName("@green", "green", "@green")),
        ("@green.challenger", SideName("@green.challenger", "green", "@green.challenger")),
        ("1a2b", SideName("1a2b", None, "1a2b")),
        ("1a2b/ff", SideName("1a2b/ff", None, "1a2b/ff")),
        ("1a2b@green", SideName("1a2b@green", "green", "1a2b")),
        ("a=1", SideName("a=1", values={"a": "1"})),
        (
            "a=1,2, fit.b = x=y",
            SideName("a=1,2, fit.b = x=y", values={"a": "1,2", "fit.b": " x=y"}),
        ),
        ("a=1@green", SideName("a=1@green", "green", values={"a": "1"})),
        ("a=me@home", SideName("a=me@home", values={"a": "me@home"})),
        ("c/d.YAML", SideName("c/d.YAML", file=Path("c/d.YAML"))),
        ("d.toml@blue", SideName("d.toml@blue", "blue", file=Path("d.toml"))),
    ],
)
def test_side_that_is_typed_is_read(text: str, expected: SideName) -> None:
    assert read_side(text, TABLES) == expected


def test_name_without_a_table_is_what_was_promoted_to_it() -> None:
    assert read_side("staging", LEDGERS) == SideName("staging", run="@staging")
    assert read_side("@staging", LEDGERS) == SideName("@staging", run="@staging")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a side must be an environment, @ENVIRONMENT, a run id, NAME=VALUE,... or a file"),
        ("@", "the environment of a side must be one of blue, green, but got '@'"),
        ("grean", "a side must be .* but got 'grean'. Did you mean 'green'"),
        ("@grean", "environment of a side must be one of blue, green, but got '@grean'. Did you"),
        ("1a2b@grean", "a side must be .* but got '1a2b@grean'"),
        ("@grean.challenger", "must be one of blue, green, but got .* Did you mean 'green'"),
        ("@green.chalenger", "must be one of champion, challenger. Did you mean 'challenger'"),
        ("1a2b3c4d1a2b3c4d5", "a side must be"),
        ("a=1,a=2", "'a=1,a=2' gives 'a' twice: give it one value"),
    ],
)
def test_side_that_is_none_is_refused(text: str, problem: str) -> None:
    with pytest.raises(QueryError, match=problem):
        read_side(text, TABLES)


@pytest.mark.parametrize(
    ("left", "right", "names"),
    [
        ("a=1,b=2", "a=3,b=2", ("a=1", "a=3")),
        ("a=1,b=2", "b=2,c=5", ("a=1", "c=5")),
        ("a=1,b=2@blue", "a=3,b=2@green", ("a=1@blue", "a=3@green")),
        ("a=1@blue", "a=1@green", ("a=1@blue", "a=1@green")),
        ("a=1", "a=1,b=2", ("a=1", "a=1,b=2")),
        ("a=1,b=2", "blue", ("a=1,b=2", "blue")),
        ("1a2b", "blue", ("1a2b", "blue")),
        (f"a={'x' * 50}", "a=1", (f"a={'x' * 38}...", "a=1")),
    ],
)
def test_sides_are_called_by_what_tells_them_apart(
    left: str, right: str, names: tuple[str, str]
) -> None:
    here, there = (read_side(text, TABLES) for text in (left, right))
    pair = replace(here, beside=there).name, replace(there, beside=here).name
    assert pair == names
    assert here.name == read_side(left, TABLES).name


@pytest.fixture
def stores(tmp_path: Path) -> Mapping[str, ArtifactStore]:
    """A store for each environment, in which some parameter sets were judged at some dates."""
    made = {name: ArtifactStore(str(tmp_path / name)) for name in TABLES.configured}
    ran: list[tuple[str, dict[str, Any], list[date]]] = [
        ("blue", {"rows": 12}, days(4)),
        ("blue", {"rows": 12, "learning_rate": 0.2}, days(6)[2:]),
        ("green", {"rows": 12, "depth": 4}, days(5)[1:]),
    ]
    for name, values, along in ran:
        for day in along:
            list(Materializer(PIPELINE, made[name]).run(PIPELINE.params.parse(values), day))
    return made


def sides(
    stores: Mapping[str, ArtifactStore],
    common: Mapping[str, Any] = SMALL,
    first: AsOf | None = None,
    last: AsOf | None = None,
) -> Sides:
    layers = [Layer("common", common)] if common else []
    return Sides(
        PIPELINE, TABLES, lambda name: stores[name or "blue"], layers, first, last, with_files=True
    )


def opened(found: Sides, text: str) -> Side:
    return found.opened(read_side(text, TABLES))


def test_environment_is_the_parameters_that_stand_there(
    stores: Mapping[str, ArtifactStore],
) -> None:
    blue, green = (opened(sides(stores), name) for name in ("blue", "green"))
    assert (list(blue.cells), list(green.cells)) == (days(4), days(5)[1:])
    assert (blue.flat["depth"], green.flat["depth"], green.flat["rows"]) == (3, 4, 12)
    assert (blue.store, blue.environment) == (stores["blue"].uri, "blue")
    found = compare(blue, green)
    assert found.dates == days(4)[1:]
    assert found.parameters == {"depth": (3, 4)}
    assert found.verdict.startswith("On average green is better than blue: loss ")


def test_dates_are_those_that_are_asked_for(stores: Mapping[str, ArtifactStore]) -> None:
    found = opened(sides(stores, first=days(2)[1], last=days(3)[2]), "blue")
    assert list(found.cells) == days(3)[1:]
    assert f"--from {days(2)[1]} --to {days(3)[2]}" in found.command()


def test_run_is_its_parameters_at_all_dates(stores: Mapping[str, ArtifactStore]) -> None:
    cell = opened(sides(stores), "learning_rate=0.2").cells[days(6)[3]]
    by_run = opened(sides(stores), cell.run_id[:12])
    assert list(by_run.cells) == days(6)[2:]
    assert by_run.flat["learning_rate"] == 0.2
    with pytest.raises(ArtifactMissing):
        opened(sides(stores), f"{cell.run_id}@green")


def test_promoted_run_is_its_parameters_in_its_environment(
    stores: Mapping[str, ArtifactStore],
) -> None:
    with pytest.raises(ArtifactMissing, match="A run must have been promoted to 'green'"):
        opened(sides(stores), "@green")
    cell = opened(sides(stores), "green").cells[days(2)[1]]
    entry = catalog.find(stores["green"], PIPELINE, cell.run_id)
    promote(stores["green"], entry, "green")
    champion = opened(sides(stores), "@green")
    assert list(champion.cells) == days(5)[1:]
    assert champion.flat["depth"] == 4


def test_parameters_of_a_side_lie_over_those_of_both(
    stores: Mapping[str, ArtifactStore], tmp_path: Path
) -> None:
    common = {"rows": 12, "learning_rate": 0.9}
    found = sides(stores, common)
    assert list(opened(found, "learning_rate=0.2").cells) == days(6)[2:]
    file = tmp_path / "blue.yaml"
    file.write_text("fit:\n  learning_rate: 2e-1\n")
    assert list(opened(found, str(file)).cells) == days(6)[2:]
    assert opened(found, "depth=3@green").cells == {}
    assert opened(found, "depth=3@green").flat["learning_rate"] == 0.9


def test_environment_without_results_of_what_stands_is_the_only_set_that_it_has(
    stores: Mapping[str, ArtifactStore],
) -> None:
    found = opened(sides(stores, {}), "green")
    assert found.about == "the only parameter set that green has results of stands for it"
    assert list(found.cells) == days(5)[1:]
    with pytest.raises(QueryError) as refused:
        opened(sides(stores, {}), "blue")
    told = str(refused.value)
    assert "blue must have results of the parameters that stand there" in told
    assert "2 other parameter sets: name one, as " in told
    assert "@blue (4 dates)" in told
    assert "environment=blue`" in told
    only = opened(sides(stores, {}, first=days(6)[5]), "blue")
    assert only.flat["learning_rate"] == 0.2


def test_run_of_a_stage_that_knows_less_than_what_judges_is_refused(
    stores: Mapping[str, ArtifactStore],
) -> None:
    store = stores["blue"]
    record = next(catalog.entries(store, ["table"])).record
    with pytest.raises(QueryError, match="one of 'table' says nothing of fit: name one of 'score'"):
        side_of("a", PIPELINE, record, [store])
    model = next(catalog.entries(store, ["model"])).record
    assert side_of("a", PIPELINE, model, [store]).cells


def test_results_of_several_stores_are_one_side(stores: Mapping[str, ArtifactStore]) -> None:
    blue, green = stores["blue"], stores["green"]
    values = PIPELINE.params.parse({"rows": 12})
    list(Materializer(PIPELINE, green).run(values, days(6)[5]))
    record = catalog.find(blue, PIPELINE, opened(sides(stores), "blue").cells[days(1)[0]].run_id)
    found = side_of("a", PIPELINE, record.record, [green, blue])
    assert (list(found.cells), found.store) == ([*days(4), days(6)[5]], green.uri)


def test_results_that_cannot_be_read_are_told(stores: Mapping[str, ArtifactStore]) -> None:
    run_id = opened(sides(stores), "blue").cells[days(3)[2]].run_id
    entry = catalog.find(stores["blue"], PIPELINE, run_id)
    stores["blue"].overwrite(f"{entry.path}/record.json", b"{}")
    found = compare(opened(sides(stores), "blue"), opened(sides(stores), "green"))
    assert days(3)[2] not in found.dates
    assert "1 result of blue cannot be read, `ml-pipeline verify` says why" in found.cautions


def test_both_sides_are_refused_with_every_problem(stores: Mapping[str, ArtifactStore]) -> None:
    found = sides(stores)
    with pytest.raises(ParamsError) as refused:
        found.named("learning_rate=x,depth=0", "grean")
    first, second, third = refused.value.problems
    assert first.startswith("left: fit.learning_rate must be")
    assert second.startswith("left: fit.depth must be")
    assert third.startswith("right: a side must be")
    with pytest.raises(ParamsError) as refused:
        sides(stores, {"force": "true", "rows": 1}).named("blue", "green")
    assert [one.partition(" ")[0] for one in refused.value.problems] == ["run.force", "data.rows"]
    with pytest.raises(QueryError, match="the two sides must differ, but both are 'blue'"):
        found.named("blue", " blue")
    with pytest.raises(QueryError, match="parameters must be those of a side, but both sides are"):
        found.named("1a", "@blue")
    here, there = sides(stores, {}).named("1a", "@blue")
    assert (here.run, there.run) == ("1a", "@blue")

"""The card of a run, from all that the stores hold, and where something is gone."""

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ml_pipeline.leaderboard.card_page import card_markdown, card_page
from ml_pipeline.leaderboard.model_card import ModelCard, model_card
from ml_pipeline.leaderboard.page import Origin
from ml_pipeline.params.model import ParamModel
from ml_pipeline.runs.card import Card
from ml_pipeline.runs.card_sections import Section
from ml_pipeline.runs.catalog import Entry, find
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.promotion import Terms, promote
from ml_pipeline.runs.stage import Result
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Objective, Provenance
from ml_pipeline_tests.toys.sweeps import NO_OBJECTIVE, PIPELINE, Data

AROUND = Provenance(git_commit="f00", python="3.12.1", packages={"numpy": "2.0"})
DAYS = [date(2026, 1, day) for day in (5, 6, 7)]


class Made:
    """A store with three dates of one parameter set."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = ArtifactStore(str(root))
        materializer = Materializer(PIPELINE, self.store, lambda: AROUND)
        params = PIPELINE.params.parse({"learning_rate": 0.2}, origin="command line")
        self.outcomes: dict[str, Outcome] = {}
        for day in DAYS:
            self.outcomes = {o.record.asset: o for o in materializer.run(params, day)}

    def path(self, asset: str) -> str:
        outcome = self.outcomes[asset]
        return outcome.slot.revision(outcome.record.revision)

    @property
    def entry(self) -> Entry:
        return Entry(self.path("score"), self.outcomes["score"].record)

    def card(self, entry: Entry | None = None) -> ModelCard:
        return model_card(PIPELINE, self.store, entry or self.entry)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "store")


def section(card: ModelCard, title: str) -> Section:
    return next(one for one in card.sections if one.title == title)


def test_card_compares_the_run_with_all_dates_of_its_parameters(made: Made) -> None:
    card = made.card()
    metrics, by_date = section(card, "Metrics"), section(card, "Metrics by date")
    objective = made.entry.record.objective
    assert objective is not None
    row = dict(zip(metrics.columns, metrics.rows[0], strict=True))
    values = [line[1] for line in by_date.rows]
    assert (row["metric"], row["role"]) == (objective.metric, f"judged by: {objective.direction}")
    assert row["2026-01-07"] == made.entry.record.metrics[objective.metric] == values[-1]
    assert row["mean"] == pytest.approx(sum(values) / 3)
    assert (row["lowest"], row["highest"], row["dates"]) == (min(values), max(values), 3)
    assert metrics.words == (
        "Over 3 dates from 2026-01-05 to 2026-01-07: all that the store has of these parameters.",
    )
    assert by_date.rows[-1][-1] == made.entry.record.run_id
    assert section(card, "Plots").pictures[0].startswith("<svg")
    assert ("learning_rate", "0.2", "command line") in section(card, "Parameters").rows
    assert ("commit", "f00") in section(card, "Code and packages").rows
    assert section(card, "Promotions").words == ("None.",)
    assert "Missing" not in [one.title for one in card.sections]


def test_card_lists_promotions_of_all_ledgers_the_newest_first(made: Made, tmp_path: Path) -> None:
    prod = ArtifactStore(str(tmp_path / "prod"))
    promote(made.store, made.entry, "staging", Terms(note="a | b", by="ann"))
    promote(made.store, made.entry, "prod", Terms(source="staging"), prod)
    ledgers = {"": made.store, "blue": made.store, "prod": prod}
    card = model_card(PIPELINE, made.store, made.entry, ledgers)
    rows = section(card, "Promotions").rows
    assert [row[1:4] for row in rows] == [("prod", "now", "staging"), ("staging", "now", "")]
    assert rows[1][5:] == ("ann", "a | b")
    assert "a \\| b" in card_markdown(card)


@pytest.mark.parametrize("gone", ["table", "model"])
def test_card_says_what_is_gone_from_the_store(made: Made, gone: str) -> None:
    shutil.rmtree(made.root / made.path(gone))
    card = made.card()
    read = made.outcomes[gone].record
    (said,) = section(card, "Missing").words
    assert said.startswith(f"{gone}: run {read.run_id}, revision {read.revision}, is gone")
    assert (gone, read.run_id, read.revision, "gone") in [
        row[:4] for row in section(card, "Data").rows
    ]
    assert len(section(card, "Metrics by date").rows) == 3


@pytest.mark.parametrize("lacks", ["nothing", "result", "revision"])
def test_card_of_a_model_shows_no_results_of_other_dates_and_revisions(
    made: Made, lacks: str
) -> None:
    model = made.outcomes["model"].record
    if lacks == "revision":
        model = model.model_copy(update={"code": "another", "revision": "0" * 16})
    if lacks == "result":
        shutil.rmtree(made.root / made.path("score"))
    card = made.card(Entry(made.path("model"), model))
    metrics = section(card, "Metrics")
    own = [row[metrics.columns.index("2026-01-07")] for row in metrics.rows]
    said = {
        "result": "Metrics of 2026-01-07: none.",
        "revision": "Metrics of 2026-01-07: the newest result was made from another revision.",
    }
    if lacks == "nothing":
        assert own == list(made.entry.record.metrics.values())
        assert "Missing" not in [one.title for one in card.sections]
    else:
        assert set(own) == {None}
        assert said[lacks] in section(card, "Missing").words


def test_card_of_a_judged_model_shows_what_its_fit_measured(tmp_path: Path) -> None:
    pipeline, store = Pipeline("fitted", ParamModel(data=Data)), ArtifactStore(str(tmp_path))

    @pipeline.asset(code_version="1", card=Card(limits="few"))
    def model(data: Data) -> Result:
        return Result({"mean": 1.0}, {"training_loss": 0.25, "steps": 7})

    @pipeline.asset(code_version="1", objective=Objective(metric="loss", direction="minimize"))
    def score(model: dict[str, float], data: Data) -> Result:
        return Result({}, {"loss": 0.5})

    made = list(Materializer(pipeline, store).run(pipeline.params.parse({}), None))
    for outcome in made:
        entry = Entry(outcome.slot.revision(outcome.record.revision), outcome.record)
        card = model_card(pipeline, store, entry)
        assert section(card, "Metrics").rows[0][:3] == ("loss", "judged by: minimize", 0.5)
        assert section(card, "Metrics of other stages").rows == (
            ("model", "training_loss", 0.25),
            ("model", "steps", 7),
        )


def test_card_of_an_old_record_says_what_was_not_recorded(made: Made) -> None:
    file = made.root / made.entry.path / "record.json"
    old = json.loads(file.read_text())
    del old["seal"]
    for name in (
        "provenance",
        "picture",
        "pictures",
        "origins",
        "code_parts",
        "objective",
        "others",
    ):
        old.pop(name, None)
    file.write_text(json.dumps(old))
    card = made.card(find(made.store, PIPELINE, made.entry.record.run_id))
    told = " ".join(section(card, "Missing").words)
    assert "nothing was recorded of Python" in told
    assert "no commit was recorded" in told
    assert len(section(card, "Metrics by date").rows) == 2
    assert card_page(card, Origin("s", datetime(2026, 1, 1, tzinfo=UTC))).startswith("<!doctype")


def test_card_of_a_damaged_ledger_and_of_an_upstream_run_is_there(made: Made) -> None:
    promote(made.store, made.entry, "staging")
    (file,) = (made.root / ".promotions").rglob("*.json")
    file.write_text(file.read_text().replace("staging", "elsewhere"))
    table = Entry(made.path("table"), made.outcomes["table"].record)
    card = made.card(table)
    told = section(card, "Missing").words
    assert any(said.startswith("Promotions: ") for said in told)
    assert any("says nothing of fit" in said for said in told)
    assert section(card, "About").rows[0] == ("asset", "table")


def test_card_of_a_pipeline_without_dates_and_objective_has_its_metrics(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path))
    made = list(Materializer(NO_OBJECTIVE, store).run(NO_OBJECTIVE.params.parse({}), None))[-1]
    card = model_card(
        NO_OBJECTIVE, store, Entry(made.slot.revision(made.record.revision), made.record)
    )
    metrics = section(card, "Metrics")
    assert metrics.words == ()
    assert {row[0]: row[2] for row in metrics.rows} == made.record.metrics
    assert "Metrics by date" not in [one.title for one in card.sections]
    assert card.title.endswith(made.record.run_id)


def test_page_of_a_card_holds_what_the_markdown_does(made: Made) -> None:
    card = made.card()
    text = card_page(card, Origin("<store>", datetime(2026, 1, 1, tzinfo=UTC)))
    assert "<store>" not in text
    assert "src=" not in text
    assert "href=" not in text
    for one in card.sections:
        assert f">{one.title}</h2>" in text
        assert f"## {one.title}" in card_markdown(card)
        assert all(picture in text for picture in one.pictures)

"""The card beside a model: what stands in it, and that nothing depends on it."""

from datetime import date
from pathlib import Path

import pytest
from sklearn.linear_model import Ridge

from ml_pipeline.errors import PipelineError
from ml_pipeline.runs.card import Card
from ml_pipeline.runs.card_sections import Section, markdown
from ml_pipeline.runs.promotion import promote
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import CARD, ArtifactStore
from ml_pipeline.store.housekeeping import verify
from ml_pipeline_tests.toys.bench import DAY, Bench, entry_of
from ml_pipeline_tests.toys.pipeline import PARAMS, STAGES, Data, Fit, features, table


def line(features: object, fit: Fit) -> Ridge:
    """A line."""
    return Ridge(alpha=fit.learning_rate).fit([[0.0], [1.0]], [0.0, 1.0])


def with_card(card: Card | None) -> Pipeline:
    pipeline = Pipeline("toy", PARAMS)
    pipeline.asset(table)
    pipeline.asset(features)
    pipeline.asset(card=card)(line)
    return pipeline


def told(as_of: date, data: Data) -> str:
    return f"{data.rows} rows until {as_of}"


def test_model_has_a_card_beside_it_and_nothing_else_has(bench: Bench) -> None:
    made = bench.run(rows=7)
    cards = {file.relative_to(bench.root).parts[0] for file in bench.root.rglob(CARD)}
    assert cards == {"model"}
    record, outcome = made["model"].record, made["model"]
    text = (bench.root / outcome.slot.revision(record.revision) / CARD).read_text()
    assert text.startswith(f"# Model card: model {record.run_id} of 2026-01-05\n")
    for said in (
        record.revision,
        record.content.digest,
        "| rows | 7 | python |",
        "| learning\\_rate | 0.1 | default |",
        f"| features | {made['features'].record.run_id} |",
        f"| code of model | {record.code} |",
        "`card=Card(intended_use=..., limits=...)`",
        f"`ml-pipeline card {record.run_id}/{record.revision}` adds what came later",
    ):
        assert said in text
    assert [one.problem for one in verify(bench.store, STAGES)] == [None] * 4


def test_card_is_written_once_and_none_is_needed(bench: Bench) -> None:
    outcome = bench.run()["model"]
    file = bench.root / outcome.slot.revision(outcome.record.revision) / CARD
    first = file.read_bytes()
    assert all(one.reused for one in bench.run().values())
    assert file.read_bytes() == first
    file.unlink()
    assert all(one.reused for one in bench.run().values())
    assert not file.exists()


def test_card_goes_with_what_is_promoted_to_another_store(bench: Bench, tmp_path: Path) -> None:
    made = bench.run()
    other = ArtifactStore(str(tmp_path / "prod"))
    promote(bench.store, entry_of(made["score"]), "production", target=other)
    path = f"{made['model'].slot.revision(made['model'].record.revision)}/{CARD}"
    assert other.read(path) == bench.store.read(path) is not None


def test_card_says_what_its_author_states_and_counts_in_no_revision(bench: Bench) -> None:
    card = Card(intended_use="For `tests`.\n\nNot for *life*.", limits="A [line](x).", data=told)
    bench.pipeline = with_card(None)
    plain = bench.run(rows=5)["line"].record
    bench.pipeline = with_card(card)
    assert bench.run(rows=5)["line"].record == plain
    made = bench.run(rows=6)["line"]
    text = (bench.root / made.slot.revision(made.record.revision) / CARD).read_text()
    assert "For `tests`.\n\nNot for \\*life\\*.\n" in text
    assert "A \\[line\\](x)." in text
    assert "6 rows until 2026-01-05" in text


def test_card_that_fails_costs_no_computation(bench: Bench) -> None:
    def refuses(as_of: date) -> str:
        raise PipelineError(f"{as_of} has no data to tell of")

    bench.pipeline = with_card(Card(data=refuses))
    with pytest.raises(PipelineError, match="no data to tell of"):
        bench.run()
    assert not list(bench.root.rglob("model.skops"))


def test_card_that_asks_for_more_than_its_stage_is_refused() -> None:
    def more(fit: Fit) -> str:
        return str(fit)

    pipeline = Pipeline("toy", PARAMS)
    with pytest.raises(PipelineError, match="depends on, but takes fit as well"):
        pipeline.asset(card=Card(data=more))(table)


def test_markdown_of_a_card_lets_nothing_act() -> None:
    hostile = "<script>x</script> | `a` b` \x1b[31m"
    text = markdown(
        hostile, [Section("<b>", (hostile,), (hostile,), ((hostile, None),), ("<svg/>",))]
    )
    assert "<script>" not in text
    assert "\x1b" not in text
    assert text.count("![") == 1
    rows = [one for one in text.splitlines() if one.startswith("| ")]
    assert len(rows) == 3
    shown = [Section("b", pictures=("<svg/>",)), Section("c", ("d",), pictures=("<svg/>",))]
    assert markdown("a", shown, with_pictures=False) == "# a\n\n## c\n\nd\n"
    assert str(DAY) not in text

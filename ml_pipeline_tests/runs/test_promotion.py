"""Promoting runs, the ledger of it, and what the ledger protects."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from ml_pipeline.errors import (
    ArtifactDamaged,
    ArtifactMissing,
    PromotionConflict,
    PromotionRefused,
    StoreUnreachable,
)
from ml_pipeline.index.removal import removable
from ml_pipeline.runs.catalog import find, revisions
from ml_pipeline.runs.decisions import Outcome
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.runs.promotion import Promoted, Terms, obstacles, promote, roll_back
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.housekeeping import remove
from ml_pipeline.store.ledger import Promotion, add, current, history, promoted_to
from ml_pipeline_tests.toys.bench import DAY, Bench, entry_of, flip
from ml_pipeline_tests.toys.pipeline import STAGES

NOW = timedelta(0)


def promoted(bench: Bench, made: dict[str, Outcome], to: str = "production") -> Promoted:
    return promote(bench.store, entry_of(made["score"]), to)


def every_version(bench: Bench, *versions: str) -> list[dict[str, Outcome]]:
    """Run with other code of all stages each time."""
    made = []
    for version in versions:
        bench.edit(**dict.fromkeys(STAGES, version))
        made.append(bench.run())
    return made


# Promoting


def test_promote_checks_the_whole_chain_and_is_remembered(bench: Bench) -> None:
    made = bench.run()
    began = datetime.now(UTC)
    done = promote(bench.store, entry_of(made["score"]), "staging", Terms(note="looks good"))
    assert (done.is_new, done.before, done.checked) == (True, None, 4)
    record = made["score"].record
    assert (done.now.environment, done.now.number, done.now.note) == ("staging", 1, "looks good")
    assert (done.now.asset, done.now.run_id, done.now.revision) == (
        "score",
        record.run_id,
        record.revision,
    )
    assert done.now.metrics == record.metrics
    assert done.now.as_of == DAY
    assert began <= done.now.at <= datetime.now(UTC)
    assert promoted_to(bench.store, "staging") == done.now


def test_promote_again_changes_nothing(bench: Bench) -> None:
    made = bench.run()
    first = promoted(bench, made)
    again = promoted(bench, made)
    assert (again.is_new, again.now) == (False, first.now)
    assert len(history(bench.store)) == 1


def test_promote_keeps_environments_apart_and_their_order(bench: Bench) -> None:
    first, second = bench.run(), bench.run(learning_rate=0.3)
    promoted(bench, first)
    promoted(bench, second, "staging")
    assert promoted(bench, second).before == history(bench.store)[0]
    promoted(bench, first)
    assert [(one.environment, one.number, one.run_id) for one in history(bench.store)] == [
        ("production", 1, first["score"].record.run_id),
        ("production", 2, second["score"].record.run_id),
        ("production", 3, first["score"].record.run_id),
        ("staging", 1, second["score"].record.run_id),
    ]
    assert {name: one.number for name, one in current(bench.store).items()} == {
        "production": 3,
        "staging": 1,
    }


def test_promote_of_many_at_once_lets_one_win_and_tells_the_others(bench: Bench) -> None:
    made = [bench.run(learning_rate=rate / 10) for rate in range(1, 9)]
    together = Barrier(8)

    def attempt(one: dict[str, Outcome]) -> str:
        together.wait()
        try:
            # Each was compared with nothing being there.
            terms = Terms(after=0)
            return promote(bench.store, entry_of(one["score"]), "production", terms).now.run_id
        except PromotionConflict as lost:
            return str(lost)

    with ThreadPoolExecutor(8) as many:
        told = list(many.map(attempt, made))
    (entry,) = history(bench.store)
    assert told.count(entry.run_id) == 1
    assert sum("and promote again" in one for one in told) == 7


def test_promote_of_what_was_compared_with_another_champion_is_refused(bench: Bench) -> None:
    first, second = bench.run(), bench.run(learning_rate=0.3)
    promoted(bench, first)
    with pytest.raises(PromotionConflict, match=r"the environment has .* since, entry 1"):
        promote(bench.store, entry_of(second["score"]), "production", Terms(after=0))
    assert promote(bench.store, entry_of(second["score"]), "production", Terms(after=1)).is_new


def test_promote_as_a_challenger_leaves_the_champion(bench: Bench) -> None:
    first, second = bench.run(), bench.run(learning_rate=0.3)
    champion = promoted(bench, first).now
    terms = Terms(alias="challenger", flags={"share": 0.1})
    challenger = promote(bench.store, entry_of(second["score"]), "production", terms).now
    assert current(bench.store) == {"production": champion, "production.challenger": challenger}
    assert find(bench.store, bench.pipeline, "@production.challenger") == entry_of(second["score"])
    # Another share is another entry, of the same run.
    terms = Terms(alias="challenger", flags={"share": 0.5})
    again = promote(bench.store, entry_of(second["score"]), "production", terms)
    assert (again.is_new, again.now.number, again.now.flags) == (True, 2, {"share": 0.5})


# To another store


def target_of(bench: Bench) -> ArtifactStore:
    return ArtifactStore(str(bench.folder / "target"))


def test_promote_to_another_store_copies_all_that_the_run_was_made_from(bench: Bench) -> None:
    made = bench.run()
    told: list[tuple[int, int, list[str]]] = []
    target = target_of(bench)
    terms = Terms(source="staging", by="ann")

    def tell(place: int, of: int, what: str) -> None:
        told.append((place, of, what.split()[:2]))

    done = promote(bench.store, entry_of(made["score"]), "prod", terms, target, tell)
    assert (done.checked, done.copied, done.now.source, done.now.by) == (4, 4, "staging", "ann")
    assert told == [
        (place, 4, ["copy", made[name].record.asset]) for place, name in enumerate(STAGES, start=1)
    ]
    for outcome in made.values():
        path = entry_of(outcome).path
        assert target.read_record(path) == outcome.record
        assert target.read(f"{path}/record.json") == bench.store.read(f"{path}/record.json")
    assert history(bench.store) == []
    assert find(target, bench.pipeline, "@prod").record == made["score"].record
    again = promote(bench.store, entry_of(made["score"]), "prod", terms, target)
    assert (again.is_new, again.copied) == (False, 0)


def test_promote_to_a_store_that_has_other_bytes_is_refused(bench: Bench) -> None:
    bench.tell("noise-features")
    made = bench.run()
    other = Materializer(bench.pipeline, target_of(bench))
    list(other.run(bench.pipeline.params.defaults, DAY, ["table", "features"]))
    with pytest.raises(ArtifactDamaged, match="it was computed there as well"):
        promote(bench.store, entry_of(made["score"]), "prod", target=target_of(bench))
    assert history(target_of(bench)) == []


def test_promote_of_a_damaged_artifact_to_another_store_publishes_nothing(bench: Bench) -> None:
    made = bench.run()
    flip(bench.data(made["score"]))
    with pytest.raises(ArtifactDamaged, match="the bytes have changed since they were published"):
        promote(bench.store, entry_of(made["score"]), "prod", target=target_of(bench))
    assert target_of(bench).readable_record(entry_of(made["score"]).path) is None
    assert history(target_of(bench)) == []


# Going back


def test_roll_back_goes_further_back_each_time(bench: Bench) -> None:
    made = [bench.run(learning_rate=rate / 10) for rate in (1, 2, 3)]
    for one in made:
        promoted(bench, one)
    ids = [one["score"].record.run_id for one in made]
    done = roll_back(bench.store, "production", note="slow", by="ann")
    assert (done.now.run_id, done.now.number, done.now.restores) == (ids[1], 4, 2)
    assert (done.now.note, done.now.by, done.before and done.before.run_id) == (
        "slow",
        "ann",
        ids[2],
    )
    assert roll_back(bench.store, "production").now.run_id == ids[0]
    with pytest.raises(PromotionRefused, match="is the first"):
        roll_back(bench.store, "production")
    # Forward again, and back: to what was there in between.
    promoted(bench, made[2])
    assert roll_back(bench.store, "production").now.run_id == ids[0]


def test_roll_back_to_what_is_gone_or_damaged_is_refused(bench: Bench) -> None:
    first, second = bench.run(), bench.run(learning_rate=0.3)
    promoted(bench, first)
    now = promoted(bench, second).now
    flip(bench.data(first["score"]))
    with pytest.raises(ArtifactDamaged):
        roll_back(bench.store, "production")
    shutil.rmtree(bench.directory(first["score"]))
    with pytest.raises(ArtifactMissing, match=r"is gone\. Promote another run"):
        roll_back(bench.store, "production")
    assert current(bench.store)["production"] == now


def test_roll_back_of_nothing_says_what_to_do(bench: Bench) -> None:
    with pytest.raises(ArtifactMissing, match="A run must have been promoted to 'production'"):
        roll_back(bench.store, "production")


# What stands against it


def test_obstacles_are_other_code_and_other_libraries(bench: Bench) -> None:
    made = bench.run()
    entry = entry_of(made["score"])
    assert list(obstacles(bench.pipeline, bench.store, entry)) == []
    bench.edit(features="2")
    (told,) = obstacles(bench.pipeline, bench.store, entry)
    assert told.startswith("features must be made by the code that is installed here, but code")


@pytest.mark.parametrize("asset", STAGES)
def test_promote_with_damage_anywhere_is_refused(bench: Bench, asset: str) -> None:
    made = bench.run()
    flip(bench.data(made[asset]))
    with pytest.raises(ArtifactDamaged, match="the bytes have changed since they were published"):
        promoted(bench, made)
    assert history(bench.store) == []


def test_promote_with_something_gone_is_refused(bench: Bench) -> None:
    made = bench.run()
    shutil.rmtree(bench.directory(made["features"]))
    with pytest.raises(ArtifactMissing) as refused:
        promoted(bench, made)
    assert str(refused.value) == (
        f"Everything that run {made['score'].record.run_id} was made from must be there, but"
        f" {bench.directory(made['features'])} is gone. Run it again, then promote it."
    )
    assert history(bench.store) == []


def test_promote_checks_a_stage_in_every_revision_that_was_read(bench: Bench) -> None:
    first = bench.run()
    # The new table has the bytes of the old one, from which the features were made.
    bench.edit(table="2", score="2")
    second = bench.run()
    assert second["features"].record == first["features"].record
    assert promoted(bench, second).checked == 5
    flip(bench.data(first["table"]))
    with pytest.raises(ArtifactDamaged):
        promoted(bench, second, "staging")


def test_promote_of_what_was_made_from_other_bytes_is_refused(bench: Bench) -> None:
    bench.tell("noise-features")
    made = bench.run()
    bench.data(made["features"]).unlink()
    bench.run(["features"])
    with pytest.raises(ArtifactDamaged, match="was made from a 'features' with the digest"):
        promoted(bench, made)
    assert history(bench.store) == []


def test_promote_in_a_store_that_cannot_be_written_is_refused(bench: Bench) -> None:
    made = bench.run()
    (bench.root / ".promotions").write_text("a file where a folder must be")
    with pytest.raises(StoreUnreachable):
        promoted(bench, made)


def test_promote_in_memory(bench: Bench) -> None:
    store = ArtifactStore(f"memory://{bench.folder}")
    outcomes = Materializer(bench.pipeline, store).run(bench.pipeline.params.defaults, DAY)
    made = {outcome.record.asset: outcome for outcome in outcomes}
    promote(store, entry_of(made["score"]), "production")
    assert find(store, bench.pipeline, "@production") == entry_of(made["score"])


# Finding


def test_find_of_an_environment_is_the_very_revision_that_it_has(bench: Bench) -> None:
    first, second = every_version(bench, "1", "2")
    promoted(bench, first)
    assert find(bench.store, bench.pipeline, "@production") == entry_of(first["score"])
    run_id = first["score"].record.run_id
    assert find(bench.store, bench.pipeline, run_id) == entry_of(second["score"])


def test_find_of_an_environment_without_a_run_says_what_to_do(bench: Bench) -> None:
    promoted(bench, bench.run(), "staging")
    with pytest.raises(ArtifactMissing) as refused:
        find(bench.store, bench.pipeline, "@production")
    assert str(refused.value) == (
        "A run must have been promoted to 'production', but there is none (promoted to: staging)."
        " `ml-pipeline promote RUN_ID --to production` does that."
    )


def test_find_of_an_environment_that_is_misspelt_names_the_nearest(bench: Bench) -> None:
    promoted(bench, bench.run(), "production")
    with pytest.raises(ArtifactMissing, match=r"\(promoted to: production\)\. Did you mean"):
        find(bench.store, bench.pipeline, "@prod")


def test_find_of_an_environment_whose_run_is_gone_says_so(bench: Bench) -> None:
    made = bench.run()
    promoted(bench, made)
    shutil.rmtree(bench.directory(made["score"]))
    with pytest.raises(ArtifactMissing, match=r"but that is gone from .*\. Promote another\."):
        find(bench.store, bench.pipeline, "@production")


def test_find_of_an_environment_with_other_bytes_than_were_promoted_says_so(bench: Bench) -> None:
    bench.tell("noise-score")
    made = bench.run()
    promoted(bench, made)
    bench.data(made["score"]).unlink()
    mended = bench.run()
    assert mended["score"].record.content.digest != made["score"].record.content.digest
    with pytest.raises(ArtifactDamaged, match="holds other bytes for it"):
        find(bench.store, bench.pipeline, "@production")
    assert promoted(bench, mended).is_new
    assert find(bench.store, bench.pipeline, "@production") == entry_of(mended["score"])


def test_find_takes_the_beginning_of_a_revision(bench: Bench) -> None:
    first, second = every_version(bench, "1", "2")
    for made in (first, second):
        record = made["score"].record
        text = f"{record.run_id[:8]}/{record.revision[:8]}"
        assert find(bench.store, bench.pipeline, text) == entry_of(made["score"])
    # A run id that several assets share: the revision says which is meant.
    model = first["model"].record
    assert find(bench.store, bench.pipeline, f"{model.run_id}/{model.revision}").record == model


def test_find_of_a_revision_that_there_is_not_says_so(bench: Bench) -> None:
    record = bench.run()["score"].record
    with pytest.raises(ArtifactMissing) as refused:
        find(bench.store, bench.pipeline, f"{record.run_id}/0000")
    assert "and have a revision that begins with '0000', but none in" in str(refused.value)


def test_revisions_are_those_of_the_run_the_newest_first(bench: Bench) -> None:
    first, second = every_version(bench, "1", "2")
    bench.run(learning_rate=0.3)
    assert revisions(bench.store, entry_of(first["score"])) == [
        entry_of(second["score"]),
        entry_of(first["score"]),
    ]


# Keeping


def test_removable_leaves_what_environments_have_and_what_it_was_made_from(bench: Bench) -> None:
    first, second, _ = every_version(bench, "1", "2", "3")
    promoted(bench, second)
    values = bench.values(second)
    items = removable(bench.store, NOW)
    assert sorted(item.path for item in items) == sorted(entry_of(o).path for o in first.values())
    list(remove(bench.store, items))
    promoted(bench, second)
    assert bench.values(second) == values


def test_removable_leaves_what_environments_had_if_told(bench: Bench) -> None:
    first, second, third = every_version(bench, "1", "2", "3")
    promoted(bench, first)
    promoted(bench, third)
    gone = sorted(entry_of(outcome).path for outcome in second.values())
    assert sorted(item.path for item in removable(bench.store, NOW, keep_promoted=True)) == gone
    gone = sorted([*gone, *(entry_of(outcome).path for outcome in first.values())])
    assert sorted(item.path for item in removable(bench.store, NOW)) == gone


def test_remove_leaves_what_was_promoted_since_it_was_found(bench: Bench) -> None:
    first, second, _ = every_version(bench, "1", "2", "3")
    items = removable(bench.store, NOW)
    removing = remove(bench.store, items)
    gone = [next(removing)]
    kept, other = (first, second) if gone[0].path in paths(second) else (second, first)
    promoted(bench, kept)
    gone += removing
    assert {item.path for item in gone} == paths(other)
    assert find(bench.store, bench.pipeline, "@production") == entry_of(kept["score"])


def paths(made: dict[str, Outcome]) -> set[str]:
    return {entry_of(outcome).path for outcome in made.values()}


def test_removable_leaves_the_chain_of_what_is_promoted_though_its_record_is_damaged(
    bench: Bench,
) -> None:
    first, _ = every_version(bench, "1", "2")
    promoted(bench, first)
    bench.record(first["score"]).write_bytes(b"garbage")
    assert removable(bench.store, NOW) == []


def test_removable_leaves_the_revision_that_the_code_as_it_is_has_made(bench: Bench) -> None:
    _, second, _ = every_version(bench, "1", "2", "3")
    bench.edit(**dict.fromkeys(STAGES, "1"))
    codes = {name: stage.code for name, stage in bench.pipeline.stages.items()}
    items = removable(bench.store, NOW, codes=codes)
    assert {item.path for item in items} == paths(second)
    list(remove(bench.store, items))
    assert all(outcome.reused for outcome in bench.run().values())


def test_removable_leaves_the_ledger_and_what_is_left_of_a_promoted_artifact(bench: Bench) -> None:
    made = bench.run()
    promoted(bench, made)
    bench.record(made["score"]).unlink()
    assert removable(bench.store, NOW) == []


def test_removable_with_a_ledger_that_cannot_be_read_is_refused(bench: Bench) -> None:
    every_version(bench, "1", "2")
    entry = promoted(bench, bench.run()).now
    file = bench.root / f".promotions/production/{entry.number:06}.json"
    file.write_text(file.read_text()[:40])
    for ask in (lambda: removable(bench.store, NOW), lambda: history(bench.store)):
        with pytest.raises(ArtifactDamaged) as refused:
            ask()
        assert str(refused.value).startswith(f"{file} must be an entry of the ledger of promotions")


def test_add_goes_on_after_the_entries_that_there_are(bench: Bench) -> None:
    about = {"asset": "a", "run_id": "1", "revision": "2", "path": "p", "artifacts": {}}
    about |= {"as_of": None, "at": datetime.now(UTC)}
    entries: list[Promotion | None] = [None]
    for _ in range(11):
        entries.append(add(bench.store, "production", entries[-1], **about))
    numbers = [one.number for one in entries if one is not None]
    assert numbers == list(range(1, 12))
    assert [one.number for one in history(bench.store)] == numbers

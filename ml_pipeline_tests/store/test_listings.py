from pathlib import Path
from typing import Any

import pytest

from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.decider import Decider
from ml_pipeline.runs.materializer import Materializer
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.listings import Listing, listing_of
from ml_pipeline.sweeps.lookup import Lookup, Shared
from ml_pipeline.sweeps.tasks import why_of_a_trial
from ml_pipeline.sweeps.trial import Trial, key_of
from ml_pipeline_tests.toys.bench import DAY
from ml_pipeline_tests.toys.many import PIPELINE


class Counted(ArtifactStore):
    """A store that counts what it is asked, and may refuse to list."""

    asked: list[str]
    lists = True

    def read(self, path: str) -> bytes | None:
        self.asked += [] if self.listing is not None and self.listing.lacks(path) else [path]
        return super().read(path)

    def entries(self, below: str) -> Any:
        self.asked.append(f"{below}/")
        if not self.lists:
            raise StoreUnreachable("not allowed")
        return super().entries(below)


@pytest.fixture
def store(tmp_path: Path) -> Counted:
    store = Counted(f"memory://{tmp_path}")
    store.asked = []
    return store


def params(rate: int) -> ParamSet:
    return PIPELINE.params.parse({"learning_rate": rate / 1000})


def looked(store: Counted, rates: list[int]) -> list[tuple[bool, set[str]]]:
    """Look trials up, and return of each whether all is there, and what is not there at all."""
    trials = [Trial(rate, params(rate), {}, key_of(params(rate))) for rate in rates]
    cells = [(trial, DAY, Shared(is_ready=True)) for trial in trials]
    store.asked.clear()
    found = Lookup(Decider(PIPELINE, store, explain=why_of_a_trial)).cells(
        cells, list(PIPELINE.stages.values())
    )
    return [(one.is_complete, set(one.empty)) for one in found]


def test_planning_by_a_listing_asks_for_records_that_are_there_and_no_more(store: Counted) -> None:
    for rate in (1, 2):
        list(Materializer(PIPELINE, store).run(params(rate), DAY))
    list(Materializer(PIPELINE, store).run(params(3), DAY, ["model"]))
    bytes_of = [one["path"] for one in store.entries("model") if one["path"].endswith("data.json")]
    whole, nothing = (True, set()), (False, {"model", "score"})
    assert looked(store, [1, 2, 3, 4]) == [whole, whole, (False, {"score"}), nothing]
    assert len([path for path in store.asked if path.endswith("/")]) == 2
    assert len([path for path in store.asked if path.endswith("record.json")]) == 5
    for path in bytes_of:
        store.overwrite(path, b"{")
    # Records are there, and bytes of another size: nobody reuses that.
    assert [complete for complete, _ in looked(store, [1, 2, 3, 4])] == [False] * 4


def test_few_trials_and_a_store_that_cannot_be_listed_are_looked_at_one_by_one(
    store: Counted,
) -> None:
    list(Materializer(PIPELINE, store).run(params(1), DAY))
    assert looked(store, [1, 2]) == [(True, set()), (False, set())]
    assert not [path for path in store.asked if path.endswith("/")]
    store.lists = False
    assert [complete for complete, _ in looked(store, [1, 2, 3, 4])] == [True, False, False, False]


def test_listing_of_what_holds_far_more_is_given_up_for_one_of_each_shelf(store: Counted) -> None:
    for number in range(2100):
        store.overwrite(f"asset/as_of=1/run={number}/rev=0/record.json", b"12")
    for number in range(3):
        store.overwrite(f"asset/as_of=2/run={number}/rev=0/record.json", b"123")
    slots = [f"asset/as_of={day}/run={run}" for day in (1, 2) for run in range(4)]
    listing = listing_of(store, [slots])
    assert listing is not None
    assert listing.directories == {"asset/as_of=2"}
    assert store.asked == ["asset/", "asset/as_of=1/", "asset/as_of=2/"]
    assert [listing.is_empty(slot) for slot in slots] == [False] * 7 + [True]
    assert listing_of(store, [slots[:4]]) is None


def test_listing_tells_of_nothing_but_what_it_has_listed() -> None:
    listing = Listing(["a/b"], {"a/b/run=1/rev=2/data/x": 1, "a/b/run=1/rev=2/data/y/z": 2})
    assert listing.sizes_below("a/b/run=1/rev=2/data") == {"x": 1, "y/z": 2}
    assert listing.lacks("a/b/run=1/rev=2/record.json")
    assert not listing.lacks("a/bc/record.json")
    assert not listing.lacks("a/b")
    assert not listing.is_empty("a/b/run=1")
    assert listing.is_empty("a/b/run=2")
    assert not listing.is_empty("a/c/run=1")

"""Looking up what of a sweep is published already."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

from ml_pipeline.errors import MlPipelineError
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.checker import Checker
from ml_pipeline.runs.decider import Decider
from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.listings import listing_of
from ml_pipeline.store.record import Record
from ml_pipeline.sweeps.trial import Trial


@dataclass
class Shared:
    """Upstream artifacts that several trials may read.

    Attributes:
        records: by stage name, complete once they are all published.
        waiting: what needs them.
        error: why they cannot be made.
    """

    records: dict[str, Record] = field(default_factory=dict)
    waiting: list[tuple[Trial, AsOf | None]] = field(default_factory=list)
    is_ready: bool = False
    error: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether they are there, so that what is made of them can be looked up."""
        return self.is_ready and self.error is None


@dataclass
class Looked:
    """What was found of a cell.

    Attributes:
        records: what is published of it, with what it shares with others.
        is_complete: whether that is all.
        empty: names of stages of which nothing is published, whatever it was made of.
        error: why it could not be told.
    """

    records: dict[str, Record]
    is_complete: bool = False
    empty: frozenset[str] = frozenset()
    error: str | None = None


class Lookup:
    """Tells of trials what a store has already."""

    def __init__(self, decider: Decider) -> None:
        """Look up in the store of a decider."""
        self.decider = decider

    def cells(
        self, cells: Sequence[tuple[Trial, AsOf | None, Shared]], stages: Sequence[Stage]
    ) -> Iterator[Looked]:
        """Yield what there is of each cell; where a look takes long, of many at a time.

        Args:
            cells: trials and dates, with what they share with others; until that is there, nothing
                is known of them.
            stages: what is their own, in order of dependence.
        """
        looking = self._listed([cell[:2] for cell in cells if cell[2].is_known], stages)

        def look(cell: tuple[Trial, AsOf | None, Shared]) -> Looked:
            trial, as_of, shared = cell
            looked = Looked(dict(shared.records))
            if shared.is_known:
                try:
                    looked.is_complete = looking.add(stages, trial, as_of, looked.records)
                    looked.empty = looking._empty(stages, trial, as_of)
                except MlPipelineError as error:
                    looked.error = str(error)
            return looked

        # What is outside is read by a pipeline's own code, which is called by one thread alone.
        reads = any(one.reads or one.files or one.others or one.is_served for one in stages)
        return map(look, cells) if reads else self.decider.store.each(look, cells)

    def _listed(
        self, cells: Sequence[tuple[Trial, AsOf | None]], stages: Sequence[Stage]
    ) -> "Lookup":
        """Return one that has listed what is to be looked up, where a look is a request."""
        store = self.decider.store
        if store.directory is not None:
            return self
        slots = [[stage.slot(trial.params, day).path for trial, day in cells] for stage in stages]
        listing = listing_of(store, slots)
        decider = copy(self.decider)
        decider.store = store.with_listing(listing)
        return Lookup(decider)

    def _empty(self, stages: Sequence[Stage], trial: Trial, as_of: AsOf | None) -> frozenset[str]:
        """Return the names of stages of which a listing knows that nothing is published."""
        listing = self.decider.store.listing
        if listing is None:
            return frozenset()
        slots = {stage.name: stage.slot(trial.params, as_of).path for stage in stages}
        return frozenset(name for name, slot in slots.items() if listing.is_empty(slot))

    def add(
        self,
        stages: Sequence[Stage],
        trial: Trial,
        as_of: AsOf | None,
        records: dict[str, Record],
    ) -> bool:
        """Add the records of what is published; stop at the first that is not.

        Returns:
            Whether everything is.
        """
        for stage in stages:
            decision = self.decider.decide(stage, trial.params, as_of, records)
            found, lender = decision.reuse, decision.lender
            if found is not None and lender is not None:
                found = self.decider.lent(lender, decision.slot, found)
            if found is None or not self._is_cleared(stage, found, trial, as_of, records):
                return False
            # A picture is for people, and a sweep holds many records.
            records[stage.name] = found.model_copy(update={"picture": None})
        return True

    def _is_cleared(
        self,
        stage: Stage,
        found: Record,
        trial: Trial,
        as_of: AsOf | None,
        records: Mapping[str, Record],
    ) -> bool:
        """Whether checks are known to let something be made of what is published; a worker asks."""
        checker = Checker(self.decider, trial.params, as_of, "blocking")
        return checker.is_cleared(stage, found, records)

"""Finding what an environment serves: now, or when a day ended, by the ledger of promotions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from ml_pipeline.errors import ArtifactDamaged, ArtifactMissing, MlPipelineError, ServingRefused
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.layers import gathered, like
from ml_pipeline.params.model import ParamSet
from ml_pipeline.runs.catalog import Entry, lineage_by_asset
from ml_pipeline.runs.changes import changes_of_code
from ml_pipeline.runs.served import Served, ServedRun
from ml_pipeline.runs.serving_params import OF_THE_DAY, ServingParams
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store import ledger
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.ledger import Alias, Promotion
from ml_pipeline.text import quoted

SHARE: Final = "share"
"""The feature flag that says which part the challenger scores."""


@dataclass(frozen=True)
class _Opened:
    """A promoted run that was read, whichever day it is to score."""

    params: ParamSet
    labels: Mapping[str, str]
    digest: str
    made: Mapping[str, Entry | None]


@dataclass(frozen=True)
class _Chosen:
    champion: Promotion
    challenger: Promotion | None
    share: float


class Serving:
    """Finds in a store what its environment serves."""

    def __init__(self, pipeline: Pipeline, store: ArtifactStore) -> None:
        """Bring a pipeline that scores and a store together.

        Args:
            pipeline: it says which pipeline's runs it scores with.
            store: where these and the ledger are.
        """
        self.pipeline = pipeline
        self.served = pipeline.serves or pipeline
        self.store = store.with_formats(self.served.formats)
        self._known: tuple[list[str], Sequence[Promotion]] | None = None
        self._opened: dict[str, _Opened] = {}

    def at(self, params: ParamSet, as_of: AsOf | None) -> Served:
        """Return what scores a day.

        Args:
            params: of the run that scores.
            as_of: the day, or another partition.

        Raises:
            ArtifactMissing: if nothing is served, or what is served is gone.
            ServingRefused: if what is served must not score that day.
        """
        wanted = serving_params(params)
        chosen = self._chosen(wanted, as_of)
        champion = self._run(chosen.champion, wanted, as_of)
        if chosen.challenger is None:
            return Served(champion)
        return Served(champion, self._run(chosen.challenger, wanted, as_of), chosen.share)

    def problems(self, params: ParamSet) -> Iterator[str]:
        """Say why nothing could be scored on any day, as lines."""
        wanted = serving_params(params)
        try:
            if wanted.champion == OF_THE_DAY:
                self._line(self._entries())
            else:
                self._chosen(wanted, None)
        except (ArtifactMissing, ServingRefused) as error:
            yield str(error)

    def promoted(self, run_id: str) -> ServedRun | None:
        """Return a run as it was promoted to the environment last.

        Args:
            run_id: its id.

        Returns:
            None where nothing of that id was promoted, or where it is gone.
        """
        entries = self._entries()
        try:
            environment = self._line(entries)
            ours = [one for one in entries if one.environment == environment]
            # Not in the order of entries, which are by alias first.
            found = sorted((one for one in ours if one.run_id == run_id), key=lambda one: one.at)
            return self._served(found[-1], is_late=False) if found else None
        except ArtifactMissing:
            return None

    def _entries(self) -> Sequence[Promotion]:
        """Return all entries of the ledger, which are read again only where there are more."""
        names = ledger.names(self.store)
        if self._known is None or self._known[0] != names:
            self._known = names, ledger.history(self.store)
        return self._known[1]

    def _line(self, entries: Sequence[Promotion]) -> str:
        """Return the environment whose champion is meant: there is one in the ledger.

        Where no environments are configured, a ledger may have several, and nothing says which.
        """
        found = sorted({one.environment for one in entries if one.alias == ledger.CHAMPION})
        environment = self.store.environment
        if environment in found:
            return str(environment)
        if environment is None and len(found) == 1:
            return found[0]
        if environment is None and found:
            raise ServingRefused(
                f"What serves must be the champion of one environment, but {self.store.uri} has"
                f" those of {', '.join(found)}, and no environments are configured. A table"
                " [environments.NAME] for each in settings.toml says where a run is."
            )
        to = environment or "NAME"
        raise ArtifactMissing(
            f"A run of pipeline '{self.served.name}' must have been promoted"
            f"{f' to {environment!r}' if environment else ''} to score with it, but none was in"
            f" {self.store.uri}. `{self.served.typed(f'promote RUN_ID --to {to}')}` promotes one."
        )

    def _chosen(self, wanted: ServingParams, as_of: AsOf | None) -> _Chosen:
        entries = self._entries()
        environment = self._line(entries)
        until = self._end(as_of) if wanted.champion == OF_THE_DAY else None
        champion = _standing(entries, environment, "champion", until)
        if champion is None:
            first = min(one.at for one in entries if one.line == environment)
            raise ArtifactMissing(
                f"'{environment}' must have had a champion when {as_of} ended, but got its first at"
                f" {first:%Y-%m-%d %H:%M} UTC. The parameter champion=present scores with what"
                " it has now."
            )
        challenger = _standing(entries, environment, "challenger", until)
        share = self._share(wanted.share, champion, challenger)
        return _Chosen(champion, challenger if share else None, share)

    def _share(
        self, asked: float | None, champion: Promotion, challenger: Promotion | None
    ) -> float:
        """Return which part the challenger scores."""
        share: Any = asked
        said = f"share={asked}"
        for promotion in (challenger, champion):
            if share is None and promotion is not None and SHARE in promotion.flags:
                share = promotion.flags[SHARE]
                said = f"the flag {SHARE} of {promotion.alias} {promotion.run_id}"
        if share is None:
            return 0.0
        # A flag is whatever was typed; true is no number, though Python has it for one.
        if isinstance(share, bool | str) or not 0 <= share <= 1:
            raise ServingRefused(
                f"The part that the challenger scores must be a number from 0 to 1, but {said} is"
                f" {quoted(str(share))}. Promote it with another --flag {SHARE}=NUMBER, or ask for"
                " a share."
            )
        if share and challenger is None:
            promote = f"promote RUN_ID --to {champion.environment} --alias challenger"
            raise ServingRefused(
                f"A share must have a challenger that scores it, but {said} asks for {share:g}, and"
                f" '{champion.environment}' has none. `{self.served.typed(promote)}` promotes one."
            )
        return float(share)

    def _end(self, as_of: AsOf | None) -> datetime:
        """Return when a partition has ended."""
        end = self.pipeline.keys.meaning(as_of).end if as_of is not None else None
        if end is None:
            raise ServingRefused(
                f"champion={OF_THE_DAY} needs partitions of time, so that a day ends, but"
                f" {quoted(str(as_of)) if as_of is not None else 'a run without partitions'} does"
                " not. The parameter champion=present does without."
            )
        return end

    def _run(self, promotion: Promotion, wanted: ServingParams, as_of: AsOf | None) -> ServedRun:
        is_late = self._is_after(promotion.as_of, as_of)
        if is_late and not wanted.hindsight:
            raise ServingRefused(
                f"What scores {as_of} must not know later days, but {promotion.alias}"
                f" {promotion.run_id} was trained as of {promotion.as_of}. Score later days, take"
                " the champion of the day (champion=of_the_day), or mark the results as made with"
                " hindsight (hindsight=true)."
            )
        return self._served(promotion, is_late)

    def _served(self, promotion: Promotion, is_late: bool) -> ServedRun:
        opened = self._open(promotion)

        def load(asset: str) -> Any:
            return self._loaded(promotion, opened, asset)

        return ServedRun(
            promotion.alias,
            promotion.run_id,
            promotion.revision,
            promotion.as_of,
            opened.params,
            opened.labels,
            promotion.metrics,
            promotion.flags,
            promotion.at,
            is_late,
            opened.digest,
            load,
        )

    def _is_after(self, trained: AsOf | None, scored: AsOf | None) -> bool:
        """Whether something is as of a later time, as far as both are of time."""
        if trained is None or scored is None:
            return False
        if isinstance(trained, date) and isinstance(scored, date):
            return trained > scored
        try:
            first, last = (self.pipeline.keys.meaning(one).end for one in (scored, trained))
        except MlPipelineError:
            # Of other partitions than ours, of which nobody here knows when they are.
            return False
        return first is not None and last is not None and last > first

    def _open(self, promotion: Promotion) -> _Opened:
        if promotion.path not in self._opened:
            self._opened[promotion.path] = self._read(promotion)
        return self._opened[promotion.path]

    def _read(self, promotion: Promotion) -> _Opened:
        served = self.served
        if served.present_name(promotion.asset) not in served.stages:
            raise ServingRefused(
                f"The {promotion.alias} of '{promotion.environment}' must be a run of pipeline"
                f" '{served.name}', but is one of {promotion.asset}, which is no stage of it."
                " Promote a run of that pipeline."
            )
        record = self.store.read_record(promotion.path)
        if record is None:
            raise ArtifactMissing(
                f"'{promotion.line}' has run {promotion.run_id}, but that is gone from"
                f" {self.store.uri}. Promote another."
            )
        by_asset = lineage_by_asset(self.store, Entry(promotion.path, record))
        made = {served.present_name(name): entry for name, entry in by_asset.items()}
        origin = f"{promotion.line} {promotion.run_id}"
        params = gathered(served.params, [like(served.params, record.identity, origin)]).validated(
            served.params
        )
        labels = {name: str(value) for _, name, value in params.labels(served.params.scope)}
        digests = {
            name: served.reading.digest(entry.record)
            for name, entry in made.items()
            if entry is not None
        }
        return _Opened(params, labels, digest_of(digests), made)

    def _loaded(self, promotion: Promotion, opened: _Opened, asset: str) -> Any:
        stage = self.served.stage(asset)
        entry = opened.made.get(stage.name)
        if entry is None:
            raise ArtifactMissing(
                f"What {promotion.alias} {promotion.run_id} was made from must have '{asset}', but"
                f" it is gone from {self.store.uri}, or was none of it. Promote another run."
            )
        self._refuse_other_code(promotion, opened, asset)
        if entry.record.content.digest != promotion.artifacts.get(entry.path):
            raise ArtifactDamaged(
                f"{self.store.address(entry.path)} must hold what was promoted to"
                f" '{promotion.line}', but was computed again, and its code is not deterministic."
                " Promote it again."
            )
        return self.store.load_from(entry.path, entry.record)

    def _refuse_other_code(self, promotion: Promotion, opened: _Opened, asset: str) -> None:
        """Refuse a value whose inputs are made otherwise by the code that is installed here."""
        for stage in self.served.upstream_of(asset):
            entry = opened.made.get(stage.name)
            if stage.name == asset or entry is None:
                continue
            if changed := changes_of_code(entry.record, stage):
                raise ServingRefused(
                    f"'{asset}' of {promotion.alias} {promotion.run_id} wants a '{stage.name}' made"
                    f" by the code that it was trained with, but {changed[0]}. Install that code,"
                    " or train and promote a run of this one."
                )


def serving_params(params: ParamSet) -> ServingParams:
    """Return the group that says which promoted runs score."""
    return next(one for one in params.groups.values() if isinstance(one, ServingParams))


def _standing(
    entries: Sequence[Promotion], environment: str, alias: Alias, until: datetime | None
) -> Promotion | None:
    """Return what an environment has as something, now or just before a time."""
    line = ledger.line_of(environment, alias)
    found = [one for one in entries if one.line == line and (until is None or one.at < until)]
    return found[-1] if found else None

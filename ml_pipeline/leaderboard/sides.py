"""Sides of a comparison: one parameter set each, at all dates at which a store has it judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from ml_pipeline.environments import Environments
from ml_pipeline.errors import ParamsError, QueryError
from ml_pipeline.leaderboard.cells import Cell, cells_of, judged_params, recorded_params
from ml_pipeline.leaderboard.side_names import SideName, read_side
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.documents import as_mapping, read_file
from ml_pipeline.params.group import OPTIONS
from ml_pipeline.params.history import told
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.layers import Layer, gathered
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.runs import catalog
from ml_pipeline.runs.explain import command_line
from ml_pipeline.runs.keys import PLAIN, Keys
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.record import Record
from ml_pipeline.text import counted, quoted, shortened

_MOST_NAMED: Final = 3


@dataclass(frozen=True)
class Side:
    """The results of one parameter set.

    Attributes:
        name: what it is called.
        params: the values that identify it, ``{group: {field: value}}``.
        cells: what it came to, by date, in order.
        store: where the results are.
        environment: whose that is; None where none is configured, or it is this deployment's own.
        about: what else is to be said of how it was found.
        missed: how many of its results cannot be read.
        within: the first and the last date that were asked for, None where all were.
        keys: what knows the keys of the dates.
        model: tells what parameters are called.
    """

    name: str
    params: Mapping[str, Mapping[str, Any]]
    cells: Mapping[AsOf | None, Cell] = field(repr=False)
    store: str
    environment: str | None = None
    about: str = ""
    missed: int = 0
    within: tuple[AsOf | None, AsOf | None] = (None, None)
    keys: Keys = field(default=PLAIN, repr=False, compare=False)
    model: ParamModel | None = field(default=None, repr=False, compare=False)

    @cached_property
    def key(self) -> str:
        """Identity of the parameter set, apart from any date."""
        return digest_of(self.params)

    @cached_property
    def flat(self) -> dict[str, Any]:
        """The parameters by the names that people see."""
        return told(self.model, self.params)

    def command(self, days: Sequence[AsOf | None] = ()) -> str:
        """Return the command line that makes results at some dates, and at those between.

        Args:
            days: the dates in order; those that were asked for if omitted.
        """
        first, last = self.keys.ends(days) if days else self.within
        environment = {"environment": self.environment} if self.environment is not None else {}
        return command_line({**self.flat, **environment}, first, last)


def side_of(
    name: str,
    pipeline: Pipeline,
    record: Record,
    stores: Sequence[ArtifactStore],
    first: AsOf | None = None,
    last: AsOf | None = None,
    environment: str | None = None,
) -> Side:
    """Return the results of a run's parameter set.

    Args:
        name: what to call it.
        pipeline: the stages.
        record: of the run.
        stores: where results may be; of those of one date that of the first store counts.
        first: the first date wanted; all earlier ones too if omitted.
        last: the last date wanted; all later ones too if omitted.
        environment: whose the first store is, if that is to be told.

    Raises:
        QueryError: if the run is of a stage that knows less than what judges.
    """
    judge = pipeline.judge
    identity: Mapping[str, Any] = record.identity.get("params") or {}
    params = recorded_params(pipeline, record)
    lacking = [group for group in judge.scope if group not in params]
    if lacking and pipeline.present_name(record.asset) != judge.name:
        problem = (
            f"{name} must be a run that says all that '{judge.name}' depends on, but one of"
            f" '{record.asset}' says nothing of {', '.join(lacking)}: name one of '{judge.name}'"
        )
        raise QueryError([problem])
    return _side(name, pipeline, identity, params, stores, first, last, environment)


def _side(
    name: str,
    pipeline: Pipeline,
    identity: Mapping[str, Mapping[str, Any]],
    params: Mapping[str, Mapping[str, Any]],
    stores: Sequence[ArtifactStore],
    first: AsOf | None,
    last: AsOf | None,
    environment: str | None,
) -> Side:
    found: dict[AsOf | None, Cell] = {}
    missed: list[str] = []
    for store in reversed(stores):
        known = cells_of(store, pipeline, None, first, last, missed.append, identity)
        found |= {cell.as_of: cell for cell in known}
    return Side(
        name,
        params,
        {day: found[day] for day in sorted(found, key=pipeline.keys.order)},
        stores[0].uri,
        environment,
        missed=len(missed),
        within=(first, last),
        keys=pipeline.keys,
        model=pipeline.params,
    )


@dataclass(frozen=True)
class Sides:
    """Finds the sides of comparisons.

    Attributes:
        pipeline: the stages.
        environments: those that are configured.
        stores: returns the store of an environment; this deployment's own for None.
        common: values that lie below those of each side that names none or some itself.
        first: the first date wanted; all earlier ones too if None.
        last: the last date wanted; all later ones too if None.
        with_files: whether a side may be a file.
    """

    pipeline: Pipeline
    environments: Environments
    stores: Callable[[str | None], ArtifactStore]
    common: Sequence[Layer] = ()
    first: AsOf | None = None
    last: AsOf | None = None
    with_files: bool = True

    def named(self, left: str, right: str) -> tuple[SideName, SideName]:
        """Read both sides; nothing of a store is.

        Raises:
            ParamsError: naming every problem of both, values of parameters included.
        """
        found: list[SideName] = []
        wrong: dict[str, list[str]] = {}
        for which, text in (("left", left), ("right", right)):
            try:
                found.append(read_side(text, self.environments))
                self._params(found[-1])
            except ParamsError as error:
                for problem in error.problems:
                    wrong.setdefault(problem, []).append(which)
        # What is wrong with both is wrong with what they have in common.
        problems = [
            f"{sides[0]}: {problem}" if len(sides) == 1 else problem
            for problem, sides in wrong.items()
        ]
        order = self.pipeline.keys.order
        if (
            self.first is not None
            and self.last is not None
            and order(self.last) < order(self.first)
        ):
            problems.append(
                f"the first date must not be after the last, but got {self.first} and {self.last}"
            )
        if self.common and not problems and all(side.run for side in found):
            problems.append("parameters must be those of a side, but both sides are runs")
        if not problems and found[0] == found[1]:
            problems.append(f"the two sides must differ, but both are {quoted(found[0].text)}")
        if problems:
            raise QueryError(problems)
        left_name, right_name = found
        return replace(left_name, beside=right_name), replace(right_name, beside=left_name)

    def opened(self, named: SideName) -> Side:
        """Return a side with its results.

        Raises:
            ParamsError: if it stands for no parameter set, or for several.
            ArtifactMissing: if there is no such run.
            StoreUnreachable: if the store cannot be read.
        """
        store = self.stores(named.environment)
        name = named.name
        if (params := self._params(named)) is None:
            record = catalog.find(store, self.pipeline, named.run).record
            return side_of(
                name, self.pipeline, record, [store], self.first, self.last, named.environment
            )
        side = _side(
            name,
            self.pipeline,
            params.identity_values(self.pipeline.judge.scope),
            judged_params(self.pipeline, params),
            [store],
            self.first,
            self.last,
            named.environment,
        )
        # Whoever asks for parameters means these; an environment may have others.
        if side.cells or not named.is_environment or self.common:
            return side
        return self._only_one(side, store) or side

    def _only_one(self, side: Side, store: ArtifactStore) -> Side | None:
        """Return the one parameter set of an environment that has no results of those that stand.

        Raises:
            QueryError: if there are several.
        """
        by_set: dict[str, list[Cell]] = {}
        for cell in cells_of(store, self.pipeline, None, self.first, self.last):
            by_set.setdefault(cell.key, []).append(cell)
        if len(by_set) > 1:
            told = ", ".join(
                f"{cells[0].run_id}@{side.name} ({counted(len(cells), 'date')})"
                for cells in list(by_set.values())[:_MOST_NAMED]
            )
            more = f" and {len(by_set) - _MOST_NAMED} more" if len(by_set) > _MOST_NAMED else ""
            problem = (
                f"{side.name} must have results of the parameters that stand there, but has those"
                f" of {len(by_set)} other parameter sets: name one, as {told}{more}, or make them"
                f" with `{side.command()}`"
            )
            raise QueryError([problem])
        for cells in by_set.values():
            about = f"the only parameter set that {side.name} has results of stands for it"
            in_order = sorted(cells, key=lambda cell: side.keys.order(cell.as_of))
            found = {cell.as_of: cell for cell in in_order}
            return replace(side, params=cells[0].params, cells=found, about=about)
        return None

    def _params(self, named: SideName) -> ParamSet | None:
        """Return the parameters that a side names; None where it names a run.

        Raises:
            ParamsError: naming every problem with them.
        """
        if named.run:
            return None
        layers = list(self.common)
        if named.file is not None:
            if not self.with_files:
                problem = f"a side must not be a file here, but got {quoted(named.text)}"
                raise QueryError([f"{problem}: write the parameters out"])
            document = as_mapping(read_file(named.file), str(named.file))
            layers.append(Layer(shortened(named.file.name), document))
        layers.append(Layer("typed", named.values, is_typed=True))
        given = gathered(self.pipeline.params, layers)
        given.problems += [
            f"{dotted} changes no result: leave it out; NAME=VALUE@ENVIRONMENT names an environment"
            for dotted in given.origins
            if dotted.startswith(f"{OPTIONS}.")
        ]
        if given.problems:
            return given.validated(self.pipeline.params)
        # Where environments are configured, every run has what stands in its own.
        if self.environments.default is not None:
            standing = self.environments.named(named.environment)
            layers.insert(0, Layer(f"environment {standing.name}", standing.params))
        return gathered(self.pipeline.params, layers).validated(self.pipeline.params)

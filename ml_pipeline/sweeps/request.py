"""A sweep as asked for: fixed values, what to vary, and the parameter sets that come of it.

Whoever reads a sweep first reads it once and for all: a `SweepRequest` is valid, and holds its
parameter sets. Where it has to go through Dagster's run config, which is plain values, the same
process knows it again by them.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.group import OPTIONS
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.layers import SEARCH
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.settings import settings
from ml_pipeline.sweeps.combinations import Combinations, Rows, combine
from ml_pipeline.sweeps.contradictions import contradictions, placed_rows, strategy_of
from ml_pipeline.sweeps.memory import Memory, without_defaults
from ml_pipeline.sweeps.options import SearchOptions, Strategy, limited, read_options
from ml_pipeline.sweeps.probes import Probes, probe
from ml_pipeline.sweeps.space import Dimension, Interval, Values, dimension, single
from ml_pipeline.sweeps.trial import Base, Trial

_memory: Final = Memory(4)


@dataclass(frozen=True)
class SweepRequest:
    """What to sweep.

    Attributes:
        values: what it was read from: ``{group: {field: value or space}}`` and ``search``.
        base: what all trials share.
        dimensions: what to try, by dotted name, in the model's order.
        rows: listed combinations, raw values by dotted name.
        options: how to go about it.
        combinations: what the listed values come to; none of a search.
        probes: what a search may propose at its ends; empty for a grid.
    """

    values: Mapping[str, Any] = field(repr=False)
    base: Base
    dimensions: Mapping[str, Dimension]
    rows: Rows
    options: SearchOptions
    combinations: Combinations = field(default_factory=Combinations)
    probes: Probes = field(default_factory=dict)

    @classmethod
    def parse(
        cls,
        model: ParamModel,
        values: Mapping[str, Any],
        origins: Mapping[str, str] | None = None,
        problems: Iterable[str] = (),
    ) -> "SweepRequest":
        """Read and check a request; what it returns can be run.

        Args:
            model: the parameters of the pipeline.
            values: ``{group: {field: value or space}}`` and the section ``search``.
            origins: where the values came from, by dotted name.
            problems: problems found earlier, to be reported together with those found here.

        Raises:
            ParamsError: naming every problem.
        """
        found = list(problems)
        if SEARCH in model.groups:
            problem = (
                f"a sweep has a section of its own called '{SEARCH}', so no group of what is swept"
                f" can be called so: rename it, with formerly = '{SEARCH}' to keep ids"
            )
            raise ParamsError([problem])
        section = values.get(SEARCH)
        options = SearchOptions()
        try:
            options = read_options(section or {})
        except ParamsError as error:
            found += error.problems
        groups = {group: fields for group, fields in values.items() if group != SEARCH}
        fixed, dimensions, unread = _sorted_out(model, groups, found)
        if origins is None:
            origins = dict.fromkeys(fixed, "python")
        base = Base(model, fixed, origins)
        options, beyond = limited(options, fixed.get(f"{OPTIONS}.environment"))
        found += beyond
        rows, wrong = placed_rows(model, options.trials)
        typed = section if isinstance(section, Mapping) else {}
        refused = {problem.partition(" ")[0].partition("[")[0] for problem in found}
        given = [name for name in typed if f"{SEARCH}.{name}" not in refused]
        # What stands in the environment, nobody can leave out: the rows are over it.
        stands = _standing(model, fixed)
        own = [name for name, raw in fixed.items() if name not in stands or stands[name] != raw]
        found += [*wrong, *contradictions(model, own, dimensions, rows, options, given)]
        request = cls(values, base, dimensions, rows, options)
        try:
            request = request._expanded()
        except ParamsError as error:
            # What could not be read is told already; that it is missing is no news.
            lacking = tuple(f"{name} is required" for name in unread)
            found += [one for one in error.problems if not lacking or not one.startswith(lacking)]
        if found:
            raise ParamsError(list(dict.fromkeys(found)))
        _memory.keep(model, values, request)
        return request

    @classmethod
    def of_config(
        cls, model: ParamModel, config: Mapping[str, Any], origins: Mapping[str, str] | None = None
    ) -> "SweepRequest":
        """Return the request that a Dagster run's config asks for.

        Dagster fills defaults in, so only what differs from them was asked for, and it validates
        a run several times: what this process has read before is not read again.

        Args:
            model: the parameters of the pipeline.
            config: ``{group: {field: value or space}}`` and the section ``search``.
            origins: where the values came from, by dotted name; those known before if omitted.

        Raises:
            ParamsError: naming every problem.
        """
        asked = without_defaults(model, config)
        known = _memory.find(model, asked)
        if known is None:
            return cls.parse(model, asked, origins)
        return known if origins is None else known.with_origins(origins)

    def with_origins(self, origins: Mapping[str, str]) -> "SweepRequest":
        """Return the same request, its fixed values from other `origins`, by dotted name."""
        return replace(
            self,
            base=replace(self.base, origins=origins),
            combinations=self.combinations.with_origins(origins),
        )

    @property
    def environment(self) -> str | None:
        """The environment that it is in, which all trials share."""
        params = next(iter(self.representatives), None)
        return None if params is None else params.options.environment

    @property
    def strategy(self) -> Strategy:
        """The strategy, resolved."""
        return strategy_of(self.options, self.dimensions)

    @property
    def is_search(self) -> bool:
        """Whether parameter sets are sampled one after the other instead of listed."""
        return self.strategy != "grid"

    @cached_property
    def varied(self) -> Sequence[str]:
        """Dotted names of the parameters in which trials differ."""
        listed = (name for row in self.rows for name in row)
        return list(dict.fromkeys([*self.dimensions, *listed]))

    @property
    def varied_groups(self) -> frozenset[str]:
        """Names of the groups in which trials differ."""
        return frozenset(name.partition(".")[0] for name in self.varied)

    @cached_property
    def size(self) -> float:
        """How many parameter sets there are, at most; infinite where there is a continuum."""
        return math.prod(
            space.size if isinstance(space, Interval) else len(self.plain_values(name))
            for name, space in self.dimensions.items()
        )

    def trial(self, varied: Mapping[str, Any], number: int) -> Trial:
        """Validate one parameter set.

        Args:
            varied: raw values by dotted name, over the fixed ones.
            number: place in the sweep.

        Returns:
            The parameter set, and what it varies.

        Raises:
            ParamsError: naming every problem.
        """
        return self.base.trial(varied, number)

    @property
    def representatives(self) -> Iterator[ParamSet]:
        """Parameter sets that take every listed value at least once, and the ends of intervals."""
        yield from (trial.params for trial in self.combinations.trials)
        for trials in self.probes.values():
            yield from (trial.params for trial in trials)

    def plain_values(self, name: str) -> list[Any]:
        """Return the values listed for the searched parameter `name`, validated, each once."""
        values = [trial.varied[name] for trial in self.probes[name]]
        return list({digest_of(value): value for value in values}.values())

    def document(self) -> dict[str, Any]:
        """Return what is tried in JSON form, equal for requests that try the same."""
        if not self.is_search:
            return {"trials": sorted(trial.key for trial in self.combinations.trials)}
        return self.frame()

    def frame(self) -> dict[str, Any]:
        """Return what all trials share and where they differ, in JSON form."""
        params = next(iter(self.representatives))
        find = self.base.model.find
        fixed = {
            name: value
            for name, value in params.flat().items()
            if name not in self.varied
            and find(name).is_identity
            and not find(name).was_absent_as(value)
        }
        if not self.is_search:
            return {"fixed": fixed, "varied": sorted(self.varied)}
        spaces = {
            name: [space.low, space.high, space.log, space.step]
            if isinstance(space, Interval)
            else self.plain_values(name)
            for name, space in self.dimensions.items()
        }
        return {"fixed": fixed, "space": spaces}

    def _expanded(self) -> "SweepRequest":
        """Return the request with its parameter sets, or as far as it can be searched, its probes.

        Raises:
            ParamsError: naming every problem with values.
        """
        listed = {
            name: space.values
            for name, space in self.dimensions.items()
            if isinstance(space, Values)
        }
        if not self.is_search or self.rows or not self.dimensions:
            return replace(self, combinations=combine(self.base, listed, self.rows, self.options))
        return replace(self, probes=probe(self.base, self.dimensions, self.options.skip_invalid))


def _standing(model: ParamModel, fixed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the raw values that stand in the environment of a sweep, by dotted name."""
    known = settings().environments
    named = fixed.get(f"{OPTIONS}.environment")
    if named is not None and named not in known.configured:
        return {}  # which is refused elsewhere
    return model.placed(known.named(named).params)[0] if known.configured else {}


def _sorted_out(
    model: ParamModel, values: Mapping[str, Any], problems: list[str]
) -> tuple[dict[str, Any], dict[str, Dimension], list[str]]:
    """Tell plain values from spaces.

    Returns:
        The plain values and the spaces by dotted name, and the names of what is meant as a space
        and is none.
    """
    fixed: dict[str, Any] = {}
    dimensions: dict[str, Dimension] = {}
    unread = []
    placed, wrong = model.placed_by_group(values)
    problems += wrong
    for dotted, raw in placed.items():
        parameter = model.find(dotted)
        try:
            space = dimension(parameter, raw)
            if space is None:
                fixed[dotted] = single(parameter, raw)
            else:
                dimensions[dotted] = space
        except ParamsError as error:
            problems += error.problems
            unread.append(dotted)
    ordered = {p.dotted: dimensions[p.dotted] for p in model.parameters() if p.dotted in dimensions}
    return fixed, ordered, unread

"""A sweep as asked for: fixed values, what to vary, and the parameter sets that come of it."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from ml_pipeline.errors import ParamsError
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.layers import SEARCH
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.store.slots import slot_for
from ml_pipeline.sweeps.options import SearchOptions, Strategy, missing_package, search_options
from ml_pipeline.sweeps.space import Dimension, Interval, Values, dimension, single

ORIGIN: Final = "sweep"

_MOST_CORNERS: Final = 256

Nested = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Trial:
    """One parameter set of a sweep.

    Attributes:
        number: place in the sweep, from 0.
        params: values of all parameters.
        varied: the values that make it differ from its neighbours, by dotted name.
        key: its identity apart from any date: 16 hexadecimal digits.
    """

    number: int
    params: ParamSet
    varied: Mapping[str, Any]
    key: str


@dataclass(frozen=True)
class Combinations:
    """What the listed values come to.

    Attributes:
        asked: number of combinations.
        trials: the valid ones, no two alike.
        duplicates: how many were the same as an earlier one.
        invalid: how many are not valid.
        problems: why they are not, with how many each concerns.
    """

    asked: int
    trials: Sequence[Trial]
    duplicates: int
    invalid: int
    problems: Mapping[str, int]


@dataclass(frozen=True)
class SweepRequest:
    """What to sweep.

    Attributes:
        model: the parameters of the pipeline.
        fixed: raw values that all trials share, ``{group: {field: value}}``.
        dimensions: what to try, by dotted name.
        options: how to go about it.
        origins: where the fixed values came from, by dotted name.
    """

    model: ParamModel = field(repr=False)
    fixed: Nested
    dimensions: Mapping[str, Dimension]
    options: SearchOptions
    origins: Mapping[str, str] = field(default_factory=dict)

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
        given = {group: fields for group, fields in values.items() if group != SEARCH}
        options = SearchOptions()
        try:
            options = search_options(values.get(SEARCH) or {})
        except ParamsError as error:
            found += error.problems
        fixed: dict[str, dict[str, Any]] = {}
        dimensions: dict[str, Dimension] = {}
        for group, fields in given.items():
            if not isinstance(fields, Mapping | None):
                found += _problems_with(model, {group: fields})
                continue
            fixed[group] = {}
            for name, raw in (fields or {}).items():
                try:
                    parameter = model.find(f"{group}.{name}")
                    space = dimension(parameter, raw)
                except ParamsError as error:
                    # Names are the model's to complain of, together with all others.
                    if group in model.groups and name in {
                        known.name for known in model.parameters(group)
                    }:
                        found += error.problems
                    else:
                        fixed[group][name] = raw
                    continue
                if space is None:
                    fixed[group][name] = single(parameter, raw)
                else:
                    dimensions[parameter.dotted] = space
        if origins is None:
            origins = {
                f"{group}.{name}": "python" for group, fields in fixed.items() for name in fields
            }
        request = cls(model, fixed, dimensions, options, origins)
        found += request._contradictions()
        if found:
            raise ParamsError([*found, *request._problems_with_fixed()])
        if request.is_search:
            if (lacking := missing_package(request.strategy)) is not None:
                raise ParamsError([lacking])
            request._check_ends()
        else:
            _ = request.combinations
        return request

    @property
    def strategy(self) -> Strategy:
        """The strategy, resolved."""
        has_interval = any(isinstance(space, Interval) for space in self.dimensions.values())
        return self.options.strategy or ("tpe" if has_interval else "grid")

    @property
    def is_search(self) -> bool:
        """Whether parameter sets are sampled one after the other instead of listed."""
        return self.strategy != "grid"

    @cached_property
    def varied(self) -> Sequence[str]:
        """Dotted names of the parameters in which trials differ."""
        listed = (name for row in self._rows for name in row)
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

    @cached_property
    def combinations(self) -> Combinations:
        """All combinations of the listed values.

        Raises:
            ParamsError: if there are too many, or some are not valid and may not be left out.
        """
        asked = math.prod(len(values) for values in self._listed().values())
        asked *= max(1, len(self._rows))
        if asked > self.options.max_trials:
            sizes = [f"{name} {len(values)}" for name, values in self._listed().items()]
            if self._rows:
                sizes.append(f"trials {len(self._rows)}")
            problem = (
                f"a sweep may have at most {self.options.max_trials} combinations, but this one"
                f" has {asked} ({' x '.join(sizes)}): list fewer values, choose a search"
                f" strategy, or set max_trials={asked}"
            )
            raise ParamsError([problem])
        trials: dict[str, Trial] = {}
        invalid, duplicates = 0, 0
        problems: dict[str, int] = {}
        for varied in self._assignments():
            try:
                trial = self.trial(varied, len(trials))
            except ParamsError as error:
                invalid += 1
                for problem in error.problems:
                    problems[problem] = problems.get(problem, 0) + 1
                continue
            if trial.key in trials:
                duplicates += 1
            else:
                trials[trial.key] = trial
        if problems and not (self.options.skip_invalid and trials):
            raise ParamsError(
                [
                    problem if count == asked else f"{problem} ({count} of {asked} combinations)"
                    for problem, count in problems.items()
                ]
            )
        return Combinations(asked, list(trials.values()), duplicates, invalid, problems)

    def trial(self, varied: Mapping[str, Any], number: int) -> Trial:
        """Validate one parameter set.

        Args:
            varied: raw values by dotted name, over the fixed ones.
            number: place in the sweep.

        Raises:
            ParamsError: naming every problem.
        """
        nested = {group: dict(fields) for group, fields in self.fixed.items()}
        for dotted, value in varied.items():
            group, _, name = dotted.partition(".")
            nested.setdefault(group, {})[name] = value
        origins = {**self.origins, **dict.fromkeys(varied, ORIGIN)}
        params = self.model.validate(nested, origins=origins)
        values = params.values()
        varied = {dotted: _at(values, dotted) for dotted in varied}
        return Trial(number, params, varied, key_of(params))

    @property
    def representatives(self) -> Iterator[ParamSet]:
        """Parameter sets that take every listed value at least once, and the ends of intervals."""
        if not self.is_search:
            yield from (trial.params for trial in self.combinations.trials)
        for name in self.dimensions if self.is_search else ():
            yield from (trial.params for trial in self._valid[name])

    def plain_values(self, name: str) -> list[Any]:
        """Return the values of a searched parameter that are listed, validated, each once."""
        values = [trial.varied[name] for trial in self._valid[name]]
        return list({digest_of(value): value for value in values}.values())

    def document(self) -> dict[str, Any]:
        """Return what is tried in JSON form, equal for requests that try the same."""
        if not self.is_search:
            return {"trials": sorted(trial.key for trial in self.combinations.trials)}
        return self.frame()

    def frame(self) -> dict[str, Any]:
        """Return what all trials share and where they differ, in JSON form.

        Listed combinations may become more without changing it; what is searched may not.
        """
        params = next(iter(self.representatives))
        fixed = {
            f"{group}.{name}": value
            for group, values in params.identity_values(self.model.scope).items()
            for name, value in values.items()
            if f"{group}.{name}" not in self.varied
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

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        """The listed combinations as raw values by dotted name."""
        placed = (self.model.placed(row)[0] for row in self.options.trials)
        return [
            {name: single(self.model.find(name), raw) for name, raw in row.items()}
            for row in placed
        ]

    def _listed(self) -> dict[str, tuple[Any, ...]]:
        return {
            name: space.values
            for name, space in self.dimensions.items()
            if isinstance(space, Values)
        }

    def _assignments(self) -> Iterator[dict[str, Any]]:
        listed = self._listed()
        for row in self._rows or [{}]:
            for values in itertools.product(*listed.values()):
                yield {**row, **dict(zip(listed, values, strict=True))}

    def _contradictions(self) -> list[str]:
        problems = []
        for name, space in self.dimensions.items():
            if isinstance(space, Interval) and self.options.strategy == "grid":
                short = self.model.find(name).name
                problems.append(
                    f"{name} is an interval, which a grid cannot try: list values, like"
                    f" {short}=linspace({space.low:g},{space.high:g},5), or choose strategy tpe or"
                    " random"
                )
        for place, row in enumerate(self.options.trials):
            found = self.model.placed({str(name): raw for name, raw in row.items()})[1]
            problems += [f"search.trials[{place}]: {problem}" for problem in found]
        if problems:
            return problems
        problems = [
            f"{name} cannot be swept: it does not change what is computed"
            for name in self.varied
            if not self.model.find(name).is_identity
        ]
        rows = {name for row in self._rows for name in row}
        # The launchpad fills defaults in: only what differs was meant.
        given = {
            f"{group}.{name}"
            for group, fields in self.fixed.items()
            for name, raw in fields.items()
            if f"{group}.{name}" in rows and raw != self.model.find(name).default
        }
        problems += [
            f"{name} is set in search.trials and beside it: leave it out in one place"
            for name in sorted(given | (rows & set(self.dimensions)))
        ]
        if self.options.trials and self.is_search:
            problems.append(
                "search.trials are listed combinations: leave the strategy out, and intervals, too"
            )
        if self.is_search and not self.dimensions:
            problems.append(
                f"strategy {self.strategy} needs something to vary: give a parameter several values"
                " or an interval, like learning_rate=log[1e-3..1]"
            )
        return problems

    def _problems_with_fixed(self) -> list[str]:
        """Return what is wrong with the plain values, to report it with what was found before."""
        varied = tuple(f"{name} is required" for name in self.varied)
        found = _problems_with(self.model, self.fixed)
        return [problem for problem in found if not problem.startswith(varied)]

    def _check_ends(self) -> None:
        """Check both ends of every interval and every listed value, before anything is sampled."""
        problems = [problem for found in self._tried.values() for problem in found[1]]
        is_nothing_left = not all(self._valid.values())
        if problems and (is_nothing_left or not self.options.skip_invalid):
            raise ParamsError(list(dict.fromkeys(problems)))

    @cached_property
    def _valid(self) -> Mapping[str, Sequence[Trial]]:
        """A valid trial for each listed value and each end of an interval, by dotted name."""
        return {name: found[0] for name, found in self._tried.items()}

    @cached_property
    def _tried(self) -> Mapping[str, tuple[list[Trial], list[str]]]:
        """For every dimension, valid trials that take each of its values, and what is wrong."""
        tried: dict[str, tuple[list[Trial], list[str]]] = {}
        for name, space in self.dimensions.items():
            trials, problems = tried[name] = [], []
            for value in _ends(space):
                found = self._with(name, value)
                if isinstance(found, Trial):
                    trials.append(found)
                else:
                    problems += found.problems
        return tried

    def _with(self, name: str, value: Any) -> Trial | ParamsError:
        """Return a valid trial that has a value, whatever the others are, or what is wrong."""
        others = {other: _ends(space) for other, space in self.dimensions.items() if other != name}
        wrong: list[ParamsError] = []
        for values in itertools.islice(itertools.product(*others.values()), _MOST_CORNERS):
            try:
                return self.trial({name: value, **dict(zip(others, values, strict=True))}, 0)
            except ParamsError as error:
                wrong.append(error)
        return wrong[0]


def _problems_with(model: ParamModel, values: Mapping[str, Any]) -> Sequence[str]:
    try:
        model.validate(values)
    except ParamsError as error:
        return error.problems
    return ()


def key_of(params: ParamSet) -> str:
    """Return the identity of a parameter set apart from any date."""
    return slot_for("", params, params.model.scope, None).run_id


def _at(values: Nested, dotted: str) -> Any:
    group, _, name = dotted.partition(".")
    return values[group][name]


def _ends(space: Dimension) -> tuple[Any, ...]:
    if isinstance(space, Values):
        return space.values
    return tuple(int(end) if space.whole else end for end in (space.low, space.high))

"""Stages: functions that make one asset each, joined into a pipeline by their signatures.

    pipeline = Pipeline("forecast", ParamModel(data=DataParams, training=TrainingParams))

    @pipeline.asset
    def table(as_of: date, data: DataParams) -> pl.DataFrame: ...

    @pipeline.asset
    def model(table: pl.DataFrame, training: TrainingParams) -> Ridge: ...

The signature is the scope. An argument annotated with a parameter group gets that group, one named
``as_of`` gets the date, and any other is the asset of that name. A stage depends on its own groups
and on those of everything upstream, and on nothing else.
"""

import copy
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, Unpack, cast, overload

from ml_pipeline.code.fingerprint import fingerprint_of
from ml_pipeline.current import in_environment
from ml_pipeline.errors import ParamsError, PipelineError
from ml_pipeline.invocation import typed
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.limits import beyond_limits
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.runs.calls import refuse_generator
from ml_pipeline.runs.checks import CheckOptions, check_of
from ml_pipeline.runs.column import Columns
from ml_pipeline.runs.keys import PLAIN, Keys
from ml_pipeline.runs.options import NO_EXTRAS, Extras, StageOptions, refuse_unknown
from ml_pipeline.runs.reading import Reading
from ml_pipeline.runs.serving_params import serving_group
from ml_pipeline.runs.signature import (
    AS_OF,
    refuse_thresholds,
    returned_by,
    signature_before_assets,
    signature_of,
)
from ml_pipeline.runs.stage import Result, Stage
from ml_pipeline.runs.stage_set import StageSet
from ml_pipeline.runs.surroundings import declared_files, declared_versions, several, with_versions
from ml_pipeline.settings import settings
from ml_pipeline.store.formats import Format, Formats
from ml_pipeline.store.record import Objective
from ml_pipeline.store.slots import Slot, slot_for

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")


class Pipeline(StageSet):
    """Stages in order of dependence, and the parameters that they share."""

    def __init__(
        self,
        name: str,
        params: ParamModel,
        *,
        formats: Iterable[Format] = (),
        trusted: Iterable[Callable[..., Any]] = (),
        first_party: Iterable[str] = (),
        unready: Callable[[ParamSet], Iterable[str]] = lambda _params: (),
        prefixed: bool = False,
        serves: "Pipeline | None" = None,
    ) -> None:
        """Start a pipeline without stages.

        Args:
            name: letters, digits and underscores; names the Dagster step that runs the stages.
            params: all parameter groups.
            formats: how values of one's own are kept; asked before the built-in formats.
            trusted: classes and functions of one's own that a stored model may hold, such as an
                own transformer in a scikit-learn pipeline. Loading a model makes them.
            first_party: modules and packages whose code counts wherever they are installed; by
                default the top-level package or module of each stage. What is not installed but
                imported from a folder counts in any case.
            unready: says why a run of given parameters could not even begin, such as outside data
                that is not there; it is asked before there is a run, so it has to be quick.
            prefixed: whether the block `params` of run config, the assets `sweep`, `leaderboard`
                and `comparison` and the job `run_pipeline` have the pipeline's name before theirs,
                as in `houses_params`: where a code location has others of these names. One that
                serves another is.
            serves: the pipeline whose promoted runs stages score with, as arguments that are
                annotated with `Served`; one of the groups is `ServingParams` then.

        Raises:
            PipelineError: if two formats have one name, something cannot be trusted by name, the
                code of one of them cannot be found, or what serves has no `ServingParams`.
        """
        self.name = name
        self.params = params
        self.formats = Formats(tuple(formats), tuple(trusted))
        self.first_party = tuple(several(f"first_party of pipeline '{name}'", first_party))
        self.reading = Reading(self.formats, self.first_party)
        self.stages: dict[str, Stage] = {}
        self.is_prefixed = prefixed or serves is not None
        self.serves = serves
        self._serving_group = serving_group(name, params, serves is not None)
        self.served_by: list[Pipeline] = []
        if serves is not None:
            params.stands_beside(serves.params)
            serves.served_by.append(self)
        self.keys: Keys = PLAIN
        self.declared = self
        self._unready = unready

    def with_keys(self, keys: Keys) -> "Pipeline":
        """Return this pipeline with partitions: the same stages, which know what keys stand for.

        What was declared stays as it is, and is `declared` of what is returned.
        """
        bound = copy.copy(self)
        bound.keys = keys
        bound.stages = {name: replace(stage, keys=keys) for name, stage in self.stages.items()}
        return bound

    def typed(self, words: str) -> str:
        """Return a command as it has to be typed for this pipeline, which others may stand beside.

        Args:
            words: all but the program, such as ``params --json``.
        """
        is_alone = self.serves is None and not self.served_by
        return typed(words, None if is_alone else self.name, is_usual=self.serves is None)

    def with_unready(self, more: Callable[[ParamSet], Iterable[str]]) -> "Pipeline":
        """Return this pipeline with one more reason why a run could not even begin."""
        bound, known = copy.copy(self), self._unready
        bound._unready = lambda params: [*known(params), *more(params)]
        return bound

    def refuse_unready(self, *sets: ParamSet) -> None:
        """Refuse parameters whose run could not even begin.

        Raises:
            ParamsError: naming every reason.
        """
        problems: list[str] = []
        for params in sets:
            name = params.options.environment
            if (refusal := settings().environments.refusal(name)) is not None:
                problems.append(f"run.environment {refusal}")
            problems += beyond_limits(params)
            with in_environment(name):
                problems += self._unready(params)
        if problems:
            raise ParamsError(list(dict.fromkeys(problems)))

    @overload
    def asset(self, function: F, /) -> F: ...

    @overload
    def asset(self, /, **options: Unpack[StageOptions]) -> Callable[[F], F]: ...

    def asset(self, function: Any = None, /, **options: Any) -> Any:
        """Make a function a stage of this pipeline; the function itself is returned unchanged.

        Args:
            function: computes the asset for one date; its name is the asset's.
            **options: those of `StageOptions`.

        Raises:
            PipelineError: if an argument names no earlier stage and has no group's type, a declared
                package or file is missing, an option does not exist, or nobody could tell when the
                function changes.
        """

        def add(function: F) -> F:
            refuse_unknown(function.__name__, options, StageOptions.__annotations__)
            self.add(function, cast("StageOptions", options))
            return function

        return add if function is None else add(function)

    def add(
        self, function: Callable[..., Any], options: StageOptions, extras: Extras = NO_EXTRAS
    ) -> None:
        """Make a function a stage, as `asset` does.

        Args:
            function: computes the asset for one date.
            options: what is said of it.
            extras: what others add.

        Raises:
            PipelineError: as `asset` does.
        """
        name = function.__name__
        if name in self.stages:
            raise PipelineError(f"'{name}' is already an asset of pipeline '{self.name}'.")
        if name == AS_OF:
            raise PipelineError(f"'{AS_OF}' is the date and cannot be an asset.")
        earlier = options.get("renamed_from", ())
        former = (earlier,) if isinstance(earlier, str) else tuple(earlier)
        taken = {*self.stages, *self.former, name}
        again = [*(one for one in former if one in taken), *({name} & self.former.keys())]
        if again:
            raise PipelineError(
                f"'{again[0]}' must be the name of one asset of pipeline '{self.name}', now and"
                " before. Choose another for the new one."
            )
        refuse_generator(function)
        signature = signature_of(function, self.name, self.params, self.stages, extras)
        returned = returned_by(function)
        if returned is Result:
            returned = Any
        self.formats.refuse_annotation(returned, name)
        own = set(signature.groups.values())
        reads, objective = options.get("reads"), options.get("objective")
        of_groups = partial(signature_before_assets, self.name, self.params, self.stages)
        of_reads = Extras(provide=extras.provide_reads)
        reads_signature = of_groups(reads, "it tells what outside data holds", of_reads)
        if reads_signature is not None:
            own |= set(reads_signature.groups.values())
        judged_by = None if isinstance(objective, Objective) else objective
        judged_by_signature = of_groups(judged_by, "it tells what runs are compared by")
        asks = [one for one in (signature, reads_signature) if one is not None]
        if any(one.asks_ledger for one in asks):
            if self._serving_group is None:
                raise PipelineError(
                    f"'{name}' takes what is served, so pipeline '{self.name}' must say whose"
                    " promoted runs these are: Pipeline(..., serves=...)."
                )
            own.add(self._serving_group)
        earlier = [name for one in asks for name in one.earlier.values()]
        for upstream in [*signature.inputs.values(), *earlier, *extras.after]:
            own |= set(self.stages[upstream].scope)
        refuse_thresholds(name, own, self.params)
        card = options.get("card")
        seen = card.data if card is not None else None
        card_signature = of_groups(seen, "it tells in words which data a model has seen")
        columns = options.get("columns")
        tells = columns if callable(columns) else None
        columns_signature = of_groups(tells, "it tells what columns are")
        for what, asks_for in (
            ("the data of the card", card_signature),
            ("the columns", columns_signature),
        ):
            besides_scope = set(asks_for.groups.values()) - own if asks_for else set()
            if besides_scope:
                raise PipelineError(
                    f"What tells {what} of '{name}' must take groups that '{name}' depends on, but"
                    f" takes {', '.join(sorted(besides_scope))} as well. Leave it out."
                )
        doc, prefix = inspect.getdoc(function) or "", options.get("key_prefix", ())
        # How a value is written counts for the stage that makes it; which stage that is, nobody
        # can tell before. What reads a value counts with the inputs, as does what is trusted.
        besides = [type(one) for one in self.formats.own]
        code_version = options.get("code_version")
        fingerprint = None if code_version else fingerprint_of(function, self.first_party, besides)
        versions = declared_versions(name, options.get("packages", ()))
        code = fingerprint.digest if fingerprint else str(code_version)
        self._know(returned)
        made = Stage(
            name=name,
            function=function,
            code=with_versions(code, versions),
            reading=self.reading,
            fingerprint=fingerprint,
            first_party=self.first_party,
            packages=versions,
            files=declared_files(name, function, options.get("files", ())),
            signature=signature,
            scope=tuple(group for group in self.params.groups if group in own),
            reads=reads,
            reads_signature=reads_signature,
            judged_by=objective,
            judged_by_signature=judged_by_signature,
            card=card,
            card_signature=card_signature,
            columns=columns,
            columns_signature=columns_signature,
            description=options.get("description") or doc.partition("\n")[0] or None,
            kinds=frozenset(options.get("kinds", ())),
            group=options.get("group"),
            owners=tuple(several(f"owners of '{name}'", options.get("owners", ()))),
            tags=dict(options.get("tags") or {}),
            key_prefix=(prefix,) if isinstance(prefix, str) else tuple(prefix),
            former=former,
            extras=extras,
        )
        if columns is not None and tells is None:
            made.refuse_columns(cast("Columns", columns))
        self.stages[name] = made

    def asset_check(
        self, asset: str | Callable[..., Any], /, **options: Unpack[CheckOptions]
    ) -> Callable[[C], C]:
        """Make a function, or a schema of pandera, a check of an asset; it is returned unchanged.

        Args:
            asset: name of the stage that it is about, or its function.
            **options: those of `CheckOptions`.

        Raises:
            PipelineError: if there is no such stage, it has a check of that name, an option does
                not fit, or an argument names nothing.
        """
        module = sys._getframe(1).f_globals.get("__name__", "")

        def add(judged: C) -> C:
            stage = self.stage(asset if isinstance(asset, str) else asset.__name__)
            takes = (self.name, self.params, [one.name for one in self.upstream_of(stage.name)])
            made = check_of(judged, stage, module, takes, options, self.first_party)
            self.stages[stage.name] = replace(stage, checks=(*stage.checks, made))
            return judged

        return add

    def _know(self, returned: Any) -> None:
        """Let values be of the classes that a stage says that it returns."""
        formats = self.formats.returning(returned)
        if formats is not self.formats:
            self.reading = Reading(formats, self.first_party)
            self.formats = formats

    def run_slot(self, params: ParamSet, as_of: AsOf | None) -> Slot:
        """Return the slot of a whole run: its id is that of all parameters together."""
        return slot_for(self.name, params, self.params.scope, as_of)

    def result_of(self, stage: str, value: Any) -> Result:
        """Return what a stage has returned as a result.

        Args:
            stage: its name.
            value: what it returned.

        Raises:
            PipelineError: if that is no value that anybody could keep.
        """
        if isinstance(value, Iterator):
            raise PipelineError(
                f"'{stage}' must return one value, which is kept, but returned a"
                f" {type(value).__name__}, which can be read once. Return a list or a table."
            )
        return value if isinstance(value, Result) else Result(value)

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

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, TypeVar, overload

from ml_pipeline.code.fingerprint import fingerprint_of
from ml_pipeline.errors import PipelineError, nearest
from ml_pipeline.params.group import ParamGroup
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.store.formats import Format, Formats
from ml_pipeline.store.record import Objective
from ml_pipeline.store.slots import Slot, slot_for

_BY_NAME: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD
_ONLY_BY_NAME: Final = inspect.Parameter.KEYWORD_ONLY
AS_OF: Final = "as_of"

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Result:
    """A value together with what should be shown about it.

    Return it from a stage instead of the bare value.

    Attributes:
        value: what is kept in the store.
        metrics: numbers that tell how good the value is; recorded, listed and compared.
        picture: an SVG to show in the UI beside the numbers.
    """

    value: Any
    metrics: Mapping[str, float] = field(default_factory=dict)
    picture: str | None = None


@dataclass(frozen=True)
class Signature:
    """What the arguments of a function ask for.

    Attributes:
        groups: parameter group by argument.
        inputs: stage by argument.
        lazy: arguments that want a deferred frame.
        takes_date: whether there is an argument ``as_of``.
    """

    groups: Mapping[str, str]
    inputs: Mapping[str, str]
    lazy: frozenset[str]
    takes_date: bool

    def arguments(self, params: ParamSet, as_of: date | None) -> dict[str, Any]:
        """Return the arguments that do not come from upstream."""
        given: dict[str, Any] = {arg: params.groups[group] for arg, group in self.groups.items()}
        if self.takes_date:
            given[AS_OF] = as_of
        return given


@dataclass(frozen=True)
class Stage:
    """One asset of a pipeline: how it is computed and what it depends on.

    Attributes:
        name: name of the asset.
        function: computes it for one date.
        code: declared version, or fingerprint of the function and what it reaches, taken when the
            stage was defined: what a later edit says is not what this process runs.
        signature: what the function asks for.
        scope: groups that the asset depends on, in the model's order.
        reads: returns the digest of outside data that the function reads, if it reads any.
        judged_by: the objective of the asset's metrics, or what returns it for given groups.
        description: what the asset is.
        kinds: Dagster's kind tags.
    """

    name: str
    function: Callable[..., Any]
    code: str
    signature: Signature
    scope: tuple[str, ...]
    reads: Callable[..., str] | None = None
    reads_signature: Signature | None = None
    judged_by: Objective | Callable[..., Objective] | None = None
    judged_by_signature: Signature | None = None
    description: str | None = None
    kinds: frozenset[str] = frozenset()

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of the stages that this one reads."""
        return tuple(self.signature.inputs.values())

    def slot(self, params: ParamSet, as_of: date | None) -> Slot:
        """Return where the asset lives for given parameters."""
        return slot_for(self.name, params, self.scope, as_of)

    def external(self, params: ParamSet, as_of: date | None) -> str | None:
        """Return the digest of the outside data that the stage would read now."""
        if self.reads is None or self.reads_signature is None:
            return None
        return self.reads(**self.reads_signature.arguments(params, as_of))

    def objective(self, params: ParamSet) -> Objective | None:
        """Return what results of the asset are compared by, if it is judged at all."""
        if self.judged_by is None or isinstance(self.judged_by, Objective):
            return self.judged_by
        signature = self.judged_by_signature
        return self.judged_by(**signature.arguments(params, None)) if signature else None


class Pipeline:
    """Stages in order of dependence, and the parameters that they share."""

    def __init__(
        self,
        name: str,
        params: ParamModel,
        *,
        formats: Iterable[Format] = (),
        trusted: Iterable[Callable[..., Any]] = (),
    ) -> None:
        """Start a pipeline without stages.

        Args:
            name: letters, digits and underscores; names the Dagster step that runs the stages.
            params: all parameter groups.
            formats: how values of one's own are kept; asked before the built-in formats.
            trusted: classes and functions of one's own that a stored model may hold, such as an
                own transformer in a scikit-learn pipeline. Loading a model makes them.

        Raises:
            PipelineError: if two formats have one name, or something cannot be trusted by name.
        """
        self.name = name
        self.params = params
        self.formats = Formats(tuple(formats), tuple(trusted))
        self.stages: dict[str, Stage] = {}

    @overload
    def asset(self, function: F, /) -> F: ...

    @overload
    def asset(
        self,
        /,
        *,
        reads: Callable[..., str] | None = None,
        objective: Objective | Callable[..., Objective] | None = None,
        code_version: str | None = None,
        description: str | None = None,
        kinds: Iterable[str] = (),
    ) -> Callable[[F], F]: ...

    def asset(
        self,
        function: Any = None,
        /,
        *,
        reads: Callable[..., str] | None = None,
        objective: Objective | Callable[..., Objective] | None = None,
        code_version: str | None = None,
        description: str | None = None,
        kinds: Iterable[str] = (),
    ) -> Any:
        """Make a function a stage of this pipeline; the function itself is returned unchanged.

        Args:
            function: computes the asset for one date; its name is the asset's.
            reads: for a stage that reads data from outside: takes ``as_of`` and groups like the
                stage itself and returns a digest of what the stage would read now.
            objective: for a stage whose metrics judge the run: the metric that runs are compared
                by, or a function of groups that returns it.
            code_version: stands for the code instead of its fingerprint.
            description: what the asset is; the first line of the docstring if omitted.
            kinds: Dagster's kind tags.

        Raises:
            PipelineError: if an argument names no earlier stage and has no group's type.
        """

        def add(function: F) -> F:
            name = function.__name__
            if name in self.stages:
                raise PipelineError(f"'{name}' is already an asset of pipeline '{self.name}'.")
            if name == AS_OF:
                raise PipelineError(f"'{AS_OF}' is the date and cannot be an asset.")
            signature = self._signature(function)
            own = set(signature.groups.values())
            reads_signature = self._of_groups(reads, "it tells what outside data holds")
            if reads_signature is not None:
                own |= set(reads_signature.groups.values())
            judged_by = None if isinstance(objective, Objective) else objective
            judged_by_signature = self._of_groups(judged_by, "it tells what runs are compared by")
            for upstream in signature.inputs.values():
                own |= set(self.stages[upstream].scope)
            doc = inspect.getdoc(function) or ""
            self.stages[name] = Stage(
                name=name,
                function=function,
                code=code_version or fingerprint_of(function),
                signature=signature,
                scope=tuple(group for group in self.params.groups if group in own),
                reads=reads,
                reads_signature=reads_signature,
                judged_by=objective,
                judged_by_signature=judged_by_signature,
                description=description or doc.partition("\n")[0] or None,
                kinds=frozenset(kinds),
            )
            return function

        return add if function is None else add(function)

    def stage(self, name: str) -> Stage:
        """Return a stage by name.

        Raises:
            PipelineError: if there is none, naming the nearest.
        """
        if name not in self.stages:
            raise PipelineError(
                f"'{name}' is no asset of pipeline '{self.name}'.{nearest(name, self.stages)}"
            )
        return self.stages[name]

    def selected(self, names: Iterable[str] | None = None) -> list[Stage]:
        """Return stages in order of dependence: all of them, or those named."""
        wanted = set(self.stages) if names is None else {self.stage(name).name for name in names}
        return [stage for name, stage in self.stages.items() if name in wanted]

    def upstream_of(self, name: str) -> list[Stage]:
        """Return a stage and everything upstream of it, in order of dependence."""
        wanted = {self.stage(name).name}
        for stage in reversed(self.stages.values()):
            if stage.name in wanted:
                wanted.update(stage.upstream)
        return self.selected(wanted)

    @property
    def judge(self) -> Stage:
        """The stage whose metrics judge a run: the one that declares an objective, or the last.

        Raises:
            PipelineError: if the pipeline has no stages.
        """
        if not self.stages:
            raise PipelineError(f"Pipeline '{self.name}' must have a stage, but has none.")
        stages = list(self.stages.values())
        return ([stage for stage in stages if stage.judged_by is not None] or stages)[-1]

    def run_slot(self, params: ParamSet, as_of: date | None) -> Slot:
        """Return the slot of a whole run: its id is that of all parameters together."""
        return slot_for(self.name, params, self.params.scope, as_of)

    def _of_groups(self, function: Callable[..., Any] | None, purpose: str) -> Signature | None:
        """Return the signature of a function that is called before any asset is loaded."""
        if function is None:
            return None
        signature = self._signature(function)
        if signature.inputs:
            raise PipelineError(
                f"'{getattr(function, '__name__', function)}' may take as_of and parameter groups,"
                f" but takes the assets {', '.join(signature.inputs)}: {purpose}, before any asset"
                " is loaded."
            )
        return signature

    def _signature(self, function: Callable[..., Any]) -> Signature:
        by_class = {cls: group for group, cls in self.params.groups.items()}
        groups, inputs, lazy = {}, {}, set()
        takes_date = False
        for argument, parameter in inspect.signature(function).parameters.items():
            annotation = _evaluated(parameter.annotation, function)
            if parameter.kind is not _BY_NAME and parameter.kind is not _ONLY_BY_NAME:
                raise PipelineError(
                    f"'{function.__name__}' has the argument '{argument}', which must be one that"
                    " can be given by name."
                )
            if argument == AS_OF:
                takes_date = True
            elif isinstance(annotation, type) and issubclass(annotation, ParamGroup):
                if annotation not in by_class:
                    raise PipelineError(
                        f"'{function.__name__}' asks for {annotation.__name__}, which is no group"
                        f" of pipeline '{self.name}'. Add it to the ParamModel."
                    )
                groups[argument] = by_class[annotation]
            elif argument in self.stages:
                inputs[argument] = argument
                if _last_name(annotation) == "LazyFrame":
                    lazy.add(argument)
            else:
                raise PipelineError(
                    f"'{function.__name__}' has the argument '{argument}', which must be as_of, an"
                    " asset defined before it, or be annotated with a parameter group."
                    + nearest(argument, self.stages)
                )
        return Signature(groups, inputs, frozenset(lazy), takes_date)


def _evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    """Return what a text annotation stands for, or the text where that is not imported."""
    if not isinstance(annotation, str):
        return annotation
    try:
        evaluated = eval(annotation, function.__globals__)  # noqa: S307 - the module's own text
    except (NameError, AttributeError, SyntaxError, TypeError):
        return annotation
    return evaluated if evaluated == annotation else _evaluated(evaluated, function)


def _last_name(annotation: Any) -> str:
    return str(getattr(annotation, "__name__", annotation)).rpartition(".")[2]

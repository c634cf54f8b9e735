"""Signatures: what the arguments of a stage's function ask for."""

import copy
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ml_pipeline.errors import PipelineError, nearest
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.group import Config, Thresholds
from ml_pipeline.params.model import ParamModel, ParamSet
from ml_pipeline.runs.earlier import Earlier
from ml_pipeline.runs.keys import PLAIN, Keys, Wish, wish_of
from ml_pipeline.runs.options import NO_EXTRAS, Extras
from ml_pipeline.runs.served import PromotedRuns, Served
from ml_pipeline.text import quoted

_BY_NAME: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD
_ONLY_BY_NAME: Final = inspect.Parameter.KEYWORD_ONLY
AS_OF: Final = "as_of"


@dataclass(frozen=True)
class Signature:
    """What the arguments of a function ask for.

    Attributes:
        groups: parameter group by argument.
        inputs: stage by argument.
        lazy: arguments that want a deferred frame.
        wishes: how arguments want the partition's key: ``as_of``, or the name of a dimension.
        provided: what is asked of where the function is called, by argument.
        served: arguments that want what the environment serves.
        promoted: arguments that want all that was promoted to it.
        earlier: stage by argument that wants its artifacts of earlier partitions.
    """

    groups: Mapping[str, str]
    inputs: Mapping[str, str]
    lazy: frozenset[str]
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    provided: Mapping[str, object] = field(default_factory=dict)
    served: tuple[str, ...] = ()
    promoted: tuple[str, ...] = ()
    earlier: Mapping[str, str] = field(default_factory=dict)

    @property
    def asks_ledger(self) -> bool:
        """Whether it asks for what has been promoted."""
        return bool(self.served or self.promoted)

    def arguments(self, params: ParamSet, as_of: AsOf | None, keys: Keys = PLAIN) -> dict[str, Any]:
        """Return the arguments that come neither from upstream nor from where it is called.

        Args:
            params: values of all parameters.
            as_of: the partition's key, or None where there are no partitions.
            keys: what knows what it stands for.

        Raises:
            PipelineError: if the key has nothing of the kind that an argument wants.
        """
        # Lists and mappings can be changed, and what a run is must not change while it goes on.
        given: dict[str, Any] = {
            arg: copy.deepcopy(params.groups[group]) for arg, group in self.groups.items()
        }
        meaning = keys.meaning(as_of) if self.wishes and as_of is not None else None
        for argument, wish in self.wishes.items():
            asked = meaning if argument == AS_OF or meaning is None else meaning.parts.get(argument)
            given[argument] = asked.value(wish.kind) if asked is not None else None
            if given[argument] is None and as_of is not None:
                raise PipelineError(
                    f"The argument '{argument}' must have a {wish.kind}, but the partition"
                    f" {quoted(str(as_of))} has none for it. Give the pipeline partitions that do."
                )
        return given


def signature_of(
    function: Callable[..., Any],
    pipeline: str,
    params: ParamModel,
    stages: Collection[str],
    extras: Extras = NO_EXTRAS,
) -> Signature:
    """Read what the arguments of a function ask for.

    Args:
        function: computes an asset.
        pipeline: the pipeline's name.
        params: its parameter groups.
        stages: names of the stages that are defined already.
        extras: what else may be asked for.

    Raises:
        PipelineError: if an argument is none of these.
    """
    groups, inputs, lazy, wishes = {}, {}, set(), {}
    provided: dict[str, object] = {}
    served: list[str] = []
    promoted: list[str] = []
    earlier: dict[str, str] = {}
    for argument, parameter in inspect.signature(function).parameters.items():
        annotation = evaluated(parameter.annotation, function)
        if parameter.kind is not _BY_NAME and parameter.kind is not _ONLY_BY_NAME:
            raise PipelineError(
                f"'{function.__name__}' has the argument '{argument}', which must be one that"
                " can be given by name."
            )
        wish = wish_of(annotation)
        if argument == AS_OF:
            if wish is None:
                named = quoted(getattr(annotation, "__name__", str(annotation)))
                raise PipelineError(
                    f"'{AS_OF}' of '{function.__name__}' must be annotated with date, datetime or"
                    f" str, the partition's day, its start or its key, but is with {named}."
                )
            wishes[argument] = wish
        elif (asked := extras.provide(argument, annotation)) is not None:
            provided[argument] = asked
        elif annotation is Served:
            served.append(argument)
        elif annotation is PromotedRuns:
            promoted.append(argument)
        elif annotation is Earlier and argument in stages:
            earlier[argument] = argument
        elif isinstance(annotation, type) and issubclass(annotation, Config):
            if annotation not in params.names:
                raise PipelineError(
                    f"'{function.__name__}' asks for {annotation.__name__}, which is no group"
                    f" of pipeline '{pipeline}'. Add it to the ParamModel."
                )
            groups[argument] = params.names[annotation]
        elif argument in stages:
            inputs[argument] = argument
            if _last_name(annotation) == "LazyFrame":
                lazy.add(argument)
        elif wish is not None and parameter.annotation is not parameter.empty:
            # Whether the partitions have such a dimension is known to whoever brings them.
            wishes[argument] = wish
        else:
            raise PipelineError(
                f"'{function.__name__}' has the argument '{argument}', which must be as_of, an"
                " asset defined before it, or be annotated with a parameter group."
                + nearest(argument, stages)
                + extras.provided
            )
    ledger = (tuple(served), tuple(promoted))
    return Signature(groups, inputs, frozenset(lazy), wishes, provided, *ledger, earlier)


def signature_before_assets(
    pipeline: str,
    params: ParamModel,
    stages: Collection[str],
    function: Callable[..., Any] | None,
    purpose: str,
    extras: Extras = NO_EXTRAS,
) -> Signature | None:
    """Return the signature of a function that is called before any asset is loaded; None for none.

    Args:
        pipeline: the pipeline's name.
        params: its parameter groups.
        stages: names of the stages that are defined already.
        function: takes ``as_of`` and groups.
        purpose: what it is there for, in words.
        extras: what else may be asked for.

    Raises:
        PipelineError: if it takes assets, or what nobody provides.
    """
    if function is None:
        return None
    signature = signature_of(function, pipeline, params, stages, extras)
    if signature.inputs:
        raise PipelineError(
            f"'{getattr(function, '__name__', function)}' may take as_of and parameter groups, but"
            f" takes the assets {', '.join(signature.inputs)}: {purpose}, before any asset is"
            " loaded."
        )
    return signature


def refuse_thresholds(stage: str, groups: Iterable[str], params: ParamModel) -> None:
    """Refuse a stage that asks for thresholds.

    Args:
        stage: its name.
        groups: names of the groups that it depends on.
        params: the parameter groups.

    Raises:
        PipelineError: if one of them is of thresholds.
    """
    for group in groups:
        if issubclass(cls := params.groups[group], Thresholds):
            raise PipelineError(
                f"'{stage}' must depend on what is part of its identity, but asks for"
                f" {cls.__name__}, which is of thresholds: only checks read these."
            )


def returned_by(function: Callable[..., Any]) -> Any:
    """Return what the annotation of a function says that it returns; `Any` without one."""
    annotation = inspect.signature(function).return_annotation
    return Any if annotation is inspect.Signature.empty else evaluated(annotation, function)


def evaluated(annotation: Any, function: Callable[..., Any]) -> Any:
    """Return what a text annotation stands for, or the text where that is not imported."""
    if not isinstance(annotation, str):
        return annotation
    try:
        found = eval(annotation, function.__globals__)  # noqa: S307 - the module's own text
    except (NameError, AttributeError, SyntaxError, TypeError):
        return annotation
    return found if found == annotation else evaluated(found, function)


def _last_name(annotation: Any) -> str:
    return str(getattr(annotation, "__name__", annotation)).rpartition(".")[2]

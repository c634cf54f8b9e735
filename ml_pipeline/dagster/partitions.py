"""From Dagster's partitions to a calendar, or words for what a pipeline cannot take.

Refused is what nobody could read back: a key that stands for two time windows or for none, or that
cannot be part of a path; and a stage whose arguments want what the keys do not have.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import dagster as dg

from ml_pipeline.dagster.axes import ISO, Axis, Listed, Windows
from ml_pipeline.dagster.calendar import AS_OF, Calendar
from ml_pipeline.errors import PipelineError, nearest
from ml_pipeline.params.as_of import unusable
from ml_pipeline.runs.keys import Wish
from ml_pipeline.runs.signature import Signature
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.text import quoted

DynamicKeys: TypeAlias = Callable[[str], Sequence[str]]
"""Returns the keys that an instance has of dynamic partitions, by their name."""

_TRIED: Final = 3


def no_instance(name: str) -> Sequence[str]:
    """Refuse to list dynamic keys where there is no instance to ask.

    Raises:
        PipelineError: always.
    """
    raise PipelineError(
        f"The keys of the dynamic partitions '{name}' must be asked of an instance, but here is"
        " none. Ask for them on the command line, or in a sensor or schedule."
    )


def calendar_of(
    pipeline: str,
    partitions: dg.PartitionsDefinition[str] | None,
    set_by: str,
    dynamic: DynamicKeys = no_instance,
) -> Calendar:
    """Return the calendar of partitions.

    Args:
        pipeline: name of the pipeline.
        partitions: Dagster's own, or None for a pipeline without.
        set_by: says where the calendar is set.
        dynamic: lists dynamic keys.

    Raises:
        PipelineError: if they are of a kind that a pipeline cannot take.
    """
    if partitions is None:
        return Calendar(pipeline, {}, set_by)
    if not isinstance(partitions, dg.MultiPartitionsDefinition):
        return Calendar(pipeline, {AS_OF: _axis(pipeline, partitions, dynamic)}, set_by)
    axes = {
        dimension.name: _axis(pipeline, dimension.partitions_def, dynamic, dimension.name)
        for dimension in partitions.partitions_defs
    }
    return Calendar(pipeline, axes, set_by)


def refuse_unserved(pipeline: Pipeline, calendar: Calendar) -> None:
    """Refuse stages whose arguments want what the keys of the partitions do not have.

    Raises:
        PipelineError: naming every stage and argument.
    """
    clashing = [
        name for name in calendar.axes if len(calendar.axes) > 1 and _is_taken(name, pipeline)
    ]
    problems = [
        f"the dimension '{name}' must have a name of its own, since an argument '{name}' already"
        " gets something else"
        for name in clashing
    ]
    for stage in pipeline.stages.values():
        for signature in (stage.signature, stage.reads_signature):
            problems += _unserved(stage, signature, calendar, pipeline) if signature else []
    if problems:
        found = "".join(f"\n  - {problem}" for problem in dict.fromkeys(problems))
        raise PipelineError(
            f"The partitions of pipeline '{pipeline.name}' must serve its stages, but:{found}"
        )


def _is_taken(name: str, pipeline: Pipeline) -> bool:
    return name == AS_OF or name in pipeline.stages


def _unserved(
    stage: Stage, signature: Signature, calendar: Calendar, pipeline: Pipeline
) -> list[str]:
    found = []
    dimensions = calendar.axes if len(calendar.axes) > 1 else {}
    for argument, wish in signature.wishes.items():
        if argument == AS_OF:
            lacks = _lacking(wish, calendar.axes)
        elif argument in dimensions:
            lacks = _lacking(wish, {argument: dimensions[argument]})
        else:
            known = [name for name in pipeline.stages if name != stage.name]
            there = ", ".join(dimensions) or "there is none"
            found.append(
                f"'{stage.name}' has the argument '{argument}', which must be {AS_OF}, a dimension"
                f" of the partitions ({there}), an asset defined before it, or be annotated with a"
                f" parameter group.{nearest(argument, [*dimensions, *known])}"
            )
            continue
        if lacks is not None:
            found.append(f"'{argument}' of '{stage.name}' is a {wish.kind}, {lacks}")
    return found


def _lacking(wish: Wish, axes: Mapping[str, Axis]) -> str | None:
    """Return why a wish cannot be fulfilled by the keys of some axes, or None."""
    if not axes:
        return None if wish.may_lack else "but there are no partitions: annotate it with None, too"
    timed = sum(axis.is_timed for axis in axes.values())
    if wish.kind == "datetime" and timed != 1:
        return f"but {_told(axes)} have {'two' if timed else 'no'} time windows: take a str"
    dated = timed == 1 or (len(axes) == 1 and all(axis.has_dates for axis in axes.values()))
    if wish.kind == "date" and not dated:
        return f"but {_told(axes)} stand for {'two days' if timed else 'no day'}: take a str"
    return None


def _told(axes: Mapping[str, Axis]) -> str:
    examples = [quoted(axis.example) for axis in axes.values()]
    return f"keys like {' and '.join(examples)}"


def _axis(
    pipeline: str,
    partitions: dg.PartitionsDefinition[str],
    dynamic: DynamicKeys,
    dimension: str | None = None,
) -> Axis:
    kind = type(partitions).__name__
    whose = f"dimension '{dimension}' of pipeline" if dimension is not None else "pipeline"
    what = f"this {kind}"
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        found = _unreadable(partitions, dimension is not None)
        if found is None:
            return Windows(partitions)
        must = "have one key for each time window, that can be read back, in"
        found = f"{what} has fmt={partitions.fmt!r}: {found}"
        advice = "Give it a fmt that tells all of a date, such as '%Y-%m-%d' or '%Y-%m-%d-%H:%M'."
    elif isinstance(partitions, dg.StaticPartitionsDefinition):
        keys = [str(key) for key in partitions.get_partition_keys()]
        wrong = [f"{quoted(key)} {why}" for key in keys if (why := unusable(key))]
        if keys and not wrong:
            return Listed(lambda: keys, "the partitions")
        must = "have keys, each of which can be part of a path, in"
        found = f"{what} has {wrong[0] if wrong else 'none'}"
        advice = "Give it other keys."
    elif isinstance(partitions, dg.DynamicPartitionsDefinition) and partitions.name is not None:
        name = partitions.name

        def usable() -> Sequence[str]:
            # Of two dimensions, Dagster leaves out those that would look like two keys.
            return [key for key in dynamic(name) if dimension is None or "|" not in key]

        return Listed(usable, f"the dynamic partitions '{name}'", is_dynamic=True)
    else:
        must, found = "be one of Dagster's own kinds in", f"{what} is none of them"
        advice = (
            "Give it daily, hourly, weekly, monthly, static, named dynamic or multi-dimensional"
            " partitions, or None."
        )
    raise PipelineError(
        f"The partitions of {whose} '{pipeline}' must {must} it, but {found}. {advice}"
    )


def _unreadable(partitions: dg.TimeWindowPartitionsDefinition, is_dimension: bool) -> str | None:
    """Return why the keys of time windows are not told apart or read back, or None."""
    if isinstance(partitions, dg.DailyPartitionsDefinition) and partitions.fmt == ISO:
        # Trying takes milliseconds, and every process of Dagster comes here.
        return None
    window = partitions.get_next_partition_window(partitions.start, respect_bounds=False)
    seen: set[str] = set()
    for _ in range(_TRIED):
        if window is None:
            break
        (key, *_) = partitions.get_partition_keys_in_time_window(window)
        if is_dimension and "|" in key:
            return f"{quoted(key)} has the sign that joins two dimensions"
        if key in seen:
            return f"{quoted(key)} is the key of several windows"
        seen.add(key)
        try:
            read = partitions.time_window_for_partition_key(key)
        except ValueError:
            return f"{quoted(key)} cannot be read back"
        if read.start != window.start:
            starts = " and ".join(f"{start:%Y-%m-%d %H:%M}" for start in (read.start, window.start))
            return f"{quoted(key)} would stand for what starts {starts}"
        window = partitions.get_next_partition_window(window.end, respect_bounds=False)
    return None

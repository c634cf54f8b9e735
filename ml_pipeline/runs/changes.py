"""What has changed since a revision: pieces of code, declared packages and files, by name."""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

from ml_pipeline.code.fingerprint import SCHEME
from ml_pipeline.runs.served import MARK, run_of
from ml_pipeline.runs.stage import Stage
from ml_pipeline.runs.surroundings import with_versions
from ml_pipeline.store.record import OtherAsset, Record

T = TypeVar("T")

_NAMED: Final = 5

Parts = Mapping[str, Mapping[str, str]]


def changes_of_code(earlier: Record, stage: Stage) -> list[str]:
    """Say what is another in the code and packages of a stage, as phrases.

    Args:
        earlier: the record of a revision.
        stage: what would make it now.
    """
    if earlier.code == stage.code:
        return []
    told = [
        f"package {name} {there} -> {here}"
        for name, there, here in differing(earlier.packages, stage.packages)
    ]
    if told and _bare(earlier.code, earlier.packages) == _bare(stage.code, stage.packages):
        return told
    since = f"since revision {earlier.revision}"
    if stage.fingerprint is None or earlier.code_scheme == 0:
        return [f"code changed {since}", *told]
    if earlier.code_scheme != SCHEME:
        return [f"the way of fingerprinting code changed {since}", *told]
    pieces = list(_pieces(earlier.code_parts, stage.fingerprint.parts))
    named = ", ".join(pieces[:_NAMED])
    if len(pieces) > _NAMED:
        named += f" and {len(pieces) - _NAMED} more"
    return [f"code changed {since}{f' ({named})' if named else ''}", *told]


def changes_of_inputs(
    earlier: Record, stage: Stage, inputs: Mapping[str, Record | None]
) -> list[str]:
    """Say what is another in the inputs of a stage, as phrases.

    Args:
        earlier: the record of a revision.
        stage: what would make it now.
        inputs: records of what it would read; None for what has to be computed first.
    """
    told = []
    for name, record in inputs.items():
        then = earlier.inputs.get(name)
        if record is None:
            continue
        if then is None or then.digest != record.content.digest:
            told.append(f"input {name} changed")
        elif read_by := [one for one, _, _ in differing(then.code, stage.reading.code(record))]:
            told.append(f"the code of {', '.join(read_by)}, which input {name} is made of, changed")
    waiting = [name for name, record in inputs.items() if record is None]
    return told + [f"input {name} has to be computed" for name in waiting]


def changes_of_others(earlier: Record, others: Mapping[str, OtherAsset]) -> list[str]:
    """Say what is another in the assets that a stage reads and that are no stages, as phrases."""
    then, now = (
        {key: f"{one.version} of {one.partition}" for key, one in each.items()}
        for each in (earlier.others, others)
    )
    told = []
    for key, there, here in differing(then, now):
        if key.startswith(MARK):
            told.append(_served(key, earlier.others.get(key), others.get(key)))
        elif there and here:
            # Which assets there are is told by the code.
            told.append(f"asset {key} changed")
    return told


def _served(key: str, there: OtherAsset | None, here: OtherAsset | None) -> str:
    """Say what is another in a promoted run that scores."""
    then, now = (run_of(one) if one is not None else "none" for one in (there, here))
    what = key.removeprefix(MARK)
    if then != now:
        return f"{what} {then} -> {now}"
    shares = [one.about.get("share") for one in (there, here) if one is not None]
    if len(set(shares)) > 1:
        return f"share of {what} {shares[0]} -> {shares[1]}"
    return f"the code that {what} {now} is read with changed"


def changes_outside(earlier: Record, stage: Stage) -> list[str]:
    """Say what is another in the data and files that a stage reads, as phrases."""
    files = [name for name, _, _ in differing(earlier.files, stage.file_digests())]
    told = [f"file {name} changed" for name in files]
    # One digest stands for both, so that data may have changed as well.
    return told if stage.reads is None and told else ["source data changed", *told]


def _bare(code: str, packages: Mapping[str, str]) -> str:
    """Return what stands for code without the versions of declared packages."""
    return code.removesuffix(with_versions("", packages))


def _pieces(then: Parts, now: Parts) -> Iterator[str]:
    for module in sorted({*then, *now}):
        if module not in then or module not in now:
            yield f"module {module} {'is new' if module in now else 'is gone'}"
            continue
        for name, there, here in differing(then[module], now[module]):
            what = f"'{name}' in module {module}" if name else f"statements of module {module}"
            yield what if there and here else f"{what} {'is new' if here else 'is gone'}"


def differing(
    then: Mapping[str, T], now: Mapping[str, T]
) -> Iterator[tuple[str, T | None, T | None]]:
    """Yield ``(name, there, here)`` of what two mappings do not have alike."""
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            yield name, then.get(name), now.get(name)

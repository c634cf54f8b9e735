"""What a stage depends on besides its code and inputs: installed packages and files.

A stage may declare both as part of its revision. Of the packages that its code imports without
declaring them, it is said when another version made what is reused.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

from ml_pipeline.errors import PipelineError
from ml_pipeline.runs.provenance import version_of, versions_of
from ml_pipeline.store.files import digest_of_file

T = TypeVar("T")


def declared_versions(stage: str, packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages that a stage declares.

    Raises:
        PipelineError: if some are not installed, naming all of them.
    """
    versions = {name: version_of(name) for name in several(f"packages of '{stage}'", packages)}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        named = ", ".join(name or "''" for name in missing)
        raise PipelineError(
            f"The packages that '{stage}' declares must be installed, but {named} is"
            " not. Give the names by which they are installed, such as 'scikit-learn'."
        )
    return {name: version for name, version in versions.items() if version is not None}


def with_versions(code: str, versions: Mapping[str, str]) -> str:
    """Return what stands for code together with the versions of declared packages."""
    return "+".join([code, *(f"{name}={versions[name]}" for name in sorted(versions))])


def declared_files(
    stage: str, function: Callable[..., Any], files: Iterable[str | PathLike[str]]
) -> dict[str, Path]:
    """Return the files that a stage declares, by the name that it gives them.

    Args:
        stage: the stage's name.
        function: computes the stage; paths are relative to the folder of its module.
        files: paths.

    Raises:
        PipelineError: if some are missing, naming all of them, or are no paths.
    """
    try:
        names = [fspath(name) for name in several(f"files of '{stage}'", files)]
    except TypeError as error:
        raise PipelineError(
            f"The files that '{stage}' declares must be texts or paths, but: {error}."
            " Write files=['weights.csv']."
        ) from error
    if not names:
        return {}
    folder = Path(inspect.getsourcefile(inspect.unwrap(function)) or "").resolve().parent
    found = {name: folder / name for name in names}
    digests_of(stage, found)
    return found


def digests_of(stage: str, files: Mapping[str, Path]) -> dict[str, str]:
    """Return the content digests of declared files, by name.

    Raises:
        PipelineError: if some are missing, naming all of them.
    """
    folders = [str(path) for path in files.values() if path.is_dir()]
    if folders:
        raise PipelineError(
            f"The files that '{stage}' declares must be files, but {', '.join(folders)} is a"
            " folder. Declare the files in it that count."
        )
    missing = [str(path) for path in files.values() if not path.is_file()]
    if missing:
        raise PipelineError(
            f"The files that '{stage}' declares must exist, but there is no"
            f" {', no '.join(missing)}. Put it there, or declare its path, relative to the folder"
            " of the stage's module."
        )
    return {name: digest_of_file(path) for name, path in files.items()}


def upgraded(
    recorded: Mapping[str, str],
    libraries: Iterable[str],
    declared: Iterable[str],
    told_apart: Callable[[str | None], str] = str,
) -> Iterator[str]:
    """Say which packages are others than those that made a result, as phrases.

    Args:
        recorded: versions that made it, by package.
        libraries: top-level modules that the code imports.
        declared: packages that count in the revision, and so are the same.
        told_apart: returns what of a version has to be the same; all of it if omitted.
    """
    for name, now in versions_of(frozenset(libraries)).items():
        then = recorded.get(name)
        if then is None or name in declared:
            continue
        if told_apart(then) != told_apart(now):
            yield f"{name} was {then}, is now {now or 'gone'}"


def release_of(version: str | None) -> str:
    """Return what of a version stays through corrections: ``1.7`` of ``1.7.2``."""
    return ".".join((version or "").split(".")[:2])


def several(what: str, given: Iterable[T]) -> Iterable[T]:
    """Return what is given, unless it is one text, which would be taken letter by letter.

    Raises:
        PipelineError: if it is.
    """
    if isinstance(given, str):
        raise PipelineError(
            f"The {what} must be several texts, but is the text {given!r}. Write ({given!r},)."
        )
    return given

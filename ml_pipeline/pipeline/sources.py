"""Which files a location stands for, found without reading them.

Kept apart from reading so that a sensor can ask every minute whether a source may have changed
without paying for the import of a data frame library.
"""

import hashlib
import importlib.metadata
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from ml_pipeline.ages import SETTLED_S
from ml_pipeline.errors import SourceError, nearest
from ml_pipeline.pipeline import remote_objects, table_formats
from ml_pipeline.pipeline.locations import normalized

SAMPLE: Final = "sample"

_SAMPLE_DISTRIBUTION: Final = "lifetimes"
_SAMPLE_FILE: Final = "lifetimes/datasets/CDNOW_master.txt"
_FORMATS: Final[dict[str, Literal["parquet", "csv"]]] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
}
_MOST_OBJECTS: Final = 10_000
_DATA: Final = re.compile(
    r"\.(csv|parquet|pq)\.(gz|gzip|bz2|xz|zst|zip|lz4|br|snappy|z)\Z"
    r"|\.(tsv|tab|psv|xlsx?|ods|jsonl|ndjson|avro|orc|feather|arrow|ipc)(\.\w+)?\Z",
    re.IGNORECASE,
)
_WANTED: Final = "a Parquet (.parquet, .pq) or CSV (.csv) file, or a folder of them"


@dataclass(frozen=True)
class Source:
    """What a location stands for.

    Attributes:
        root: the file, folder or URI, written the normal way.
        format: how its files are to be read.
        files: the paths or URIs of the files to read, sorted.
        remote: whether they are not on this machine.
    """

    root: str
    format: Literal["sample", "parquet", "csv"]
    files: tuple[str, ...]
    remote: bool = False


def find_source(location: str) -> Source:
    """Find out what a location stands for.

    Args:
        location: ``sample``, a path of a file or folder, or a URI.

    Returns:
        The files behind it. A web server is not asked what it has.

    Raises:
        SourceError: if nothing is there, or it is neither Parquet nor CSV, or a mixture.
    """
    if location == SAMPLE:
        return Source(root=SAMPLE, format="sample", files=(_sample_file(),))
    root = _normalized(location)
    if "://" in root:
        return _remote(root)
    path = Path(root).absolute()
    if stat.S_ISDIR(_status_of(path).st_mode):
        return _folder(path)
    kind = _known_format(path.name, str(path))
    _refuse_pipes_and_doubles([str(path)])
    table_formats.refuse_tables(str(path), table_formats.marks_around(path.parent))
    return Source(root=str(path), format=kind, files=(str(path),))


def refuse_missing(location: str) -> None:
    """Refuse a place of this machine where there is nothing; elsewhere nobody is asked.

    Raises:
        SourceError: naming what is nearest.
    """
    root = SAMPLE if location == SAMPLE else _normalized(location)
    if root == SAMPLE:
        _sample_file()
    elif "://" not in root:
        _status_of(Path(root))


def change_stamp(location: str) -> str | None:
    """Stamp a source, cheaply, such that a new stamp means it may have changed.

    Only names, sizes, inodes and the times of the last modification and of the last change of any
    kind are looked at, and of remote objects the entity tags, so a file that was touched gets a new
    stamp too: compare contents before acting on it.

    Args:
        location: ``sample``, a path of a file or folder, or a URI.

    Returns:
        32 hex digits, or None for a URI that tells no entity tags and has to be read to know.

    Raises:
        SourceError: if nothing is there, or it is neither Parquet nor CSV, or a mixture.
    """
    root = "" if location == SAMPLE else _normalized(location)
    if "://" in root:
        entries = _remote_entries(root)
    else:
        entries = _local_entries(find_source(location).files)
    if entries is None:
        return None
    return hashlib.sha256("\n".join(map(repr, entries)).encode()).hexdigest()[:32]


def is_settled(location: str) -> bool:
    """Whether a stamp of a source taken now will tell every change that comes after it.

    Clocks of file systems stand still for some milliseconds: what is written in place twice within
    such a moment may have one stamp. So a file must have been left alone for a while.

    Args:
        location: as for `change_stamp`, which tells a stamp of it.
    """
    if location != SAMPLE and "://" in _normalized(location):
        return True
    latest = max(Path(file).stat().st_ctime for file in find_source(location).files)
    return time.time() - latest > SETTLED_S


def _local_entries(files: Iterable[str]) -> list[tuple[Any, ...]]:
    entries: list[tuple[Any, ...]] = []
    for file in files:
        try:
            real = Path(file).resolve(strict=True)
            status = real.stat()
        except OSError as error:
            raise SourceError(_unreadable(file, error)) from error
        # The modification time can be set, as copying tools do; the time of change cannot.
        times = (status.st_mtime_ns, status.st_ctime_ns)
        entries.append((file, str(real), status.st_size, times, status.st_ino))
    return entries


def _remote_entries(uri: str) -> list[tuple[Any, ...]] | None:
    """Return what a remote place says of its objects, or None if that is not enough.

    What goes wrong here is no error: whoever reads the source then says it better.
    """
    if not remote_objects.is_listed(uri):
        return None
    try:
        found = remote_objects.objects_at(uri)
    except SourceError:
        return None
    tags = {path: str(entry["e_tag"] or "W/") for path, entry in found.items()}
    if not 0 < len(found) <= _MOST_OBJECTS or any(tag.startswith("W/") for tag in tags.values()):
        return None
    return sorted((path, entry["size"], tags[path]) for path, entry in found.items())


def _sample_file() -> str:
    try:
        distribution = importlib.metadata.distribution(_SAMPLE_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        found = None
    else:
        found = Path(str(distribution.locate_file(_SAMPLE_FILE)))
    if found is None or not found.is_file():
        raise SourceError(
            "The source 'sample' needs the sample orders, which are not installed here."
            " Run `pip install 'ml_pipeline[sample]'`, or set `source` to your own orders:"
            f" {_WANTED}."
        )
    return str(found)


def _normalized(location: str) -> str:
    try:
        return normalized(location)
    except ValueError as error:
        raise SourceError(f"A source {error}. Set `source` to {_WANTED}.") from error


def _remote(uri: str) -> Source:
    if not remote_objects.is_listed(uri):
        path = urlsplit(uri).path
        if "*" in path:
            raise SourceError(
                f"A source must name one file of a web server, which tells no list of them, but"
                f" {uri} is a pattern. Write one URI, or use an object store."
            )
        kind = _format_of(path) or "parquet"
        return Source(root=uri, format=kind, files=(uri,), remote=True)
    table_formats.refuse_tables(uri, remote_objects.marks_around(uri))
    found = remote_objects.objects_at(uri)
    table_formats.refuse_tables(uri, found)
    if uri in found:
        return Source(root=uri, format=_known_format(uri, uri), files=(uri,), remote=True)
    root = uri.partition("*")[0].rpartition("/")[0] if "*" in uri else uri
    files = [file for file in found if not _is_hidden(file.removeprefix(f"{root}/"))]
    return _of_one_format(root, files, remote=True)


def _folder(root: Path) -> Source:
    table_formats.refuse_tables(str(root), table_formats.marks_around(root))
    files = list(_files_below(root))
    table_formats.refuse_tables(str(root), (os.path.relpath(file, root) for file in files))
    visible = [file for file in files if not _is_hidden(os.path.relpath(file, root))]
    source = _of_one_format(str(root), visible)
    _refuse_pipes_and_doubles(source.files)
    return source


def _of_one_format(root: str, files: Iterable[str], *, remote: bool = False) -> Source:
    """Return a source of many files.

    Raises:
        SourceError: if they are of more than one format, or of none that can be read.
    """
    kinds: dict[Literal["parquet", "csv"], list[str]] = {}
    others: list[str] = []
    for file in files:
        kind = _format_of(file)
        if kind is None:
            others.append(file)
        else:
            kinds.setdefault(kind, []).append(file)
    if not kinds:
        found = f"only others, such as {min(others)}" if others else "no files"
        raise SourceError(
            f"A source must be {_WANTED}, but the folder {root} holds {found}."
            " Check the path, or convert its files."
        )
    if len(kinds) > 1:
        raise SourceError(
            f"A source folder must hold one format, but {root} holds both Parquet"
            f" ({min(kinds['parquet'])}) and CSV ({min(kinds['csv'])})."
            " Move one of them elsewhere: an order in both would count twice."
        )
    if data := [file for file in others if _DATA.search(file)]:
        raise SourceError(
            f"A source folder must hold one format, but {root} holds {min(data)} as well, whose"
            " orders would not be read. Convert it, or move it elsewhere."
        )
    ((kind, found_files),) = kinds.items()
    return Source(root=root, format=kind, files=tuple(sorted(found_files)), remote=remote)


def _files_below(root: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise SourceError(_unreadable(str(error.filename), error)) from error

    for folder, folders, files in os.walk(root, onerror=refuse):
        for name in folders:
            # It would not be followed, and its orders would be missing without a word.
            if Path(folder, name).is_symlink() and not name.startswith((".", "_")):
                raise SourceError(
                    f"A source folder must hold its files itself, but {Path(folder, name)} is a"
                    " link to another folder. Move the files into it, or name them as a source."
                )
        for name in files:
            yield str(Path(folder, name))


def _refuse_pipes_and_doubles(files: Iterable[str]) -> None:
    """Refuse what is no file, which might never end, and one file under two names.

    Raises:
        SourceError: naming the first such.
    """
    seen: dict[tuple[int, int], str] = {}
    for file in files:
        status = _status_of(Path(file))
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(
                f"A source must be {_WANTED}, but {file} is a pipe or a device."
                " Write what comes out of it to a file."
            )
        first = seen.setdefault((status.st_dev, status.st_ino), file)
        if first != file:
            raise SourceError(
                f"A source folder must hold each file once, but {first} and {file} are the same,"
                " by a link. Remove one of them: its orders would count twice."
            )


def _is_hidden(path: str) -> bool:
    """Whether a path below a root is under a name that Spark and editors give what is no data."""
    return any(part.startswith((".", "_")) for part in path.split("/"))


def _known_format(name: str, place: str) -> Literal["parquet", "csv"]:
    kind = _format_of(name)
    if kind is None:
        raise SourceError(
            f"A source must be {_WANTED}, but {place} is neither by its name. Rename or convert it."
        )
    return kind


def _format_of(name: str) -> Literal["parquet", "csv"] | None:
    return _FORMATS.get(PurePath(name).suffix.lower())


def _status_of(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(_missing(path)) from error
    except OSError as error:
        raise SourceError(_unreadable(str(path), error)) from error


def _missing(path: Path) -> str:
    try:
        beside = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        beside = []
    return (
        f"A source must exist, but there is nothing at {path}.{nearest(path.name, beside)}"
        f" Set `source` to {_WANTED}."
    )


def _unreadable(file: str, error: OSError) -> str:
    return (
        f"A source must be readable, but {file} is not: {error.strerror or error}."
        " Check that it exists and that this user may read it."
    )

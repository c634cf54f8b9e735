"""Which files a location stands for, found without reading them.

Kept apart from reading so that a sensor can ask every minute whether a source may have changed
without paying for the import of a data frame library.
"""

import hashlib
import importlib.metadata
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from ml_pipeline.errors import SourceError, nearest
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
_WANTED: Final = "a Parquet (.parquet, .pq) or CSV (.csv) file, or a folder of them"


@dataclass(frozen=True)
class Source:
    """What a location stands for.

    Attributes:
        root: the file, folder or URI, written the normal way.
        format: how its files are to be read.
        files: the files to read, sorted; the URI itself where it is not on this machine.
        remote: whether `root` is a URI that only a scan can look into.
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
        The files behind it. A URI is taken at its word: nothing is looked up.

    Raises:
        SourceError: if nothing is there, or it is neither Parquet nor CSV, or a mixture.
    """
    if location == SAMPLE:
        return Source(root=SAMPLE, format="sample", files=(_sample_file(),))
    try:
        root = normalized(location)
    except ValueError as error:
        raise SourceError(f"A source {error}. Set `source` to {_WANTED}.") from error
    if "://" in root:
        return _remote(root)
    path = Path(root).absolute()
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(_missing(path)) from error
    except OSError as error:
        raise SourceError(_unreadable(str(path), error)) from error
    if stat.S_ISDIR(mode):
        return _folder(path)
    kind = _format_of(path.name)
    if kind is None:
        raise SourceError(
            f"A source must be {_WANTED}, but {path} is neither by its name. Rename or convert it."
        )
    return Source(root=str(path), format=kind, files=(str(path),))


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
    source = find_source(location)
    entries = _remote_entries(source.root) if source.remote else _local_entries(source.files)
    if entries is None:
        return None
    return hashlib.sha256("\n".join(map(repr, entries)).encode()).hexdigest()[:32]


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
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    fixed = uri.partition("*")[0]
    folder, _, name = fixed.rpartition("/")
    if "?" in uri or folder.endswith(":/"):
        return None
    try:
        store: Any = from_url(folder, retry_config={"max_retries": 1})
        if fixed == uri and name:
            found = [store.head(name)]
        else:
            # More than a pattern means, perhaps: then the stamp only changes more often.
            listed = itertools.chain.from_iterable(store.list())
            found = list(itertools.islice(listed, _MOST_OBJECTS + 1))
    except (BaseError, OSError, ValueError):
        return None
    tags = [str(entry["e_tag"] or "W/") for entry in found]
    if not 0 < len(found) <= _MOST_OBJECTS or any(tag.startswith("W/") for tag in tags):
        return None
    return sorted(
        (entry["path"], entry["size"], tag) for entry, tag in zip(found, tags, strict=True)
    )


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


def _remote(uri: str) -> Source:
    address = urlsplit(uri)
    kind = _format_of(address.path)
    if kind is None and "*" not in uri and not address.scheme.startswith("http"):
        # Polars lists a folder only if told that it is one, and the normal spelling does not tell.
        uri = f"{uri}/"
    return Source(root=uri, format=kind or "parquet", files=(uri,), remote=True)


def _folder(root: Path) -> Source:
    kinds: dict[Literal["parquet", "csv"], list[str]] = {}
    others: list[str] = []
    for file in _files_below(root):
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
    ((kind, files),) = kinds.items()
    return Source(root=str(root), format=kind, files=tuple(sorted(files)))


def _files_below(root: Path) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise SourceError(_unreadable(str(error.filename), error)) from error

    for folder, folders, files in os.walk(root, onerror=refuse):
        # Spark, Delta and editors keep what is not data under such names.
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in files:
            if not name.startswith((".", "_")):
                yield str(Path(folder, name))


def _format_of(name: str) -> Literal["parquet", "csv"] | None:
    return _FORMATS.get(PurePath(name).suffix.lower())


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

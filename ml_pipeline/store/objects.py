"""Small objects below one root: a folder, a prefix of an object store, or memory.

What is written appears in one step, whole or not at all, and every failure to reach the root is
one error that names it and the setting that moves it.
"""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final, Self, TypeVar, cast
from urllib.parse import unquote

from obstore import open_reader
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore

from ml_pipeline.addresses import masked, refusal
from ml_pipeline.buckets import Bucket, Fault
from ml_pipeline.errors import StoreUnreachable
from ml_pipeline.store.listings import Listing

_MOST_ATTEMPTS: Final = 100
_BUFFER: Final = 64 << 10
_DAY_S: Final = 86_400
_AT_A_TIME: Final = 24
_AHEAD: Final = 4 * _AT_A_TIME
_memory: Final[dict[str, MemoryStore]] = {}

T = TypeVar("T")
R = TypeVar("R")


class Objects:
    """Objects below one root.

    Attributes:
        called: what messages call the root.
        setting: the variable that says where it is, unless something else does.
        set_by: what says where this one is.
        uri: the root in full.
        directory: the root where it is a folder of this machine.
        listing: tells what is there without asking; None to ask for everything.
    """

    listing: Listing | None = None
    called: ClassVar[str]
    setting: ClassVar[str]

    def __init__(self, root: str, make: bool = True, setting: str | None = None) -> None:
        """Open a root.

        Args:
            root: a directory, or a URI such as ``s3://bucket/prefix`` or ``memory://name``.
            make: whether a directory is made if it is not there.
            setting: what says where it is, for messages; the variable of its kind if omitted.

        Raises:
            StoreUnreachable: if the root cannot be understood, carries credentials, or is a
                directory that is not there and is not made.
        """
        if (problem := refusal(root)) is not None:
            raise StoreUnreachable(
                f"The address of the {self.called} {problem}: {setting or self.setting}."
            )
        self.uri = root
        self.directory: Path | None = None
        self.set_by = setting or self.setting
        self._bucket: Bucket | None = None
        self._here: Any = None
        try:
            self._open(root, make)
        except (BaseError, OSError, ValueError, RuntimeError) as error:
            raise self._unreachable("open", error) from error

    def _open(self, root: str, make: bool) -> None:
        self.directory = local_directory(root)
        if self.directory is not None:
            self.uri = str(self.directory)
            if make:
                self.directory.mkdir(parents=True, exist_ok=True)
            elif not self.directory.is_dir():
                raise NotADirectoryError(f"there is no directory {self.directory}")
            self._here = LocalStore(self.directory)
            return
        self.uri = root.rstrip("/")
        if root[:9].lower() == "memory://":
            self._here = _memory.setdefault(self.uri, MemoryStore())
        else:
            self._bucket = Bucket(self.uri)

    @property
    def _objects(self) -> Any:
        """The store of obstore for what is small, and for listing."""
        return self._bucket.small if self._bucket is not None else self._here

    @property
    def _large_objects(self) -> Any:
        """The store of obstore for objects that may take long."""
        return self._bucket.large if self._bucket is not None else self._here

    def with_listing(self, listing: Listing | None) -> Self:
        """Return the same root for whoever plans by a listing of it."""
        listed = copy(self)
        listed.listing = listing
        return listed

    def address(self, path: str) -> str:
        """Return the full path or URI of something below the root."""
        return f"{self.uri}/{path}"

    def read(self, path: str) -> bytes | None:
        """Return a small object whole, or None where there is none."""
        if self.listing is not None and self.listing.lacks(path):
            return None
        try:
            with self._reaching("read"):
                if self.directory is not None:
                    # A third of what it takes by way of the library, for a file of some kB.
                    with open(f"{self.directory}/{path}", "rb") as file:  # noqa: PTH123
                        return file.read()
                return bytes(self._objects.get(path).bytes())
        except (FileNotFoundError, IsADirectoryError):
            return None

    @contextlib.contextmanager
    def opened(self, path: str) -> Iterator[BinaryIO]:
        """Open an object of any size, to read parts of it.

        Raises:
            FileNotFoundError: if there is none.
        """
        with self._reaching("read"):
            if self.directory is not None:
                with (self.directory / path).open("rb") as file:
                    yield file
            else:
                yield cast("BinaryIO", open_reader(self._large_objects, path, buffer_size=_BUFFER))

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Write a small object in one step and tell whether the name was free."""
        try:
            with self._reaching("write to"):
                self._objects.put(path, data, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def overwrite(self, path: str, data: bytes) -> None:
        """Write a small object in one step, over one that is there."""
        with self._reaching("write to"):
            self._objects.put(path, data)

    def rename(self, path: str, to: str) -> None:
        """Move an object over what may be there; one that is gone already is fine.

        In an object store that is a copy and a removal: what dies in between can be done again.
        """
        with self._reaching("write to"), contextlib.suppress(FileNotFoundError):
            if self.directory is None:
                self._objects.rename(path, to)
                return
            source = self.directory / path
            self._into_directory(to, source.replace, source)

    def remove(self, path: str) -> None:
        """Remove an object; one that is gone already is fine."""
        with self._reaching("write to"), contextlib.suppress(FileNotFoundError):
            self._objects.delete(path)

    def remove_all(self, paths: Sequence[str]) -> None:
        """Remove objects, many by one request where that can be; those that are gone are fine."""
        if self._bucket is None:
            for path in paths:
                self.remove(path)
        elif paths:
            with self._reaching("write to"), contextlib.suppress(FileNotFoundError):
                self._objects.delete(list(paths))

    def remove_empty(self, directory: str) -> None:
        """Remove a folder in which nothing is, and those above it in which then nothing is.

        Safe beside writers: whoever writes makes its folder again. An object store has none.
        """
        if self.directory is None:
            return
        while directory and directory not in _kept_folders(directory):
            try:
                with contextlib.suppress(FileNotFoundError):
                    (self.directory / directory).rmdir()
            except OSError:  # something is in it, or it is none
                return
            directory = directory.rpartition("/")[0]

    def empty_folders(self, before: float) -> Iterator[str]:
        """Yield the folders below a local root in which nothing is.

        Args:
            before: seconds since 1970; what has changed later is left out, and of what is being
                written what has changed within a day.
        """
        if self.directory is None:
            return
        for folder, folders, files in os.walk(self.directory):
            path = Path(folder).relative_to(self.directory).as_posix()
            if folders or files or path == "." or path in _kept_folders(path):
                continue
            with contextlib.suppress(FileNotFoundError):
                is_written = bool(_kept_folders(path))
                latest = min(before, time.time() - _DAY_S) if is_written else before
                if Path(folder).stat().st_mtime < latest:
                    yield path

    def entries(self, below: str) -> Iterator[Any]:
        """Yield every object below a directory: ``path``, ``size`` and ``last_modified``."""
        with self._reaching("list"):
            for batch in self._objects.list(f"{below}/" if below else None):
                yield from batch

    def children(self, directory: str) -> list[str]:
        """Return the names of the directories in a directory; empty stands for the root."""
        prefix = f"{directory}/" if directory else None
        with self._reaching("list"):
            below = self._objects.list_with_delimiter(prefix)["common_prefixes"]
        return [path.rpartition("/")[2] for path in below]

    def files(self) -> Iterator[Any]:
        """Yield the objects at the root itself: ``path``, ``size`` and ``last_modified``."""
        with self._reaching("list"):
            yield from self._objects.list_with_delimiter()["objects"]

    def each(self, look: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield what a look gives for each item, in their order.

        Below a root elsewhere many are on their way at a time: a look is one request or more.

        Args:
            look: safe to be called by several threads.
            items: what to look at.
        """
        if self._bucket is None:
            yield from map(look, items)
            return
        lookers = ThreadPoolExecutor(_AT_A_TIME)
        try:
            waiting: deque[Future[R]] = deque()
            for item in items:
                waiting.append(lookers.submit(look, item))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            lookers.shutdown(cancel_futures=True)

    def _into_directory(self, path: str, put: Callable[[Path], object], source: Path) -> None:
        """Put a file of this machine below a local root, in a folder that may be taken away.

        Raises:
            FileNotFoundError: if there is no such file.
        """
        target = (self.directory or Path()) / path
        for attempt in range(_MOST_ATTEMPTS):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                put(target)
            except FileNotFoundError:
                # Somebody tidies up: the folder was empty a moment ago.
                if attempt + 1 == _MOST_ATTEMPTS or not source.exists():
                    raise
            else:
                return

    @contextlib.contextmanager
    def _reaching(self, doing: str) -> Iterator[None]:
        """Turn what libraries say of an unreachable root into one error."""
        try:
            with self._bucket.asked() if self._bucket is not None else contextlib.nullcontext():
                yield
        except AlreadyExistsError:
            raise
        except (BaseError, OSError) as error:
            is_nothing = isinstance(error, FileNotFoundError | IsADirectoryError)
            if is_nothing and doing == "read" and not self._fault(error):
                raise
            raise self._unreachable(doing, error) from error

    def _fault(self, error: Exception) -> Fault | None:
        return self._bucket.fault(error) if self._bucket is not None else None

    def _unreachable(self, doing: str, error: Exception) -> StoreUnreachable:
        if (fault := self._fault(error)) is not None:
            return StoreUnreachable(
                f"Could not {doing} the {self.called} {self.uri}: {fault.found}. {fault.remedy},"
                f" or set {self.set_by}."
            )
        said = masked(str(error).partition("\n")[0])
        return StoreUnreachable(
            f"Could not {doing} the {self.called} {self.uri}: {said}. Check that it exists, that"
            f" you may write to it, and that it has space, or set {self.set_by}."
        )


def _kept_folders(path: str) -> tuple[str, ...]:
    """Return the folder at the root that a path is in, if it is there for good, full or not."""
    top = path.partition("/")[0]
    return (top,) if top.startswith(".") else ()


def local_directory(root: str) -> Path | None:
    """Read a local root: a path, or a ``file://`` URI, in which a path is percent-encoded.

    Returns:
        The directory; None where the root is one of objects.
    """
    if "://" in root and root.partition("://")[0].lower() != "file":
        return None
    is_uri = root[:5].lower() == "file:"
    path = unquote(root[5:].removeprefix("//")) if is_uri else root
    return Path(path).expanduser().absolute()

"""Objects at a URI: what is there, and what is in them, byte by byte.

A key is what stands in the URI, character by character: nothing in it is escaped, and only a ``*``
means anything but itself.
"""

import itertools
import re
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from ml_pipeline import buckets
from ml_pipeline.addresses import masked
from ml_pipeline.errors import SourceError
from ml_pipeline.pipeline.table_formats import MARKS

_PATTERN: Final = "*"
_AT_ONCE: Final = 1 << 24
_TIMEOUT_S: Final = 60


def is_listed(uri: str) -> bool:
    """Whether a URI is of a store that tells what it holds; a web server does not."""
    return not uri.startswith(("http://", "https://"))


def objects_at(uri: str) -> dict[str, Mapping[str, Any]]:
    """List the objects that a URI stands for: one of that name, or all below it.

    Args:
        uri: with a key, or the beginning of keys, or a pattern in which ``*`` stands for anything
            but a slash, and ``**`` for anything.

    Returns:
        What the store says of each, by its full URI: ``path``, ``size``, ``e_tag`` and more.

    Raises:
        SourceError: if the store cannot be reached or does not exist.
    """
    bucket, key = _divided(uri)
    with reachable(uri):
        store = buckets.Bucket(bucket).small
        folder = _folder_of(key)
        found = {
            str(entry["path"]): entry
            for entry in itertools.chain.from_iterable(store.list(f"{folder}/" if folder else None))
        }
        if _PATTERN in key:
            wanted = _matching(key)
            found = {path: entry for path, entry in found.items() if wanted.fullmatch(path)}
        elif key and not found:
            found = {key: store.head(key)}
    return {f"{bucket}/{path}": entry for path, entry in found.items()}


def marks_around(uri: str) -> Iterator[str]:
    """Yield objects that tell of a table in a prefix or around it.

    Raises:
        SourceError: if the store cannot be reached.
    """
    bucket, key = _divided(uri)
    parts = _folder_of(key).split("/")
    with reachable(uri):
        store = buckets.Bucket(bucket).small
        for count in range(len(parts) + 1):
            around = "/".join(parts[:count])
            for mark in MARKS:
                prefix = f"{around}/{mark}/" if around else f"{mark}/"
                for entries in store.list(prefix):
                    yield from (str(entry["path"]) for entry in entries)
                    break


def chunks_of(uri: str) -> Iterator[bytes]:
    """Yield the bytes of an object in parts.

    Raises:
        SourceError: if it cannot be read.
    """
    with reachable(uri):
        if is_listed(uri):
            bucket, key = _divided(uri)
            for chunk in buckets.Bucket(bucket).large.get(key).stream(min_chunk_size=_AT_ONCE):
                yield bytes(chunk)
            return
        with urllib.request.urlopen(uri, timeout=_TIMEOUT_S) as reply:  # noqa: S310 - only http
            while part := reply.read(_AT_ONCE):
                yield part


@contextmanager
def reachable(uri: str) -> Iterator[None]:
    """Turn what a library says of a URI that cannot be read into one error."""
    from obstore.exceptions import BaseError

    bucket = buckets.Bucket(_divided(uri)[0]) if is_listed(uri) else None
    try:
        with bucket.asked() if bucket is not None else nullcontext():
            yield
    except (BaseError, OSError, ValueError) as error:
        if bucket is not None and (fault := bucket.fault(error)) is not None:
            raise SourceError(
                f"A source must be readable, but {uri} is not: {fault.found}. {fault.remedy}."
            ) from error
        reason = masked(str(error).strip().split("\n", maxsplit=1)[0].rstrip("."))[:400]
        raise SourceError(
            f"A source must be readable, but {uri} is not: {reason}. Check the URI, and the"
            " credentials in the environment."
        ) from error


def _divided(uri: str) -> tuple[str, str]:
    """Divide a URI into the store and the key in it."""
    scheme, _, rest = uri.partition("://")
    host, _, key = rest.partition("/")
    return f"{scheme}://{host}", key.rstrip("/")


def _folder_of(key: str) -> str:
    """Return the prefix below which everything is that a key or pattern may mean."""
    return key.partition(_PATTERN)[0].rpartition("/")[0] if _PATTERN in key else key


def _matching(key: str) -> re.Pattern[str]:
    parts = re.split(r"(\*+)", key)
    return re.compile(
        "".join(
            (".*" if len(part) > 1 else "[^/]*") if part.startswith(_PATTERN) else re.escape(part)
            for part in parts
        ),
        re.DOTALL,
    )

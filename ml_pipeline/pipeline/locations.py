"""How the location of a source is written, so that one place has one spelling.

Kept apart from reading so that validating parameters imports nothing heavy.
"""

import os
import posixpath
import re
from typing import Final
from urllib.parse import unquote, urlsplit

from ml_pipeline.addresses import refusal

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+\Z")
_URI: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(.*)\Z", re.DOTALL)
_FILE: Final = re.compile(r"file:(?=/)", re.IGNORECASE)
_WEB: Final = ("http", "https")


def is_name(source: str) -> bool:
    """Tell a configured name (letters, digits, dash, underscore) from a path or URI."""
    return _NAME.match(source) is not None


def normalized(source: str) -> str:
    """Write a source the one way that counts for identity.

    A name stays as it is, so a run keeps its id wherever the name points. A path becomes absolute
    and loses detours; a URI loses detours and gets a lower-case scheme and host. What follows the
    host of an object store is a key, character by character: ``#``, ``?`` and ``%20`` are part of
    it.

    Args:
        source: a configured name, a path, or a URI.

    Returns:
        The normal spelling.

    Raises:
        ValueError: if the text holds credentials, a NUL or a line break, is only white space, or
            could mean two places.
    """
    if (problem := refusal(source)) is not None:
        raise ValueError(problem)
    if not source.strip():
        raise ValueError("must be a name, path or URI, but is empty")
    if any(character in source for character in "\0\r\n"):
        raise ValueError("must be one line of text without NUL")
    source = source.strip()
    if is_name(source):
        return source
    if _FILE.match(source):
        return os.path.abspath(_path_of(source))
    uri = _URI.match(source)
    if uri is None:
        return os.path.abspath(os.path.expanduser(source))
    scheme, host, path = uri[1].lower(), uri[2].lower(), uri[3]
    if not host:
        raise ValueError(f"must name a bucket or host after {scheme}://, but has none")
    query = ""
    if scheme in _WEB:
        address = urlsplit(source)
        if "#" in source:
            raise ValueError("must have no part after #, which no server sees; write %23 in a name")
        path, query = address.path, f"?{address.query}" if address.query else ""
    if "//" in path:
        raise ValueError("must have no // after the host, which not every store tells from /")
    return f"{scheme}://{host}{posixpath.normpath(path) if path else path}{query}"


def _path_of(uri: str) -> str:
    """Return the path of a ``file:`` URI, in which everything special is escaped."""
    address = urlsplit(uri)
    if address.netloc.lower() not in ("", "localhost"):
        raise ValueError("must be on this machine as a file:// URI: write file:/// and the path")
    if "#" in uri or "?" in uri:
        raise ValueError("must have # as %23 and ? as %3F in a file:// URI: escape it")
    try:
        path = unquote(address.path, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("must have its % escapes in UTF-8") from None
    if "\0" in path:
        raise ValueError("must be one line of text without NUL")
    return path

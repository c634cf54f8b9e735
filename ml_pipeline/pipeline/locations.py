"""How the location of a source is written, so that one place has one spelling.

Kept apart from reading so that validating parameters imports nothing heavy.
"""

import os
import posixpath
import re
from urllib.parse import urlsplit, urlunsplit

from ml_pipeline.addresses import refusal

_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")


def is_name(source: str) -> bool:
    """Tell a configured name (letters, digits, dash, underscore) from a path or URI."""
    return _NAME.match(source) is not None


def normalized(source: str) -> str:
    """Write a source the one way that counts for identity.

    A name stays as it is, so a run keeps its id wherever the name points. A path becomes absolute
    and loses detours; a URI loses detours and gets a lower-case scheme and host.

    Args:
        source: a configured name, a path, or a URI.

    Returns:
        The normal spelling.

    Raises:
        ValueError: if the text holds a NUL or a line break, or is only white space.
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
    scheme, netloc, path, query, _ = urlsplit(source)
    if "://" in source and scheme != "file":
        path = posixpath.normpath(path) if path else path
        return urlunsplit((scheme.lower(), netloc.lower(), path, query, ""))
    local = path if scheme == "file" else source
    return os.path.abspath(os.path.expanduser(local))

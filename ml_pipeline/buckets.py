"""Buckets elsewhere: how long the server behind one is waited for, and what its failures mean.

Passing faults are tried again with growing pauses: not for long while a server has never answered
this process, since then most likely its address is wrong, and for longer once it has. What was
silent all that time is not asked again for a while, by anybody in this process, so that whoever
has many things to ask does not wait out the same outage for each.
"""

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from ml_pipeline.addresses import masked

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_PAUSE_S: Final = 10.0
_MOST_RETRIES: Final = 1000  # the time is what limits them
_FIRST: Final = {"connect_timeout": "3 seconds", "timeout": "5 seconds"}
_KNOWN: Final = {"connect_timeout": "5 seconds", "timeout": "10 seconds"}
# A large object may take any time, as long as some of it comes.
_LARGE: Final = {
    "connect_timeout": "5 seconds",
    "read_timeout": "30 seconds",
    "timeout": "7 days",
}
_FIRST_S: Final = 4
_KNOWN_S: Final = 20
_PASSED_ON: Final = (
    *("allow_http", "allow_invalid_certificates", "connect_timeout", "default_content_type"),
    *("http1_only", "http2_only", "pool_idle_timeout", "pool_max_idle_per_host"),
    *("proxy_ca_certificate", "proxy_excludes", "proxy_url", "read_timeout", "timeout"),
    "user_agent",
)
_PREFIXES: Final = {"s3": "AWS_", "s3a": "AWS_", "gs": "GOOGLE_"}
_CREDENTIALS: Final = {
    "AWS_": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "GOOGLE_": "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_METADATA: Final = re.compile(
    r"https?://(169\.254\.\d+\.\d+|metadata\.google\.internal|\[fd00:ec2)"
)
_ASKED: Final = re.compile(r"Error performing \w+ (\w+://[^/\s]+)")
_STATUS: Final = re.compile(r"non-2xx status code: (\d{3})\b")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_NO_BUCKET: Final = re.compile(r"<Code>(NoSuchBucket|ContainerNotFound)</Code>")
_REFUSED: Final = ("401", "403")
_GONE: Final = ("502", "503", "504")
_WHYS: Final = {
    "ConnectionRefused": "the connection is refused",
    "dns error": "there is no such host",
    "TimedOut": "nothing comes back",
    "Os {": "the connection fails",
    "InvalidContentType": "it does not speak TLS, so it may be http://",
    "certificate": "its certificate is not trusted",
    "IncompleteMessage": "the connection breaks off",
}


class Silent(ConnectionError):
    """A server that did not answer a moment ago, and is not asked again yet."""


@dataclass(frozen=True)
class Fault:
    """Why a bucket cannot be used.

    Attributes:
        found: what was found.
        remedy: what to do, as the beginning of a sentence.
        is_silence: whether the server itself does not answer, whatever it is asked.
    """

    found: str
    remedy: str
    is_silence: bool = False


@dataclass
class _Server:
    """What this process knows of a server."""

    has_answered: bool = False
    silent_until: float = 0.0
    fault: Fault | None = None


_servers: Final[dict[tuple[str, str | None], _Server]] = {}


class Bucket:
    """What is below a URI of an object store.

    Attributes:
        uri: the URI in full.
    """

    def __init__(self, uri: str) -> None:
        """Name a bucket and, if that is all that is meant, a prefix in it.

        Raises:
            BaseError: of obstore, if the URI cannot be understood.
        """
        self.uri = uri
        scheme, _, rest = uri.partition("://")
        self._scheme, self._name = scheme.lower(), rest.partition("/")[0]
        self._prefix = _PREFIXES.get(self._scheme, "AZURE_")
        self._endpoint = _setting(f"{self._prefix}ENDPOINT_URL") or _setting(
            f"{self._prefix}ENDPOINT"
        )
        key = f"{self._scheme}://{self._name}", self._endpoint
        self._server = _servers.setdefault(key, _Server())
        _ = self._first

    @property
    def small(self) -> Any:
        """The store of obstore for what is small, and for listing."""
        return self._known if self._server.has_answered else self._first

    @cached_property
    def large(self) -> Any:
        """The store of obstore for objects of any size."""
        return self._store(_LARGE, _KNOWN_S)

    @cached_property
    def _first(self) -> Any:
        return self._store(_FIRST, _FIRST_S)

    @cached_property
    def _known(self) -> Any:
        return self._store(_KNOWN, _KNOWN_S)

    def _store(self, waiting: Mapping[str, str], most_s: int) -> Any:
        from obstore.store import from_url

        # What is given here takes the place of all that the environment says of the client.
        told = {name: _setting(f"{self._prefix}{name.upper()}") for name in _PASSED_ON}
        options: Any = {**waiting, **{name: value for name, value in told.items() if value}}
        retry: RetryConfig = {
            "max_retries": _MOST_RETRIES,
            "retry_timeout": timedelta(seconds=most_s),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=2),
                "base": 2,
            },
        }
        return from_url(self.uri, client_options=options, retry_config=retry)

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Ask something of the server, and learn whether it answers.

        Raises:
            Silent: if it did not a moment ago.
        """
        from obstore.exceptions import BaseError

        server = self._server
        left = server.silent_until - time.monotonic()
        if left > 0 and server.fault is not None:
            raise Silent(f"{server.fault.found}; it is asked again in {left:.0f} s")
        try:
            yield
        except (BaseError, FileNotFoundError) as error:
            fault = self.fault(error)
            if fault is not None and fault.is_silence:
                server.fault, server.has_answered = fault, False
                server.silent_until = time.monotonic() + _PAUSE_S
            else:
                server.has_answered = True
            raise
        server.has_answered, server.silent_until = True, 0.0

    def fault(self, error: Exception) -> Fault | None:
        """Tell what a failure means; None where that is not known, or only an object is missing."""
        text = str(error)
        status = _match(_STATUS, text)
        code = _match(_CODE, text) or status
        server = masked(_match(_ASKED, text) or self._endpoint or self.uri)
        credentials = _CREDENTIALS[self._prefix]
        endpoint = f"{self._prefix}ENDPOINT_URL"
        silence = f"Check that it runs and is reached from here, and {endpoint}"
        if isinstance(error, Silent):
            before = self._server.fault
            return Fault(text, before.remedy if before else silence, is_silence=True)
        if _METADATA.search(text):
            found = "there are no credentials in the environment"
            return Fault(found, f"Set {credentials}", is_silence="HTTP error" in text)
        if _NO_BUCKET.search(text):
            found = f"there is no bucket '{self._name}' at {server}"
            return Fault(found, f"Make the bucket, or check its name and {endpoint}")
        if code == "RequestTimeTooSkewed":
            return Fault(f"the clock of this machine is not that of {server}", "Set the clock")
        if status in _REFUSED:
            found = f"{server} refuses the credentials ({code})"
            return Fault(found, f"Check {credentials}, and that they may read and write there")
        if "builder error" in text and server.startswith("http://"):
            allow = f"{self._prefix}ALLOW_HTTP"
            return Fault(f"{server} is not encrypted, and so is not asked", f"Set {allow}=true")
        if status in _GONE:
            return Fault(f"{server} is overloaded or down ({code})", silence, is_silence=True)
        if "HTTP error" in text and "builder error" not in text:
            why = next((why for sign, why in _WHYS.items() if sign in text), "no answer comes")
            return Fault(f"{server} does not answer: {why}", silence, is_silence=True)
        return None


def _setting(name: str) -> str | None:
    """Return a variable of the environment; in lower case it counts as well, as for obstore."""
    return os.environ.get(name) or os.environ.get(name.lower())


def _match(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return found[1] if found else None

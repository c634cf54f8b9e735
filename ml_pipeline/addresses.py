"""Credentials in addresses: what counts as one, and how text is shown without it.

An address is recorded: in ids, records, logs and Dagster's databases. So it never carries what
lets somebody in, and a refusal does not repeat it either.
"""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote

# A container of Azure's, or a user whom nothing but a password lets in, is no secret.
_USER_ALONE: Final = re.compile(
    r"(abfss?|wasbs?|hdfs|ssh|sftp|(postgres(ql)?|mysql|mariadb|oracle|mssql|cockroachdb)(\+\w+)?)\Z"
)
_SCHEME: Final = r"(?P<scheme>(?:[a-z][a-z0-9+.-]*:)*)(?P<slashes>/{0,3})"
_AUTHORITY: Final = re.compile(
    rf"(?:^|(?<=[\s'\"(=,\[{{]))(?:[a-z]+::)*{_SCHEME}(?P<host>[^/?#\s@'\"]*)(?P<more>[^\s'\"]*)",
    re.IGNORECASE,
)
_PORT: Final = re.compile(r"(\[[0-9a-f:.]*\]|[^:]*)(:[0-9]*)?\Z", re.IGNORECASE)
_SPACED: Final = re.compile(r"""[a-z][a-z0-9+.-]*://([^/?#'"]*?:(?!\d+\s)[^/?#'"]*)@""", re.I)
# What follows is only looked at: a second ? may begin another field within it.
_FIELD: Final = re.compile(r"(?:^|[?&;#\s])([^=?&;#\s/'\"]+)=(?=([^&;#\s'\"]+))")
# Names are compared in lower case, without what divides their words.
_SECRET: Final = re.compile(
    r"password|passwd|passphrase|passcode|\Apwd|pwd\Z|secret|token|credential|signature|apikey"
    r"|privatekey|accesskey|accountkey|sharedkey|sessionkey|awsaccesskeyid|googleaccessid"
    r"|keypairid|bearer|jwt|\A(x?amz|xgoog)(security|credential|signature)|subscriptionkey"
    r"|(auth|sas|functions?|host|master|storage|signing|encryption)key\Z|assertion|oauth|cookie"
    r"|sess(ion)?id\Z"
)
_SHORT: Final = frozenset(
    {
        *("sig", "sign", "sas", "auth", "authorization", "key", "pass", "pw", "accessid", "hmac"),
        *("cred", "creds", "otp", "session", "ticket"),
    }
)
_USER: Final = "user information before the host"
_SIGNED: Final = "a field that signs or lets in"
_HIDDEN: Final = "***"

REMEDY: Final = (
    "Put them into the environment instead: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,"
    " AZURE_STORAGE_ACCOUNT_KEY, GOOGLE_APPLICATION_CREDENTIALS, or PGPASSWORD for a database"
)

_REMEDIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mlflow_tracking_uri": "Put them into the environment instead: MLFLOW_TRACKING_USERNAME and"
        " MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
        "openlineage_url": "Put them into the environment instead: OPENLINEAGE_API_KEY",
        "scheduler": "Dask lets in by certificate: an address tls://host:8786, and in the"
        " environment DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ..__CLIENT__CERT and ..__CLIENT__KEY",
        "executor_config": "Let it name a variable that has all of the address instead:"
        ' {"broker": {"env": "ML_BROKER"}}',
    }
)
"""Where credentials of the servers go that settings name."""


def credentials_in(text: str) -> str | None:
    """Name what in an address would let somebody in.

    A user alone is none where only a password lets in, as in ``postgresql://ann@host/studies``.

    Args:
        text: an address, or any text.

    Returns:
        The kind of it, in words that hold nothing of it; None where there is none.
    """
    return next((kind for kind, _, _ in _found(text)), None) if _may_hold(text) else None


def is_web(address: str) -> bool:
    """Whether a server is reached there by HTTP."""
    return address.lower().startswith(("http://", "https://"))


def web_or_nothing(address: str) -> str:
    """Return an address by which HTTP reaches a server, or nothing.

    Raises:
        ValueError: if it is another.
    """
    if address and not is_web(address):
        raise ValueError("must begin with http:// or https://")
    return address


def refusal(text: str, remedy: str = REMEDY) -> str | None:
    """Say why an address may not be used, to follow its name, or return None where it may."""
    kind = credentials_in(text)
    if kind is None:
        return None
    return f"must not carry credentials, since it is recorded, but has {kind}. {remedy}"


def refusal_of(setting: str, value: Any) -> str | None:
    """Say why a setting may not be that, where a text in it, however deep, carries credentials."""
    remedy = _REMEDIES.get(setting, REMEDY)
    refused = (refusal(text, remedy) for text in texts_in(value))
    return next((problem for problem in refused if problem is not None), None)


def refusal_in(value: Any) -> str | None:
    """Say why a value may not be recorded, where a URI in it, however deep, carries credentials."""
    refused = (refusal(text) for text in texts_in(value) if "://" in text)
    return next((problem for problem in refused if problem is not None), None)


def masked(text: str) -> str:
    """Return a text with `***` for every credential in an address."""
    if not _may_hold(text):
        return text
    for _, start, end in sorted(_found(text), key=lambda found: -found[1]):
        text = f"{text[:start]}{_HIDDEN}{text[end:]}"
    return text


def without_credentials(value: Any) -> Any:
    """Return a value such that no text in it, however deep, shows a credential."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {without_credentials(k): without_credentials(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [without_credentials(member) for member in value]
    return value


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from texts_in(name)
            yield from texts_in(member)
    elif isinstance(value, list | tuple | set | frozenset):
        for member in value:
            yield from texts_in(member)


def _may_hold(text: str) -> bool:
    return "@" in text or "=" in text or "%" in text


def _found(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the kind, the start and the end of each credential; they do not overlap."""
    reached = 0
    for spaced in _SPACED.finditer(text):
        reached = spaced.end()
        yield (_USER, *spaced.span(1))
    for address in _AUTHORITY.finditer(text, reached):
        user = _user_information(address)
        if user is not None:
            reached = user[1]
            yield (_USER, *user)
    for field in _FIELD.finditer(text, reached):
        if field.start(2) >= reached and _is_secret(unquote(field[1])):
            reached = field.end(2)
            yield _SIGNED, field.start(2), reached


def _user_information(address: re.Match[str]) -> tuple[int, int] | None:
    scheme, slashes, host, more = address.group("scheme", "slashes", "host", "more")
    kind = scheme.lower().rstrip(":").rpartition(":")[2]
    if len(kind) == 1 and (slashes or host.startswith("\\")):
        return None  # a drive of Windows
    start = address.start("host" if slashes else "scheme")
    user = unquote(host if slashes else scheme + host)
    if more.startswith("@"):
        alone = ":" not in user.rstrip(":")
        is_harmless = not slashes or not kind or _USER_ALONE.match(kind) is not None
        is_no_address = kind == "mailto" or (not slashes and user[:1].isdigit())
        if not host or is_no_address or (alone and is_harmless):
            return None
        # A password may hold an @ of its own: the host follows the last one before a slash.
        rest = re.split(r"[/?#]", more, maxsplit=1)[0]
        return start, address.start("more") + rest.rindex("@")
    if slashes and re.search(r":.*@", unquote(host)):
        return start, address.end("host")  # all of it encoded, so that no host is left
    if not slashes or _PORT.match(host) or "@" not in unquote(host + more):
        return None
    # What should be a port is none: a password with a slash in it, or with its @ encoded.
    return start, address.start("more") + max(more.rfind("@"), 0)


def _is_secret(name: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain in _SHORT or _SECRET.search(plain) is not None

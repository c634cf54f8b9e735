"""Shares: which of many keys, such as customers, belong to a part of them.

The same key has the same place in every process, on every day and in every environment. A larger
share has all that a smaller one has.
"""

import hashlib
from typing import Final

_BITS: Final = 53
"""As many as a float holds exactly, so that every place is below 1."""


def share_of(key: str, salt: str) -> float:
    """Return the place of a key: a number of 0 or more and below 1, all equally likely.

    A key is in a share where its place is below it: in no share of 0, and in every share of 1.

    Args:
        key: what is to be placed.
        salt: with another one, keys have places that have nothing to do with these.

    Returns:
        The first 53 bits of the SHA-256 of salt, line feed and key in UTF-8, as a fraction.
    """
    digest = hashlib.sha256(f"{salt}\n{key}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / (1 << _BITS)

"""What the author of a stage says of the models that it makes."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Card:
    """What a model card says that nobody could compute.

    Give it to a stage: `@pipeline.asset(card=Card(...))`. None of it is part of any identity.

    Attributes:
        intended_use: what the model is for, and for whom; paragraphs apart by an empty line.
        limits: what it cannot do, and where it must not be used.
        data: takes ``as_of`` and groups of the stage's scope; returns in words which data the model
            has seen, such as ``orders of 1997-06-01 to 1998-05-31``.
    """

    intended_use: str = ""
    limits: str = ""
    data: Callable[..., str] | None = None


def paragraphs(text: str) -> tuple[str, ...]:
    """Return the paragraphs of a text, each as one line."""
    parts = inspect.cleandoc(text).split("\n\n")
    return tuple(" ".join(part.split()) for part in parts if part.strip())

"""The environment that what runs here is in: the one that the run's parameters name.

Stages take parameters and inputs, which are the same in every environment. Where a name points is
asked here, so that neither has to carry it.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

from ml_pipeline.environments import Environment
from ml_pipeline.settings import settings

_named: Final[ContextVar[str | None]] = ContextVar("environment", default=None)


def current_environment() -> Environment:
    """Return the environment of the run that this is called in, such as within a stage.

    Outside of a run it is this deployment's own. Where none is configured, its name is empty, and
    the rest is what the settings say.

    Raises:
        SettingsError: if the settings cannot be used.
    """
    return settings().environments.named(_named.get())


@contextlib.contextmanager
def in_environment(name: str | None) -> Iterator[None]:
    """Let everything within be in an environment.

    Args:
        name: which one; this deployment's own if None.
    """
    before = _named.set(name)
    try:
        yield
    finally:
        _named.reset(before)

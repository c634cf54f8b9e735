"""Environments as they are typed."""

from collections.abc import Collection

import click

from ml_pipeline.errors import nearest


def known_environment(environment: str, known: Collection[str]) -> None:
    """Refuse an environment that there is not.

    Raises:
        click.UsageError: naming those there are.
    """
    if environment not in known:
        raise click.UsageError(
            f"An environment must be one of {', '.join(sorted(known))}, but got '{environment}'."
            f"{nearest(environment, known)} The setting ML_PIPELINE_ENVIRONMENTS names them."
        )

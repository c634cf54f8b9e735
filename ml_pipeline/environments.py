"""Environments: where runs read and write, and what stands without being asked for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from ml_pipeline.errors import nearest
from ml_pipeline.places import Place

BASE: Final = ""
"""Stands for the settings outside of tables where a line is said to come from a table."""


@dataclass(frozen=True)
class Environment:
    """Where runs read and write, and what stands without being asked for.

    Attributes:
        name: its name; empty where no environments are configured.
        store: directory or URI of the artifacts.
        studies: directory or database URL of Optuna's studies.
        sources: places of outside data by the name that parameters may use.
        params: standing parameters, ``{group: {field: value}}``.
        reads: names of the environments that are read where its own store has nothing.
        limits: what parameters may be, narrower than at all, ``{group: {field: limit}}``.
        gate: what is asked of the metrics of a run that is promoted to it.
        retention: after which age what goes, as it is written.
        mlflow_tracking_uri: address of the MLflow server that is told of its results; empty for
            none, and None for what MLflow's own variable says.
        given_by: the table that each line comes from, `BASE` for the settings outside of tables,
            by its dotted name, such as ``sources.shop``.
    """

    name: str
    store: str
    studies: str
    sources: Mapping[str, str | Place] = field(default_factory=dict)
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    retention: Mapping[str, Any] = field(default_factory=dict)
    mlflow_tracking_uri: str | None = None
    given_by: Mapping[str, str] = field(default_factory=dict)


class Environments(Mapping[str, Environment]):
    """The environments of an installation by name, in the order in which they are written.

    Attributes:
        base: what holds outside of all tables.
        default: the one that runs are in unless they say otherwise; None where none is configured.
        writable: those that this installation may write to.
    """

    def __init__(
        self,
        base: Environment,
        names: Sequence[str] = (),
        tables: Mapping[str, Environment] = MappingProxyType({}),
        default: str | None = None,
        writable: Sequence[str] = (),
    ) -> None:
        """Hold environments.

        Args:
            base: what holds outside of all tables.
            names: names without a table; each means the base.
            tables: what is configured.
            default: the one that runs are in unless they say otherwise.
            writable: those that may be written to.
        """
        self.base = base
        self.default = default
        self.writable = tuple(writable)
        self._tables = tables
        self._all = {**dict.fromkeys(names, base), **tables}

    def __getitem__(self, name: str) -> Environment:
        """Return the environment of a name."""
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._all)

    def __len__(self) -> int:
        """Count them."""
        return len(self._all)

    @property
    def configured(self) -> tuple[str, ...]:
        """The names of those that have a table, which runs can be in."""
        return tuple(self._tables)

    def named(self, name: str | None) -> Environment:
        """Return what a run is in: the environment of a name, or without one the default's.

        Raises:
            KeyError: if none of that name is configured.
        """
        if name is None and self.default is None:
            return self.base
        return self._tables[name or str(self.default)]

    def unknown(self, name: str | None) -> str | None:
        """Say why no run can be in an environment, to follow its name, or return None."""
        if name is None or name in self._tables:
            return None
        if not self._tables:
            return (
                "must be left out, since no environments are configured: a table"
                " [environments.NAME] in settings.toml configures one"
            )
        return f"must be one of {', '.join(self._tables)}.{nearest(name, self._tables)}"

    def refusal(self, name: str | None) -> str | None:
        """Say why runs in an environment may not write, to follow its name, or return None."""
        wanted = name or self.default
        if wanted is None or wanted in self.writable:
            return None
        may_be = ", ".join(self.writable) or "none at all"
        return (
            f"must be one that this deployment may write to, {may_be}, but is '{wanted}'. The"
            " setting `writable` names them; a deployment that may write there can run it"
        )

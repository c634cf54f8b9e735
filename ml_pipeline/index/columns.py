"""What people call the values of runs, and where an index has each.

Records name parameters as they were called when they were written. A name stands for a column here
only where that is all there is to it: one name in records, values of one kind. Whatever else runs
have, what it is called, and of which kind it is, is told from the records one by one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from ml_pipeline.index.kinds import Kind, same_kind
from ml_pipeline.index.rows import AS_OF, METRIC, PARAMETER
from ml_pipeline.params.history import present
from ml_pipeline.params.model import ParamModel

FIXED: Final = ("run_id", "as_of", "asset", "revision", "environment", "duration_s", "made_at")
"""What every run has, besides parameters and metrics."""

_IN_ROWS: Final[Mapping[str, Kind]] = {
    "run_id": "text",
    "revision": "text",
    "duration_s": "number",
    "made_at": "time",
}


@dataclass(frozen=True)
class Source:
    """Where the values of a column are.

    Attributes:
        kind: what they are.
        name: number of their name, among values.
        field: or the column of the artifact's own row.
    """

    kind: Kind
    name: int = 0
    field: str = ""

    @property
    def column(self) -> str:
        """The column of values that holds them."""
        return "number" if self.kind in ("number", "truth") else "text"


class Columns:
    """The names that stand for columns of some lines of an index."""

    def __init__(self, model: ParamModel, found: Iterable[tuple[str, int, str]]) -> None:
        """Bring names together.

        Args:
            model: the parameters as they are now.
            found: name in records, its number, and a kind of its values.
        """
        self._numbers: dict[str, int] = {}
        self._kinds: dict[str, set[str]] = defaultdict(set)
        for name, number, kind in found:
            self._numbers[name] = number
            self._kinds[name].add(kind)
        self._model = model

    @cached_property
    def names(self) -> set[str]:
        """Everything that could be the name of something that runs have."""
        metrics = {n.removeprefix(METRIC) for n in self._numbers if n.startswith(METRIC)}
        return {*FIXED, *self._told, *self._told.values(), *self._gone, *metrics}

    def source(self, name: str) -> Source | None:
        """Return where the values of what people call so are; None where that is not plain."""
        if self._is_crowded or name in self._gone:
            return None
        if name in FIXED:
            return self._fixed(name)
        raw = self._parameters.get(name)
        metric = f"{METRIC}{name}"
        if raw is None and metric in self._numbers:
            raw = [metric]
        elif metric in self._numbers:
            return None
        if raw is None or len(raw) != 1:
            return None
        kind = same_kind(self._kinds[raw[0]])
        return None if kind is None else Source(kind, self._numbers[raw[0]])

    def _fixed(self, name: str) -> Source | None:
        if name == AS_OF:
            kind = same_kind(self._kinds[AS_OF]) if AS_OF in self._numbers else None
            return None if kind not in ("date", "text") else Source(kind, field=AS_OF)
        kind = _IN_ROWS.get(name)
        return None if kind is None else Source(kind, field=name)

    @cached_property
    def _told(self) -> dict[str, str]:
        """The names that people see of parameters as they are now, by dotted name."""
        return {p.dotted: p.told for p in self._model.parameters()}

    @cached_property
    def _present(self) -> dict[str, str]:
        """The dotted names that parameters have now, by the names in records."""
        found = {}
        for raw in self._numbers:
            if raw.startswith(PARAMETER):
                group, *path = raw.removeprefix(PARAMETER).split(".")
                value: Any = object()
                for name in reversed(path):
                    value = {name: value}
                for dotted in present(self._model, {group: value}):
                    found[raw] = dotted
        return found

    @cached_property
    def _parameters(self) -> dict[str, list[str]]:
        """The names in records of each parameter that there is, by plain and by dotted name."""
        found: dict[str, list[str]] = {}
        for raw, dotted in self._present.items():
            if dotted in self._told:
                for name in {dotted, self._told[dotted]}:
                    found.setdefault(name, []).append(raw)
        return found

    @cached_property
    def _gone(self) -> set[str]:
        """What people may see parameters called that are no more."""
        gone = {dotted for dotted in self._present.values() if dotted not in self._told}
        return gone | {dotted.partition(".")[2] for dotted in gone}

    @cached_property
    def _is_crowded(self) -> bool:
        """Whether a run has a parameter with the name of what every run has."""
        return not {*self._parameters, *self._gone}.isdisjoint(FIXED)

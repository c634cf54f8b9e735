"""What is typed for a side of a comparison.

blue                                an environment: the parameters that stand there
@staging, @staging.challenger       what was promoted to an environment
1a2b3c4d                            a run, by the beginning of its id
learning_rate=0.1,max_depth=3       parameters; all others as they stand
green.yaml                          the same from a file
blue:1a2b3c4d, blue:learning_rate=0.1, blue:green.yaml      the same in an environment
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ml_pipeline.environments import Environments
from ml_pipeline.errors import QueryError, nearest
from ml_pipeline.store.ledger import ALIASES, parts_of
from ml_pipeline.text import quoted, shortened

FORMS: Final = "an environment, @ENVIRONMENT, a run id, NAME=VALUE,... or a file of parameters"
"""What a side can be, for whoever typed something else."""

_RUN: Final = re.compile(r"[0-9a-f]{1,16}(/[0-9a-f]{1,16})?")
_FILE: Final = re.compile(r".*\.(yaml|yml|toml|json)", re.IGNORECASE | re.DOTALL)
_PARAMETER: Final = re.compile(r"\s*[\w.]+\s*=")
_LONGEST: Final = 40
_NEXT: Final = re.compile(r",(?=\s*[\w.]+\s*=)")


@dataclass(frozen=True)
class SideName:
    """What was typed for a side.

    Attributes:
        text: all of it.
        environment: whose store is meant; this deployment's own if None.
        run: the beginning of a run id, or ``@`` and an environment; empty for parameters.
        values: parameters as they were typed.
        file: a file of parameters.
        beside: the other side, from which the name has to tell it apart.
    """

    text: str
    environment: str | None = None
    run: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None
    beside: "SideName | None" = field(default=None, repr=False, compare=False)

    @property
    def name(self) -> str:
        """What to call the side: its text, or of parameters those that the other has not alike."""
        others = self.beside.values if self.beside is not None else {}
        own = dict(self.values.items() - others.items())
        if not own or not others.items() - self.values.items():
            return shortened(self.text, _LONGEST)
        told = ",".join(f"{name}={self.values[name]}" for name in self.values if name in own)
        where = f"@{self.environment}" if self.environment is not None else ""
        return shortened(f"{told}{where}", _LONGEST)

    @property
    def is_environment(self) -> bool:
        """Whether nothing but an environment was named."""
        return not self.run and not self.values and self.file is None


def read_side(text: str, environments: Environments) -> SideName:
    """Read what was typed for a side.

    Raises:
        QueryError: if it is none.
    """
    text = text.strip()
    if text in environments.configured:
        return SideName(text, text)
    # Names without tables are what runs are promoted to in the one store.
    if text in environments:
        return SideName(text, run=f"@{text}")
    what, at, name = text.rpartition("@")
    if at and not what:
        return _promoted(text, name, environments)
    environment = name if at and name in environments.configured else None
    if environment is None:
        what = text
    if what.startswith("@"):
        return replace(_promoted(text, what[1:], environments), environment=environment)
    if _PARAMETER.match(what):
        return SideName(text, environment, values=_values(text, what))
    if _FILE.fullmatch(what):
        return SideName(text, environment, file=Path(what))
    if _RUN.fullmatch(what):
        return SideName(text, environment, run=what)
    hint = nearest(what, list(environments))
    raise QueryError([f"a side must be {FORMS}, but got {quoted(text)}.{hint}"])


def _promoted(text: str, line: str, environments: Environments) -> SideName:
    """Return what an environment has, as the champion or under another alias."""
    owner, alias = parts_of(line)
    problem = ""
    if owner not in environments:
        known = f"must be one of {', '.join(environments) or 'none at all'}"
        hint = nearest(owner, list(environments))
        problem = f"the environment of a side {known}, but got {quoted(text)}.{hint}"
    elif alias not in ALIASES:
        known = f"must be one of {', '.join(ALIASES)}"
        problem = f"the alias of {quoted(text)} {known}.{nearest(alias, ALIASES)}"
    if problem:
        raise QueryError([problem])
    return SideName(text, owner if owner in environments.configured else None, run=f"@{line}")


def _values(text: str, what: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for part in _NEXT.split(what):
        name, _, value = part.partition("=")
        if name.strip() in values:
            raise QueryError([f"{quoted(text)} gives '{name.strip()}' twice: give it one value"])
        values[name.strip()] = value
    return values

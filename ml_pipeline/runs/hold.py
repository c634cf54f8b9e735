"""A claim that is kept while what is made of the artifact is made, by the same run and at one go.

Nobody else makes that meanwhile: to make it of this artifact, others look at its claim, as `behind`
tells. They could not have begun before, since the artifact was not there. So it takes a claim less
for each, which in an object store are three requests.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from ml_pipeline.runs.stage import Stage
from ml_pipeline.store.record import Record


@dataclass(frozen=True)
class Onward:
    """What a run goes on to.

    Attributes:
        stages: what it makes later, in order of dependence.
        known: records of what is there by now, by stage.
    """

    stages: Sequence[Stage] = ()
    known: Mapping[str, Record] = field(default_factory=dict)

    def covered(self, stage: Stage) -> list[Stage]:
        """Return what the claim on an artifact of a stage covers."""
        return [one for one in self.stages if is_covered(one, stage)]

    def read_by(self, stages: Sequence[Stage]) -> dict[str, Record]:
        """Return the records of what stages read, as far as it is there."""
        names = [name for one in stages for name in one.upstream if name in self.known]
        return {name: self.known[name] for name in names}


@dataclass(frozen=True)
class Hold:
    """A claim that is kept.

    Attributes:
        name: the claim's.
        covers: names of the stages that are made under it.
        until: lets go of it when it is closed.
    """

    name: str
    covers: frozenset[str]
    until: ExitStack


def is_covered(stage: Stage, by: Stage) -> bool:
    """Whether what a stage makes is made under the claim on what it reads.

    Args:
        stage: the stage.
        by: another. With parameters of its own, many would be made of one artifact, and wait for
            each other.
    """
    return by.name in stage.upstream and by.scope == stage.scope

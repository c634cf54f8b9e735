"""Stages by name: which there are, which come before others, and which judges."""

from collections.abc import Iterable

from ml_pipeline.errors import PipelineError, nearest
from ml_pipeline.runs.stage import Stage


class StageSet:
    """Stages in order of dependence.

    Attributes:
        name: name of the pipeline.
        stages: by name, each after those that it depends on.
    """

    name: str
    stages: dict[str, Stage]

    @property
    def former(self) -> dict[str, str]:
        """The names of stages by those that they had before."""
        return {old: stage.name for stage in self.stages.values() for old in stage.former}

    def present_name(self, asset: str) -> str:
        """Return the name that a stage has now, or what is given where that is no stage's."""
        return self.former.get(asset, asset)

    def kept_names(self, names: Iterable[str]) -> list[str]:
        """Return the names that the store has stages by: their own, and those from before."""
        return [kept for name in names for kept in (name, *self.stage(name).former)]

    def stage(self, name: str) -> Stage:
        """Return a stage by name.

        Raises:
            PipelineError: if there is none, naming the nearest.
        """
        if name not in self.stages:
            raise PipelineError(
                f"'{name}' is no asset of pipeline '{self.name}'.{nearest(name, self.stages)}"
            )
        return self.stages[name]

    def at_key(self, key: str) -> Stage | None:
        """Return the stage of a key in Dagster, if there is one."""
        return next((stage for stage in self.stages.values() if stage.key == key), None)

    def selected(self, names: Iterable[str] | None = None) -> list[Stage]:
        """Return stages in order of dependence: all of them, or those named."""
        wanted = set(self.stages) if names is None else {self.stage(name).name for name in names}
        return [stage for name, stage in self.stages.items() if name in wanted]

    def upstream_of(self, name: str) -> list[Stage]:
        """Return a stage and everything upstream of it, in order of dependence."""
        wanted = {self.stage(name).name}
        for stage in reversed(self.stages.values()):
            if stage.name in wanted:
                wanted.update(stage.upstream)
        return self.selected(wanted)

    @property
    def reads_others(self) -> bool:
        """Whether stages depend on assets that are no stages."""
        return any(stage.others for stage in self.stages.values())

    @property
    def is_judged(self) -> bool:
        """Whether a stage declares an objective, so that runs can be ranked and swept."""
        return any(stage.judged_by is not None for stage in self.stages.values())

    @property
    def judge(self) -> Stage:
        """The stage whose metrics judge a run: the one that declares an objective, or the last.

        Raises:
            PipelineError: if the pipeline has no stages.
        """
        if not self.stages:
            raise PipelineError(f"Pipeline '{self.name}' must have a stage, but has none.")
        stages = list(self.stages.values())
        return ([stage for stage in stages if stage.judged_by is not None] or stages)[-1]

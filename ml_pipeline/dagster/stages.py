"""The pipeline that users declare: its stages take what Dagster's users expect of an asset."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar, Unpack, cast, overload

import dagster as dg

from ml_pipeline.dagster import private
from ml_pipeline.dagster.arguments import WORDS, Resource, asked_by, resource_asked_by, resources_of
from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.errors import PipelineError, nearest
from ml_pipeline.launch.names import names_of
from ml_pipeline.runs import options, stages
from ml_pipeline.runs.options import Extras, Retry, refuse_unknown
from ml_pipeline.runs.stage import Result, Stage

F = TypeVar("F", bound=Callable[..., Any])

Upstream: TypeAlias = (
    dg.AssetsDefinition
    | dg.AssetSpec
    | dg.AssetDep
    | dg.AssetIn
    | dg.AssetKey
    | str
    | Sequence[str]
)
"""An asset that is no stage: its definition, its spec or its key."""

_INSTEAD: Final = {
    "backfill_policy": "code_location takes dates_per_run",
    "check_specs": "A check is a function of its own with @pipeline.asset_check(...)",
    "config_schema": "An argument annotated with a ParamGroup is config",
    "group_name": "It is called group",
    "io_manager_def": "Stages are kept in the pipeline's store",
    "io_manager_key": "Stages are kept in the pipeline's store",
    "name": "The function's name is the asset's",
    "partitions_def": "code_location takes the partitions of all stages",
    "required_resource_keys": "An argument annotated with a resource asks for it",
    "resource_defs": "The code location has the resources",
}
"""What users of `dg.asset` may look for."""

_NO_VALUES: Final = (dg.Output, dg.MaterializeResult, dg.AssetMaterialization, dg.AssetCheckResult)


class StageOptions(options.StageOptions, total=False):
    """The options of `Pipeline.asset`: those of `runs.options.StageOptions`, and Dagster's.

    Attributes:
        ins: assets that are no stages, by the argument that gets their value.
        deps: assets, stages among them, that have to be there before and count in the revision,
            but whose values are not loaded.
        metadata: Dagster's metadata of the asset.
        retry_policy: how often and after which time the stage is computed again where it raises;
            errors of ours, and `dg.Failure(allow_retries=False)`, are never tried again.
        pool: Dagster's concurrency pool. All stages are one step, so one pool serves them all.
        automation_condition: when Dagster makes the asset by itself.
        freshness_policy: how old Dagster lets the asset become.
    """

    ins: Mapping[str, Upstream]
    deps: Iterable[Upstream | Callable[..., Any]]
    metadata: Mapping[str, Any] | None
    retry_policy: dg.RetryPolicy | None
    pool: str | None
    automation_condition: dg.AutomationCondition[Any] | None
    freshness_policy: dg.FreshnessPolicy | None


@dataclass(frozen=True)
class Told:
    """What Dagster is told of a stage.

    Attributes:
        others: the assets that it depends on and that are no stages.
        partitions: their partitions by key, as far as they are known.
        pool: its concurrency pool.
    """

    others: tuple[dg.AssetKey, ...] = ()
    partitions: Mapping[dg.AssetKey, dg.PartitionsDefinition[str] | None] = field(
        default_factory=dict
    )
    metadata: Mapping[str, Any] = field(default_factory=dict)
    pool: str | None = None
    automation_condition: dg.AutomationCondition[Any] | None = None
    freshness_policy: dg.FreshnessPolicy | None = None


def told_of(stage: Stage) -> Told:
    """Return what Dagster is told of a stage."""
    told = stage.extras.told
    return told if isinstance(told, Told) else Told()


def asset_key(stage: Stage) -> dg.AssetKey:
    """Return Dagster's key of a stage."""
    return dg.AssetKey([*stage.key_prefix, stage.name])


def pool_of(some: Iterable[Stage]) -> str | None:
    """Return the pool that stages run in together, if one of them names any."""
    return next((pool for stage in some if (pool := told_of(stage).pool) is not None), None)


def needs_location(pipeline: stages.Pipeline) -> bool:
    """Whether stages ask for what the rest of the code location has: resources, other assets."""
    return any(resources_of(stage) or stage.others for stage in pipeline.stages.values())


def asks_dagster(pipeline: stages.Pipeline) -> bool:
    """Whether stages take anything that Dagster provides."""
    return any(
        stage.signature.provided or stage.asked_by_reads or stage.others
        for stage in pipeline.stages.values()
    )


def refuse_other_partitions(
    pipeline: stages.Pipeline, partitions: dg.PartitionsDefinition[str] | None
) -> None:
    """Refuse assets upstream whose partitions are known and are not those of a pipeline.

    Raises:
        PipelineError: naming all of them.
    """
    problems = [
        f"'{stage.name}' reads '{key.to_user_string()}', which has {known}"
        for stage in pipeline.stages.values()
        for key, known in told_of(stage).partitions.items()
        if known is not None and known != partitions
    ]
    if problems:
        raise PipelineError(
            f"What stages read must have no partitions or those of pipeline '{pipeline.name}',"
            f" which has {partitions or 'none'}, but {'; '.join(problems)}. Let an asset of your"
            " own gather what the stage needs."
        )


class Pipeline(stages.Pipeline):
    """Stages in order of dependence, and the parameters that they share.

    A stage may ask for its groups, ``as_of`` and stages before it, and besides for resources
    (annotated with their class or with `dg.ResourceParam`), the `dg.AssetExecutionContext`, and
    assets that are no stages, by the option ``ins``.
    """

    @overload
    def asset(self, function: F, /) -> F: ...

    @overload
    def asset(self, /, **options: Unpack[StageOptions]) -> Callable[[F], F]: ...

    def asset(self, function: Any = None, /, **options: Any) -> Any:
        """Make a function a stage of this pipeline; the function itself is returned unchanged.

        Args:
            function: computes the asset for one partition, at once or as a coroutine; its name is
                the asset's.
            **options: those of `StageOptions`.

        Raises:
            PipelineError: if an argument names no earlier stage and nothing that Dagster provides,
                a declared package or file is missing, an option does not exist or fits nothing, or
                nobody could tell when the function changes.
        """

        def add(function: F) -> F:
            with unwrapped():
                self._add_with(function, cast("StageOptions", options))
            return function

        return add if function is None else add(function)

    def result_of(self, stage: str, value: Any) -> Result:
        """Return what a stage has returned as a result.

        Args:
            stage: its name.
            value: what it returned.

        Raises:
            PipelineError: if it is what assets of Dagster's own return.
        """
        if isinstance(value, _NO_VALUES):
            raise PipelineError(
                f"'{stage}' must return its value, which is kept, but returned a"
                f" {type(value).__name__}. Return the value, or Result(value, metrics=...); what is"
                " always the same of the asset goes into its option metadata, and a check into a"
                " function of its own with @pipeline.asset_check."
            )
        return super().result_of(stage, value)

    def _add_with(self, function: Callable[..., Any], given: StageOptions) -> None:
        name = function.__name__
        known = {**options.StageOptions.__annotations__, **StageOptions.__annotations__}
        refuse_unknown(name, given, known, _INSTEAD)
        ins = {argument: self._asset(name, one) for argument, one in given.get("ins", {}).items()}
        after, others = [], list(ins.values())
        for one in given.get("deps", ()):
            stage = self._stage_of(one)
            if stage is not None:
                after.append(stage.name)
            else:
                others.append(self._asset(name, cast("Upstream", one)))
        self._refuse_ins(function, given)
        keys = [dep.asset_key for dep in others]
        told = Told(
            others=tuple(keys),
            partitions=_partitions_known([*given.get("ins", {}).values(), *given.get("deps", ())]),
            metadata=dict(given.get("metadata") or {}),
            pool=given.get("pool"),
            automation_condition=given.get("automation_condition"),
            freshness_policy=given.get("freshness_policy"),
        )
        self._refuse_another_pool(name, told.pool)
        extras = Extras(
            provide=partial(self._asked_by, {each: dep.asset_key for each, dep in ins.items()}),
            provide_reads=self._resource_of_reads,
            provided=WORDS,
            others=tuple(dict.fromkeys(key.to_user_string() for key in keys)),
            after=tuple(after),
            retry=_retry(given.get("retry_policy")),
            told=told,
        )
        of_runs = {key: given[key] for key in given if key in options.StageOptions.__annotations__}  # type: ignore[literal-required]
        self.add(function, cast("options.StageOptions", of_runs), extras)

    def _asked_by(
        self, ins: Mapping[str, dg.AssetKey], argument: str, annotation: Any
    ) -> object | None:
        asked = asked_by(argument, annotation, ins)
        if isinstance(asked, Resource):
            self._refuse_ours(argument)
        return asked

    def _resource_of_reads(self, argument: str, annotation: Any) -> object | None:
        asked = resource_asked_by(argument, annotation)
        if asked is not None:
            self._refuse_ours(argument)
        return asked

    def _refuse_ours(self, argument: str) -> None:
        names = names_of(self)
        if argument in (names.params, names.sweep, names.io_manager, names.no_io):
            raise PipelineError(
                f"A resource that a stage takes must have a name of its own, but '{argument}' is"
                f" one of pipeline '{self.name}'. Rename the argument and the resource."
            )

    def _stage_of(self, given: Any) -> Stage | None:
        """Return the stage that is meant by a function or a key, if it is one."""
        if isinstance(given, str):
            return self.stages.get(given) or self.at_key(given)
        if isinstance(given, dg.AssetKey):
            return self.at_key(given.to_user_string())
        return next((one for one in self.stages.values() if one.function is given), None)

    def _asset(self, stage: str, given: Upstream) -> dg.AssetDep:
        """Return what is meant by an asset that is no stage.

        Raises:
            PipelineError: if it is none, is a stage, or a partition mapping is asked for.
        """
        plain = given.key if isinstance(given, dg.AssetIn) else given
        try:
            if type(plain) in (list, tuple):
                plain = dg.AssetKey(cast("Sequence[str]", plain))
            dep = plain if isinstance(plain, dg.AssetDep) else dg.AssetDep(cast("Any", plain))
        except private.REFUSALS as error:
            raise PipelineError(
                f"What '{stage}' depends on must be a stage before it or one asset, its spec or its"
                f" key, but is {given!r}: {error}"
            ) from error
        if getattr(given, "partition_mapping", None) is not None:
            raise PipelineError(
                f"'{stage}' reads the partition of its own key of '{_name(dep)}', or the whole of"
                " what has no partitions; a partition_mapping is not taken. Leave it out, or let an"
                " asset of your own gather what the stage needs."
            )
        return dep

    def _refuse_ins(self, function: Callable[..., Any], given: StageOptions) -> None:
        name, arguments = function.__name__, inspect.signature(function).parameters
        for argument, one in given.get("ins", {}).items():
            if argument not in arguments:
                raise PipelineError(
                    f"The names in ins of '{name}' must be arguments of it, but it has none called"
                    f" '{argument}'.{nearest(argument, arguments)} What is not loaded goes into"
                    " deps."
                )
            if (stage := self._stage_of(one)) is not None:
                raise PipelineError(
                    f"The assets in ins of '{name}' must be no stages, but '{stage.name}' is one of"
                    f" this pipeline. Call the argument {stage.name}, and leave '{argument}' out of"
                    " ins."
                )

    def _refuse_another_pool(self, name: str, pool: str | None) -> None:
        for stage in self.stages.values():
            other = told_of(stage).pool
            if None not in (pool, other) and pool != other:
                raise PipelineError(
                    "All stages of a pipeline are one step in Dagster, which has one pool, but"
                    f" '{stage.name}' names '{other}' and '{name}' names '{pool}'. Name one for"
                    " both, or make two pipelines of them."
                )


def _name(dep: dg.AssetDep) -> str:
    return dep.asset_key.to_user_string()


def _partitions_known(
    given: Iterable[Any],
) -> dict[dg.AssetKey, dg.PartitionsDefinition[str] | None]:
    return {
        one.key: one.partitions_def
        for one in given
        if isinstance(one, dg.AssetsDefinition | dg.AssetSpec)
    }


def _retry(policy: dg.RetryPolicy | None) -> Retry:
    """Return what tells whether a stage is tried again, and after how many seconds."""

    def retry(error: Exception, attempt: int) -> float | None:
        if isinstance(error, dg.RetryRequested):
            return None if attempt > error.max_retries else float(error.seconds_to_wait or 0)
        if policy is None or attempt > policy.max_retries:
            return None
        if isinstance(error, dg.Failure) and not error.allow_retries:
            return None
        return float(policy.calculate_delay(attempt))

    return retry

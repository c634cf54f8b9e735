"""The resource that carries a sweep to its asset, checked like the parameters of a single run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.origins import origins_of
from ml_pipeline.dagster.resources import checked, config_schema
from ml_pipeline.dagster.run_config import refuse_without_effect
from ml_pipeline.launch.names import names_of
from ml_pipeline.launch.standing import with_standing
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.runs.host import Host
from ml_pipeline.runs.provenance import provenance
from ml_pipeline.runs.stages import Pipeline
from ml_pipeline.store.artifacts import ArtifactStore
from ml_pipeline.store.environments import Stores
from ml_pipeline.store.record import Provenance
from ml_pipeline.sweeps.objective import objective_of
from ml_pipeline.sweeps.options import MODEL
from ml_pipeline.sweeps.request import SweepRequest

if TYPE_CHECKING:
    from ml_pipeline.sweeps.engine import Sweep


@dataclass(frozen=True)
class SweepSetup:
    """Everything about a sweep but its dates.

    Attributes:
        request: what is swept.
        pipeline: the stages.
        store: where artifacts are.
        studies: a directory for study files, or the URL of a database.
        provenance: tells what to record about the surroundings.
    """

    request: SweepRequest
    pipeline: Pipeline
    store: ArtifactStore
    studies: str
    provenance: Callable[[], Provenance]

    def sweep(self, dates: Sequence[AsOf | None], output: Path | None, host: Host) -> "Sweep":
        """Return the sweep over some dates.

        Args:
            dates: days in order.
            output: file for what stages print, or None to leave it where it goes.
            host: what provides what stages take besides.
        """
        # Every process of Dagster imports this module; few run a sweep.
        from ml_pipeline.sweeps.engine import Sweep
        from ml_pipeline.sweeps.workers import configured_machines

        return Sweep(
            self.request,
            dates,
            self.pipeline,
            self.store,
            self.studies,
            self.provenance,
            output,
            host,
            configured_machines(),
        )


def sweep_resource(
    pipeline: Pipeline,
    stores: Stores,
    studies: Callable[[str | None], str],
    code: Path,
) -> dg.ResourceDefinition:
    """Return the resource whose config is a sweep.

    Args:
        pipeline: the stages.
        stores: returns the store of an environment; called once in each run.
        studies: returns where the studies of an environment are kept; called once in each run.
        code: a directory in the checkout whose commit is recorded.
    """

    def parsed(config: Any, origins: Mapping[str, str] | None = None) -> SweepRequest:
        request = SweepRequest.of_config(
            pipeline.params, with_standing(pipeline.params, config), origins
        )
        objective_of(pipeline, request)
        return request

    schema = config_schema([pipeline.params, MODEL], several=True)

    @dg.resource(
        config_schema=schema,
        description=(
            "The parameters of a sweep. Any may have several values: a list, 0.01,0.1,"
            " range(2,7), linspace(0,1,5), log(1e-3,1,4), or an interval to search:"
            " [2..8], log[1e-3..1]."
        ),
    )
    @unwrapped()
    def carry(context: dg.InitResourceContext) -> SweepSetup:
        run_id = context.run.run_id if context.run is not None else None
        refuse_without_effect(context, pipeline)
        origins = origins_of(context, pipeline.params, names_of(pipeline).sweep)
        request = parsed(context.resource_config, origins)
        return SweepSetup(
            request,
            pipeline,
            stores(request.environment),
            studies(request.environment),
            partial(provenance, run_id, code, pipeline.first_party),
        )

    def ready(config: Any) -> None:
        pipeline.refuse_unready(*parsed(config).representatives)

    return checked(carry, schema, ready)

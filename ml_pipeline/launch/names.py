"""What Dagster calls those parts of a pipeline of which its code location has one.

A location has one resource, asset and job of a name, whoever it is from. What a user types stays
short where nothing else has that name, and begins with the pipeline's name where it is `prefixed`;
what nobody types always does.
"""

from dataclasses import dataclass
from typing import Final

from ml_pipeline.runs.stages import Pipeline

JOB: Final = "run_pipeline"
"""Name of the job that makes all stages, where nothing else has it."""


@dataclass(frozen=True)
class Names:
    """Names of what a pipeline has one of.

    Attributes:
        params: the resource that carries the parameters.
        sweep: the asset whose runs are sweeps, and its resource.
        leaderboard: the asset that compares results.
        comparison: the asset that sets two sides of them beside each other.
        job: the job that makes all stages; `run_` and the name of a pipeline that serves another.
        promote: the job that makes a run what an environment has.
        promotion: its op.
        rollback: the job that goes back to what it had before.
        roll_back: its op.
        io_manager: the IO manager of the stages.
        no_io: the IO manager of what keeps nothing of its own.
        requests: the sensor of request files.
        new_data: the sensor of outside data.
        window: the schedule that keeps the last dates complete.
        sweep_schedule: the schedule that sweeps over the last dates.
        retention: the schedule, and its job, that removes what need not be kept.
    """

    params: str
    sweep: str
    leaderboard: str
    comparison: str
    job: str
    promote: str
    promotion: str
    rollback: str
    roll_back: str
    io_manager: str
    no_io: str
    requests: str
    new_data: str
    window: str
    sweep_schedule: str
    retention: str


def names_of(pipeline: Pipeline) -> Names:
    """Return the names of a pipeline's parts."""
    before = f"{pipeline.name}_" if pipeline.is_prefixed else ""
    return Names(
        params=f"{before}params",
        sweep=f"{before}sweep",
        leaderboard=f"{before}leaderboard",
        comparison=f"{before}comparison",
        job=f"{before}{JOB}" if pipeline.serves is None else f"run_{pipeline.name}",
        promote=f"{before}promote",
        promotion=f"{before}promotion",
        rollback=f"{before}rollback",
        roll_back=f"{before}roll_back",
        io_manager=f"{pipeline.name}_io",
        no_io=f"{pipeline.name}_no_io",
        requests=f"{before}requests",
        new_data=f"{before}new_data",
        window=f"{before}daily_window",
        sweep_schedule=f"{before}weekly_sweep",
        retention=f"{before}retention",
    )

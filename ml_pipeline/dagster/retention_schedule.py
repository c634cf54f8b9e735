"""The schedule that removes what environments need not keep, off until somebody turns it on."""

from typing import Final

import dagster as dg

from ml_pipeline.dagster.errors import unwrapped
from ml_pipeline.dagster.location import Location, location_of
from ml_pipeline.dagster.schedules import refuse_no_cron
from ml_pipeline.launch.names import names_of
from ml_pipeline.retention import Retention
from ml_pipeline.settings import settings

_NOTHING: Final = (
    "no environment that may be written to here has a retention in settings.toml, so nothing goes"
)


@unwrapped()
def retention_schedule(
    location: dg.Definitions, cron: str = "30 3 * * *", name: str = ""
) -> dg.ScheduleDefinition:
    """Return the schedule that removes what is older than environments keep it.

    It goes through the environments that this deployment may write to; each keeps what its own
    table `retention` says. Its job can be launched by hand as well, to tell what would go.

    Args:
        location: what `code_location` returned for the pipeline.
        cron: when.
        name: its name and its job's; if omitted, `retention`, after the pipeline's where that is
            `prefixed`.

    Raises:
        PipelineError: if there is not one pipeline in the definitions, or no such time.
        SettingsError: if a retention cannot be used.
    """
    refuse_no_cron(cron)
    made_of = location_of(location)
    kept = _kept()
    called = name or names_of(made_of.pipeline).retention

    def asked() -> dg.RunRequest | dg.SkipReason:
        return dg.RunRequest() if _kept() else dg.SkipReason(_NOTHING)

    said = "; ".join(f"{one or 'all'}: {table}" for one, table in kept.items())
    return dg.ScheduleDefinition(
        called,
        cron_schedule=cron,
        job=_job(made_of, called),
        execution_fn=lambda _context: asked(),
        execution_timezone=settings().timezone,
        description=f"Removes what is older than it is kept. {said or _NOTHING.capitalize()}.",
    )


def _kept() -> dict[str, str]:
    """Return what is said of each environment that something goes in, as people wrote it."""
    known = settings().environments
    found = [known[one] for one in known.writable] if known.default else [known.base]
    return {
        one.name: ", ".join(f"{line} {value}" for line, value in one.retention.items())
        for one in found
        if not Retention.model_validate(one.retention).is_empty
    }


def _job(made_of: Location, name: str) -> dg.JobDefinition:
    class RetentionConfig(dg.Config):
        """Whether anything is removed."""

        dry_run: bool = False

    @dg.op(
        name=f"{name}_op", description="Removes what is older than it is kept.", out=dg.Out(None)
    )
    def retain(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
        from ml_pipeline.dagster.retention import due

        with unwrapped():
            for environment in _kept():
                for policy in due(made_of, environment or None, context.instance, settings()):
                    gone = policy.due if config.dry_run else tuple(policy.remove())
                    size = sum(one.bytes for one in gone)
                    what = "could go" if config.dry_run else "removed"
                    where = f"{environment}: " if environment else ""
                    context.log.info(f"{where}{policy.lines}: {len(gone)} {what}, {size:,} bytes")

    @dg.job(
        name=name,
        description="Removes what environments need not keep any longer.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        retain()

    return job

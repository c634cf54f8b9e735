"""Examples below the options of `--help`: what a command looks like where it is used."""

from typing import Final

import click

from ml_pipeline.invocation import typed

_EXAMPLES: Final = {
    "run": (
        "run --as-of 2026-05-31 -p NAME=0.2 -p OTHER=text",
        "run --from 2026-05-18 --to 2026-05-31 --dry-run",
        "run --like 1a2b3c -p NAME=0.3 --json",
    ),
    "sweep": (
        'sweep -p NAME=0.1,0.2 -p "OTHER=range(2,5)" --plan',
        "sweep --from 2026-05-18 --to 2026-05-31 -p NAME=0.1,0.2",
        'sweep -p "NAME=log[0.01..1]" --n-trials 30 --html board.html',
    ),
    "launch": (
        "launch --as-of 2026-05-31 -p NAME=0.2",
        "launch --sweep -p NAME=0.1,0.2 --priority -1 --no-wait",
    ),
    "id": ("id --as-of 2026-05-31 -p NAME=0.2 --json",),
    "why": ("why --as-of 2026-05-31 -p NAME=0.2",),
    "params": ("params", "params --template > run.yaml"),
    "form": ("form --out form.html --url http://127.0.0.1:3000",),
    "env show": ("env show", "env show staging --json"),
    "leaderboard": (
        "leaderboard --from 2026-05-18 --to 2026-05-31 --top 5",
        'leaderboard --where "NAME<0.3" --metric mae:minimize --csv -',
    ),
    "compare": (
        "compare blue green --from 2026-05-18 --to 2026-05-31",
        "compare NAME=0.1 NAME=0.2 -p OTHER=3 --html compared.html",
        'compare @production 1a2b3c --gate "mape within 2%"',
    ),
    "runs list": (
        "runs list --sort -NAME --limit 10",
        'runs list --where "NAME<0.3 and as_of>=2026-05-18" --json',
    ),
    "runs show": ("runs show 1a2b3c", "runs show @production --json"),
    "runs diff": ("runs diff @production @staging",),
    "card": ("card @production", "card 1a2b3c --html --out card.html"),
    "export": (
        "export exported",
        'export s3://bucket/records.parquet --where "as_of>=2026-05-18"',
    ),
    "reproduce": ("reproduce 1a2b3c",),
    "promote": (
        "promote 1a2b3c --to staging --note first",
        "promote NAME=0.2 --from staging --to prod --dry-run",
        'promote 1a2b3c --to prod --gate "mape within 2%" --min-dates 14',
        "promote 1a2b3c --to prod --alias challenger --flag share=0.1",
    ),
    "rollback": ("rollback --to production --by ann",),
    "promotions": ("promotions production",),
    "gc": ("gc --older-than 30d --keep-promoted", "gc --older-than 30d --delete"),
    "retain": ("retain --items", "retain --delete"),
    "new": ("new houses",),
    "deploy init": ("deploy init --team deployed",),
    "ui": ("ui --port 3001",),
}


def with_examples(command: click.Command, name: str) -> click.Command:
    """Give a command, or those of a group, the examples that there are."""
    if isinstance(command, click.Group):
        for below, one in command.commands.items():
            with_examples(one, f"{name} {below}")
    elif name in _EXAMPLES:
        lines = "\n".join(f"  {typed(words)}" for words in _EXAMPLES[name])
        command.epilog = f"\b\nExamples:\n{lines}"
    return command

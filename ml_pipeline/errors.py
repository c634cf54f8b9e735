"""Every error that a user of ml_pipeline can meet, in one tree.

    MlPipelineError
    ├── ParamsError          parameter values that are refused, all problems at once
    │   ├── QueryError           conditions on runs that are refused; nothing was to be launched
    │   └── OpConfigError        config of ops that is refused
    ├── SettingsError        a setting of this installation that cannot be used
    ├── PipelineError        stages that do not fit together; raised when definitions load
    ├── SourceError          outside data that cannot be read
    ├── NotEnoughDataError   data that was read but cannot support the computation
    ├── SecretError          a secret that is not where its reference says
    ├── CheckFailed          an artifact that nothing may be made of, since a check failed
    ├── PromotionRefused     a run that must not become what an environment has
    ├── ServingRefused       what an environment has, and must not score with
    ├── RemoteError          a Dagster webserver elsewhere
    │   ├── ServerUnreachable    nothing answers, or it is no Dagster webserver
    │   └── LaunchRefused        the webserver does not take the run
    └── StoreError           the artifact store
        ├── StoreUnreachable     the root cannot be read or written
        ├── IndexUnusable        the index of runs cannot be used; all but its own commands go on
        ├── ArtifactMissing      nothing is published where something is needed
        ├── PromotionConflict    another run was promoted at the same time
        └── ArtifactDamaged      the stored bytes are not those that were published

A message says what must hold, what was found, where, and what to do about it, in that order.
"""

import difflib
from collections.abc import Collection, Sequence
from typing import Final

from ml_pipeline.invocation import typed

_FEWEST_LETTERS: Final = 3
"""What is shorter is the beginning of too much."""
_MOST_TOLD: Final = 1500
_MOST_LISTED: Final = 1700
"""Characters of one problem and of all: a message has to be read to the end."""


class MlPipelineError(Exception):
    """Root of the tree; catch this to catch everything that ml_pipeline raises on purpose."""


class _Listing(MlPipelineError):
    """Lists all problems at once; what brings errors to other processes can make it again there.

    Attributes:
        problems: a line for each.
    """

    problems: Sequence[str]

    def __init__(self, message: str, *given: object) -> None:
        """Keep the message beside the arguments of whoever composed it.

        Args:
            message: with all problems.
            given: what the class was called with: pickle and Celery call it again.
        """
        super().__init__(*given)
        self._message = message

    def __str__(self) -> str:
        """Return the message."""
        return self._message


class ParamsError(_Listing):
    """A set of parameter values is refused.

    Attributes:
        problems: one line for each thing that is wrong, never empty.
    """

    def __init__(self, problems: Sequence[str], effect: str = "Nothing was launched.") -> None:
        """Compose the message from all problems.

        Args:
            problems: at least one line, each naming the parameter and what must hold.
            effect: what has happened all the same, as a sentence.
        """
        self.problems = tuple(problems)
        advice = f"`{typed('params')}` lists every parameter with its type and bounds."
        message = f"{_headline(self.problems, 'the parameters')}\n{effect} {advice}"
        super().__init__(message, self.problems, effect)


class QueryError(ParamsError):
    """What is asked of the runs there are cannot be answered."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Compose the message from all problems.

        Args:
            problems: at least one line, each naming what must hold.
        """
        self.problems = tuple(problems)
        _Listing.__init__(self, _headline(self.problems, "what is asked"), self.problems)


class OpConfigError(ParamsError):
    """The config of ops is refused."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Compose the message from all problems.

        Args:
            problems: at least one line, each naming the op, the field and what must hold.
        """
        self.problems = tuple(problems)
        headline = _headline(self.problems, "the config of ops")
        _Listing.__init__(self, f"{headline}\nNo op has started.", self.problems)


def _headline(problems: Sequence[str], what: str) -> str:
    if len(problems) == 1:
        return _cut(problems[0]).rstrip(".")
    return f"{len(problems)} problems with {what}:{_listed(problems)}".rstrip(".")


def _listed(problems: Sequence[str]) -> str:
    """List problems, so many that all stays readable: none is left out without a word."""
    listed = ""
    for place, problem in enumerate(problems):
        line = f"\n  - {_cut(problem)}"
        if len(listed) + len(line) > _MOST_LISTED:
            return f"{listed}\n  - and {len(problems) - place} more"
        listed += line
    return listed


def _cut(problem: str) -> str:
    return problem if len(problem) <= _MOST_TOLD else f"{problem[:_MOST_TOLD]}..."


class SettingsError(MlPipelineError):
    """A setting of this installation cannot be used."""


class PipelineError(MlPipelineError):
    """Stages or parameter groups do not fit together."""


class SourceError(MlPipelineError):
    """Outside data cannot be read: missing, unreadable, or without the columns that it needs."""


class NotEnoughDataError(MlPipelineError):
    """The data was read but is too little to compute what was asked for."""


class SecretError(MlPipelineError):
    """A secret is not where its reference says, in the process that uses it."""


class CheckFailed(MlPipelineError):
    """An artifact does not pass a check that blocks: nothing is made of it."""


class RemoteError(MlPipelineError):
    """A Dagster webserver elsewhere does not do what is asked of it."""


class ServerUnreachable(RemoteError):
    """Nothing answers at the address, or what answers is no Dagster webserver."""


class LaunchRefused(RemoteError):
    """The webserver does not take a run; its own words say why."""


class StoreError(MlPipelineError):
    """Root of everything that can go wrong with the artifact store."""


class StoreUnreachable(StoreError):
    """The store's root cannot be read or written."""


class IndexUnusable(StoreError):
    """The index of runs cannot be used; what it would answer is read from the store."""


class ArtifactMissing(StoreError):
    """An artifact that is needed has not been published."""


class PromotionConflict(StoreError):
    """Another run was promoted at the same time."""


class PromotionRefused(_Listing):
    """A run must not become what an environment has.

    Attributes:
        problems: one line for each reason, never empty.
    """

    def __init__(self, problems: Sequence[str], advice: str) -> None:
        """Compose the message from all problems.

        Args:
            problems: at least one line, each with what must hold and what was found.
            advice: what to do about them, as a sentence.
        """
        self.problems = tuple(problems)
        message = f"{_headline(self.problems, 'the promotion')}.\n{advice}"
        super().__init__(message, self.problems, advice)


class ServingRefused(MlPipelineError):
    """What an environment has must not score what is to be scored."""


class ArtifactDamaged(StoreError):
    """The bytes in the store are not the bytes that were published."""


def told(error: BaseException) -> str:
    """Say in a line or more what went wrong: our own errors speak for themselves."""
    return str(error) if isinstance(error, MlPipelineError) else f"{type(error).__name__}: {error}"


def nearest(name: object, candidates: Collection[str]) -> str:
    """Phrase the closest candidate as a question, ready to end a message with.

    Args:
        name: what the user typed.
        candidates: the names that exist.

    Returns:
        ``" Did you mean 'x'?"``, or the empty string where nothing comes close.
    """
    found = closest(name, candidates)
    return f" Did you mean '{found}'?" if found is not None else ""


def closest(name: object, candidates: Collection[str]) -> str | None:
    """Return the closest of the names that exist, or None where nothing comes close.

    Args:
        name: what the user typed; initials and beginnings count as close, so ``lr`` finds
            ``learning_rate``, and ``prod`` finds ``production``.
        candidates: the names that exist.
    """
    typed = str(name)
    for candidate in candidates:
        if typed.lower() == "".join(word[0] for word in candidate.split("_") if word):
            return candidate
    begun = [candidate for candidate in candidates if candidate.startswith(typed.lower())]
    if len(begun) == 1 and len(typed) >= _FEWEST_LETTERS:
        return begun[0]
    matches = difflib.get_close_matches(typed, list(candidates), n=1, cutoff=0.6)
    return matches[0] if matches else None

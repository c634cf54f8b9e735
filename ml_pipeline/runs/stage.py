"""One stage: how an asset is computed, and what it depends on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ml_pipeline.code.fingerprint import Fingerprint, libraries_of
from ml_pipeline.current import in_environment
from ml_pipeline.params.as_of import AsOf
from ml_pipeline.params.identity import digest_of
from ml_pipeline.params.model import ParamSet
from ml_pipeline.params.secret import secrets_hidden
from ml_pipeline.runs.card import Card
from ml_pipeline.runs.checks import Check
from ml_pipeline.runs.column import Columns, ColumnsOption, refuse_others
from ml_pipeline.runs.keys import PLAIN, Keys
from ml_pipeline.runs.options import NO_EXTRAS, Extras
from ml_pipeline.runs.reading import Reading
from ml_pipeline.runs.signature import Signature
from ml_pipeline.runs.surroundings import digests_of
from ml_pipeline.store.record import Objective
from ml_pipeline.store.slots import Slot, slot_for


@dataclass(frozen=True)
class Result:
    """A value together with what should be shown about it.

    Return it from a stage instead of the bare value.

    Attributes:
        value: what is kept in the store.
        metrics: numbers that tell how good the value is; recorded, listed and compared.
        picture: what to show in the UI beside the numbers: the text of an SVG, a `Picture`, or a
            figure of matplotlib or Altair.
        pictures: more of them, by name; without `picture` the first is shown in its stead.
    """

    value: Any
    metrics: Mapping[str, float] = field(default_factory=dict)
    picture: Any = None
    pictures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One asset of a pipeline: how it is computed and what it depends on.

    Attributes:
        name: name of the asset.
        function: computes it for one date.
        code: declared version, or fingerprint of the function and what it reaches, taken when the
            stage was defined: what a later edit says is not what this process runs; with the
            versions of declared packages.
        reading: tells what artifacts are for those that read them.
        fingerprint: that fingerprint; None where a version is declared.
        first_party: what counts as the pipeline's own code.
        packages: versions of the packages that count in the revision, by name.
        files: files that count in the revision, by declared name.
        signature: what the function asks for.
        scope: groups that the asset depends on, in the model's order.
        reads: returns the digest of outside data that the function reads, if it reads any.
        judged_by: the objective of the asset's metrics, or what returns it for given groups.
        card: what its author says of what it makes.
        columns: what its author says of the columns of its table, or what returns it.
        description: what the asset is.
        kinds: Dagster's kind tags.
        group: Dagster's group; the pipeline's if None.
        owners: Dagster's owners, addresses or teams.
        tags: Dagster's tags.
        key_prefix: what stands before the name in Dagster's key; it never shows in paths.
        former: names that it had before.
        extras: what others have added to it.
        keys: what knows the keys of the pipeline's partitions.
        checks: what is asked of an artifact once it is there.
    """

    name: str
    function: Callable[..., Any]
    code: str
    signature: Signature
    scope: tuple[str, ...]
    reading: Reading
    fingerprint: Fingerprint | None = None
    first_party: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    reads: Callable[..., str] | None = None
    reads_signature: Signature | None = None
    judged_by: Objective | Callable[..., Objective] | None = None
    judged_by_signature: Signature | None = None
    card: Card | None = None
    card_signature: Signature | None = None
    columns: ColumnsOption = None
    columns_signature: Signature | None = None
    description: str | None = None
    kinds: frozenset[str] = frozenset()
    group: str | None = None
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    key_prefix: tuple[str, ...] = ()
    former: tuple[str, ...] = ()
    extras: Extras = NO_EXTRAS
    keys: Keys = PLAIN
    checks: tuple[Check, ...] = ()

    @property
    def key(self) -> str:
        """Key of the asset in Dagster, its parts joined by slashes."""
        return "/".join((*self.key_prefix, self.name))

    @property
    def upstream(self) -> tuple[str, ...]:
        """Names of the stages that this one depends on."""
        return tuple(dict.fromkeys([*self.signature.inputs.values(), *self.extras.after]))

    @property
    def others(self) -> tuple[str, ...]:
        """Keys of the assets that it depends on and that are no stages."""
        return self.extras.others

    @cached_property
    def libraries(self) -> frozenset[str]:
        """Top-level names of what the code imports that is not first-party."""
        return libraries_of(self.function, self.fingerprint, self.first_party)

    def arguments(self, params: ParamSet, as_of: AsOf | None) -> dict[str, Any]:
        """Return the arguments of the function that do not come from upstream."""
        return self.signature.arguments(params, as_of, self.keys)

    def slot(self, params: ParamSet, as_of: AsOf | None) -> Slot:
        """Return where the asset lives for given parameters."""
        return slot_for(self.name, params, self.scope, as_of)

    @property
    def looked_back_at(self) -> tuple[str, ...]:
        """Names of the stages whose artifacts of earlier partitions it takes."""
        return tuple(dict.fromkeys(self.signature.earlier.values()))

    @property
    def is_served(self) -> bool:
        """Whether it scores with what the environment serves."""
        reads = self.reads_signature.served if self.reads_signature is not None else ()
        return bool(self.signature.served or reads)

    @property
    def asked_by_reads(self) -> Mapping[str, object]:
        """What the stage asks for to tell what it would read, by argument of ``reads``."""
        return self.reads_signature.provided if self.reads_signature is not None else {}

    def external(
        self,
        params: ParamSet,
        as_of: AsOf | None,
        provided: Mapping[str, Any] = MappingProxyType({}),
    ) -> str | None:
        """Return the digest of what the stage would read from outside now: data and files.

        Args:
            params: values of all parameters.
            as_of: the date.
            provided: what it asks for besides to tell.
        """
        data = None
        if self.reads is not None and self.reads_signature is not None:
            with in_environment(params.options.environment), secrets_hidden():
                given = self.reads_signature.arguments(params, as_of, self.keys)
                data = self.reads(**given, **provided)
        if not self.files:
            return data
        return digest_of({"data": data, "files": self.file_digests()})

    def file_digests(self) -> dict[str, str]:
        """Return the content digests of the declared files as they are now.

        Raises:
            PipelineError: if some are missing.
        """
        return digests_of(self.name, self.files)

    def objective(self, params: ParamSet) -> Objective | None:
        """Return what results of the asset are compared by, if it is judged at all."""
        if self.judged_by is None or isinstance(self.judged_by, Objective):
            return self.judged_by
        signature = self.judged_by_signature
        return self.judged_by(**signature.arguments(params, None)) if signature else None

    def columns_said(self, params: ParamSet) -> Columns:
        """Return what its author says of the columns of its table.

        Raises:
            PipelineError: if some are said to be made from what it does not depend on.
        """
        if self.columns is None or isinstance(self.columns, Mapping):
            return self.columns or {}
        signature = self.columns_signature
        said: Columns = self.columns(**signature.arguments(params, None)) if signature else {}
        self.refuse_columns(said)
        return said

    def refuse_columns(self, said: Columns) -> None:
        """Refuse columns that are said to be made from what this stage does not depend on.

        Raises:
            PipelineError: naming all of them.
        """
        refuse_others(self.name, said, (*self.upstream, *self.looked_back_at, *self.others))

    def data_seen(self, params: ParamSet, as_of: AsOf | None) -> str | None:
        """Return in words which data its results have seen, where its author tells."""
        if self.card is None or self.card.data is None or self.card_signature is None:
            return None
        return str(self.card.data(**self.card_signature.arguments(params, as_of, self.keys)))

"""Jobs: work at a vendor that outlives the call which began it. A batch of requests, or one reply in the background.

A plugin describes the requests about a job and reads what the vendor says of it; like all of a provider, it sends
nothing. Bursar reserves the worst case of all lines before a job begins, looks at the vendor until it is over, and
settles each line by what is reported.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeGuard

import msgspec

from governance.plugin.provider import Bound, ConnectionSettings, GoverningFields, Provider, Upstream, Wire
from governance.plugin.usage import UsageReport

BATCH_TIER = "batch"
"""The service tier under which the catalogue has the prices of batches."""


ONLY_LINE = "reply"
"""The name of the line of a job that has but one."""


class JobKind(StrEnum):
    """What kind of job, in which API. Records keep these words."""

    ANTHROPIC_BATCH = "anthropic.batch"
    OPENAI_BATCH = "openai.batch"
    OPENAI_BACKGROUND = "openai.background"


JOB_WIRES: Mapping[JobKind, frozenset[Wire]] = MappingProxyType(
    {
        JobKind.ANTHROPIC_BATCH: frozenset({Wire.ANTHROPIC_MESSAGES}),
        JobKind.OPENAI_BATCH: frozenset({Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, Wire.OPENAI_EMBEDDINGS}),
        JobKind.OPENAI_BACKGROUND: frozenset({Wire.OPENAI_RESPONSES}),
    }
)
"""In which wires the lines of each kind of job are."""


class JobAction(StrEnum):
    """A request about jobs. All but CREATE name the job in their address."""

    CREATE = "create"
    READ = "read"
    CANCEL = "cancel"
    DELETE = "delete"


class FileAction(StrEnum):
    """A request about files, where a vendor takes and gives the lines of jobs as files."""

    CREATE = "create"
    READ = "read"
    CONTENT = "content"
    DELETE = "delete"


class LineEnd(StrEnum):
    """How one line of a job ended, as far as its money is concerned."""

    REPORTED = "reported"
    """The vendor answered it and reports what was used."""
    UNBILLED = "unbilled"
    """The vendor documents that it charges nothing for it: expired, cancelled, or refused before any work."""
    UNKNOWN = "unknown"
    """Nobody can tell: what is reserved for it stays held."""


class JobReading(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor says of a job: its id there, and its status in the vendor's word.

    `is_over`: nothing of it will run any more, so that its results are complete; `results` names where they are, as
    `results_upstream` takes it, and `files` which ids of files its team may ask for; `line` is the
    result itself, where a job has but one and its description holds it. `rest` says how lines ended that
    no result names: UNKNOWN, or UNBILLED where the vendor documents that it never began any.
    """

    id: str
    status: str
    is_over: bool
    results: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    line: bytes = b""
    rest: LineEnd = LineEnd.UNKNOWN


class LineReading(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor says of one line: `name` is what the client called it, `reason` how it ended in one word.

    `report` is there when it is REPORTED, and says in `service_tier` which prices apply (`batch`, for one).
    """

    name: str
    end: LineEnd
    reason: str
    http_status: int = 200
    report: UsageReport | None = None


class JobProvider(Provider, Protocol):
    """A provider whose vendor takes jobs. `job_kinds` are those that it knows."""

    job_kinds: frozenset[JobKind]

    def job_upstream(
        self, *, kind: JobKind, action: JobAction, connection: ConnectionSettings, job_id: str = ""
    ) -> Upstream:
        """Describe where and how to ask this about a job, and with which method. Raises ConnectionInvalid."""

    def results_upstream(self, *, kind: JobKind, connection: ConnectionSettings, job_id: str, results: str) -> Upstream:
        """Describe how to fetch results that a reading named: an answer of one line after another."""

    def line_bound(
        self, *, kind: JobKind, wire: Wire, connection: ConnectionSettings, fields: GoverningFields
    ) -> Bound:
        """Return an upper bound of what one line can use, at the tiers that it may be billed at. Raises
        RequestUnbounded.
        """

    def read_job(self, *, kind: JobKind, body: bytes) -> JobReading:
        """Read what the vendor says of a job. Raises UsageUnreadable when it says something else."""

    def read_line(self, *, kind: JobKind, wire: Wire, connection: ConnectionSettings, line: bytes) -> LineReading:
        """Read one line of results. Raises UsageUnreadable when it cannot be told whose line it is."""


class FileProvider(JobProvider, Protocol):
    """One whose vendor takes the lines of a job as a file."""

    def file_upstream(self, *, action: FileAction, connection: ConnectionSettings, file_id: str = "") -> Upstream:
        """Describe where and how to ask this about a file. What is sent has its own content type."""

    def read_file(self, *, body: bytes) -> str:
        """Return the id that the vendor gave to a file. Raises UsageUnreadable."""


def takes_files(provider: Provider) -> TypeGuard[FileProvider]:
    """Return whether this provider's vendor takes the lines of jobs as files."""
    return takes_jobs(provider) and hasattr(provider, "file_upstream")


def takes_jobs(provider: Provider) -> TypeGuard[JobProvider]:
    """Return whether this provider's vendor takes jobs of any kind."""
    return bool(getattr(provider, "job_kinds", None))

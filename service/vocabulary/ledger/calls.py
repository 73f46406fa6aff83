"""The call log: what is kept of a call, how calls are looked up, and their totals (spec 17)."""

from enum import StrEnum

from msgspec import Struct

from service.vocabulary.credentials import UpstreamKind
from service.vocabulary.events import Outcome

MAX_PAGE = 500  # calls of one page
# Upper bounds of the counted times to the first token, as of the metric; the last count is above
# all.
FIRST_TOKEN_MS = (
    *(50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000),
    *(60_000, 120_000, 300_000, 600_000),
)


class Dialect(StrEnum):
    """The API in which a call came."""

    CHAT = "chat"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    MESSAGES = "messages"
    IMAGES = "images"
    SPEECH = "speech"
    TRANSCRIPTIONS = "transcriptions"


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call, without any secret; `bodies` are the texts, if the settings want them kept.

    `at_ms` is when it came, in milliseconds since 1970. `key` is the id of a gateway key, `account`
    a hash. `outcome` is None where no turn was asked for: the request was refused here. Tokens are
    None while unknown; `cached_tokens` are part of the prompt's, `reasoning_tokens` of the
    answer's. `bytes` is the size of the answer as it was sent, and times are rounded up.
    """

    at_ms: int
    request_id: str
    dialect: Dialect
    status: int
    total_ms: int
    bytes: int
    key: str | None = None
    account: str | None = None
    model: str | None = None
    upstream_model: str | None = None
    upstream: UpstreamKind | None = None
    outcome: Outcome | None = None
    first_token_ms: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    is_estimated: bool = False
    bodies: str | None = None


class CallFilter(Struct, frozen=True, kw_only=True):
    """Which calls are wanted; None leaves a field open. `since_ms` is inside, `until_ms` outside."""

    since_ms: int | None = None
    until_ms: int | None = None
    key: str | None = None
    account: str | None = None
    model: str | None = None
    upstream: UpstreamKind | None = None
    dialect: Dialect | None = None
    outcome: Outcome | None = None
    status: int | None = None


class CallPage(Struct, frozen=True):
    """Calls, the newest first; `next` is where the next page begins, None after the last one.

    A page may be shorter than was asked, even empty, although another follows: a store looks
    through a bounded number of calls at a time.
    """

    calls: tuple[Call, ...]
    next: str | None


class Step(StrEnum):
    """The length of time that one total covers, in UTC."""

    HOUR = "hour"
    DAY = "day"


class Group(StrEnum):
    """What totals are told apart by."""

    KEY = "key"
    MODEL = "model"
    OUTCOME = "outcome"
    UPSTREAM = "upstream"


class TotalsFilter(Struct, frozen=True, kw_only=True):
    """Which totals are wanted: from the step that holds `since_ms` to the one before `until_ms`.

    `by` None adds everything of a step up; a filter of None leaves a field open.
    """

    since_ms: int
    until_ms: int
    step: Step = Step.HOUR
    by: Group | None = None
    key: str | None = None
    model: str | None = None
    outcome: Outcome | None = None


class CallTotal(Struct, frozen=True, kw_only=True):
    """The sums of one step and one group.

    `starts_at` is in seconds since 1970. `group` is the key's id, model, outcome or upstream, empty
    where calls have none of it. `first_token_counts` are the calls by time to the first token, one
    number for each bound of `FIRST_TOKEN_MS` and one for those above; `first_token_ms` is the sum
    of all these times.
    """

    starts_at: int
    group: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    bytes: int
    total_ms: int
    first_token_ms: int
    first_token_counts: tuple[int, ...]

    @property
    def first_tokens(self) -> int:
        """How many of the calls had a first token."""
        return sum(self.first_token_counts)


class CallLimits(Struct, frozen=True):
    """How long calls are kept, and how large the log may be; the oldest go first."""

    keep_days: int
    max_bytes: int


class Trimmed(Struct, frozen=True):
    """What a look through the log removed, and what is left."""

    removed_calls: int
    kept_calls: int
    kept_bytes: int

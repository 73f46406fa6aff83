"""Parameters and error statuses that several rows of the table share."""

from handlers.openapi.endpoint import Parameter
from handlers.openapi.notes import PROFILE_PATTERN

# The possible errors of a request that needs an answer of the upstream: the gateway's own, and
# those that refusals of the upstream become.
TURN_ERRORS = (400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 507)
# 529 is Anthropic's status for an overloaded upstream or server.
MESSAGE_ERRORS = (*TURN_ERRORS, 529)
COUNT_ERRORS = (400, 401, 413, 529)
KEPT_ERRORS = (400, 401, 404, 500)
# Of what is counted here, and of what is kept for a caller whom the upstream has accepted.
COUNTED_ERRORS = (400, 401, 404, 413)
CHANGE_ERRORS = (400, 401, 403, 404, 413, 429, 500, 503)
UPLOAD_ERRORS = (400, 401, 413, 500, 503, 507)

AFTER = Parameter("after", "query", "The id of the last entry that is known already.")
ORDER = Parameter(
    "order",
    "query",
    "The newest last, or first: `asc` or `desc`.",
    {"type": "string", "pattern": "^(asc|desc)?$"},
)
PROFILE = Parameter(
    "x-render-profile",
    "header",
    "How the answer is rendered: `web`, `bot`, `raw` or `items`.",
    {"type": "string", "pattern": PROFILE_PATTERN},
)
IDEMPOTENCY = Parameter(
    "Idempotency-Key",
    "header",
    "Requests of one key with the same value share one turn.",
    {"type": "string", "maxLength": 255},
)
ACCOUNT = Parameter(
    "ChatGPT-Account-ID",
    "header",
    "The account to act for.",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]{0,128}$"},
)
LISTED_FOR = Parameter(ACCOUNT.name, "header", "The account to list for; a wrong one is none.")
FOR_TURNS = (ACCOUNT, PROFILE, IDEMPOTENCY)
CLAUDE_VERSION = Parameter(
    "anthropic-version", "header", "With any value, the answer is in the form of Anthropic's API."
)
CLAUDE_PAGE = (
    CLAUDE_VERSION,
    Parameter("after_id", "query", "With that header: the id of the entry before the page."),
    Parameter("before_id", "query", "With that header: the id of the entry behind the page."),
    Parameter(
        "limit",
        "query",
        "With that header: how many entries a page has.",
        {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 20},
    ),
)
LINK_EXPIRES = Parameter("e", "query", "When a signed link expires, in seconds since 1970.")
LINK_SIGNATURE = Parameter("s", "query", "The signature of a link that expires.")


def page_limit(default: int, most: int) -> Parameter:
    """Return the parameter for the size of a page."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", "query", "How many entries a page has.", schema)


def path_id(description: str, name: str = "id", *, may_have_slashes: bool = False) -> Parameter:
    """Return the parameter for an id in a path."""
    schema = {"type": "string", "minLength": 1}
    return Parameter(name, "path", description, schema, may_have_slashes)


FILE_ID = path_id("The id of a file.")
RESPONSE_ID = path_id("The id of a response.")
CONVERSATION_ID = path_id("The id of a conversation.")
ITEM_ID = path_id("The id of an item.", "item_id")

"""What the notes on fields have in common, in all dialects."""

from typing import Any

from handlers.reading.common_fields import MAX_MODEL_CHARS
from handlers.reading.demand_fields import MAX_FUNCTIONS
from service.vocabulary.requests import Profile

Schema = dict[str, Any]
Notes = dict[str, Schema]
WHOLE = ""
COMPONENTS = "#/components/schemas/"
PROFILE_PATTERN = "^({})?$".format(
    "|".join("".join(f"[{char}{char.upper()}]" for char in profile) for profile in Profile)
)


def note(description: str, **demands: Any) -> Schema:
    """Return the note on a field: what it means, and its limits beyond its type."""
    return {"description": description, **demands}


MODEL = note(
    "A name of `/v1/models`, or one that this account's upstream has.",
    minLength=1,
    maxLength=MAX_MODEL_CHARS,
)
STREAM = note("Answer with server-sent events.")
PROFILE = note(
    "How the answer is rendered: `web`, `bot`, `raw` or `items`; in place of the header.",
    pattern=PROFILE_PATTERN,
)
WORDS_OF_CHOICE = {"enum": ["none", "auto", "required"]}
FUNCTIONS = {"maxItems": MAX_FUNCTIONS}
PARALLEL = note("False: one call in an answer at most.")

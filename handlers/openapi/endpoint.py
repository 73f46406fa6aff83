"""What a row of the table of endpoints is made of."""

from enum import Enum
from typing import Any

from msgspec import Struct, field

Schema = dict[str, Any]


class Place(Enum):
    """Where an endpoint is when `server.api_prefix` is set."""

    API = "below the prefix only"
    ROOT = "at the root only"
    BOTH = "at the root and below the prefix"


class Body(Enum):
    """The kind of a request's body."""

    JSON = "application/json"
    FORM = "multipart/form-data"


class Parameter(Struct, frozen=True):
    """A parameter; those in a path are required."""

    name: str
    place: str
    description: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})


class Endpoint(Struct, frozen=True, kw_only=True):
    """One operation.

    `request` names a component, or a form of `forms.py`. `answer` is the record of its JSON;
    `media` are the other types that it may answer with, `events` the record of a streamed
    event. `errors` are the statuses of failures; `needs_key` None: with a key it answers more.
    """

    method: str
    path: str
    id: str
    summary: str
    tag: str
    place: Place = Place.API
    request: str | None = None
    body: Body = Body.JSON
    answer: Any = None
    events: Any = None
    media: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    needs_key: bool | None = True

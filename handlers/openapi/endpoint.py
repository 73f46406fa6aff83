"""The records that a row of the table of endpoints is made of."""

from collections.abc import Iterator
from enum import Enum
from typing import Any

from msgspec import Struct, field

from handlers.edge.admission import Handler
from service.vocabulary.wire import Error

Schema = dict[str, Any]


class Place(Enum):
    """How an endpoint's path changes with `server.api_prefix`."""

    API = "below the prefix only"
    ROOT = "at the root only"
    BOTH = "at the root and below the prefix"


class Body(Enum):
    """The kind of a request's body."""

    JSON = "application/json"
    FORM = "multipart/form-data"


class Parameter(Struct, frozen=True):
    """A parameter; one in a path is required."""

    name: str
    place: str
    description: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})
    may_have_slashes: bool = False


class Endpoint(Struct, frozen=True, kw_only=True):
    """One operation.

    `handler` answers it. `request` names a component, or a form of `forms.py`, beside which
    `json_request` may name a component. `answer` is the record of its JSON, or several; `media` are
    the other types that it may answer with, `events` the record of a streamed event. `errors` are
    the statuses of failures, `error` their record and `other_error` that of another dialect; `needs_key` None means that a key is optional
    and extends the answer; `is_for_admin` that it is the operator's key which is needed.
    """

    method: str
    path: str
    id: str
    handler: Handler
    summary: str
    tag: str
    place: Place = Place.API
    request: str | None = None
    body: Body = Body.JSON
    json_request: str | None = None
    answer: Any = None
    events: Any = None
    media: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[int, ...] = ()
    error: type[Struct] = Error
    other_error: type[Struct] | None = None
    needs_key: bool | None = True
    is_for_admin: bool = False

    @property
    def answers(self) -> tuple[Any, ...]:
        """The records of its JSON: none, one, or one for each form of the answer."""
        if self.answer is None:
            return ()
        return self.answer if isinstance(self.answer, tuple) else (self.answer,)

    def places(self, base: str) -> Iterator[tuple[str, str]]:
        """Yield each path of the operation, with the suffix of the operation's id there.

        Args:
            base: the part before `/v1` in the API's paths; empty without a prefix.
        """
        places = {
            Place.API: [(base, "")],
            Place.ROOT: [("", "")],
            Place.BOTH: [("", ""), *([(base, "BelowPrefix")] if base else [])],
        }
        for before, suffix in places[self.place]:
            yield f"{before}{self.path}", suffix

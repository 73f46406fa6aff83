"""Responses that are kept, to be continued and to be read again."""

import logging
from typing import Any

from msgspec import Struct, structs

from service.turns.kept_values import KeptValues, decoded
from service.vocabulary.wire import to_json

RESPONSE = "response"  # its kind among the kept values
UNFINISHED = ("queued", "in_progress")  # statuses of a response that is still being written

_log = logging.getLogger("gateway.responses")


class KeptResponse(Struct, frozen=True):
    """A response, and what is needed to continue it.

    `response` is the object that its caller got, pictures without their content.
    `input_items` is what this response was asked for, None if that is too much to
    keep. `conversation_id` and `message_id` are the upstream's, as far as known. `sealed` is what
    of its reasoning only the upstream can read, by the ids of the items, and `cache_key` the name
    under which the upstream has the talk in its cache.
    """

    response: dict[str, Any]
    input_items: list[dict[str, Any]] | None = None
    conversation_id: str | None = None
    message_id: str | None = None
    sealed: dict[str, str] = {}
    cache_key: str = ""

    @property
    def whole_output(self) -> list[dict[str, Any]]:
        """The output with what is sealed, as it goes back upstream."""
        return with_sealed(self.response["output"], self.sealed)

    @property
    def is_unfinished(self) -> bool:
        """Whether it was still being written when it was kept."""
        return self.response.get("status") in UNFINISHED


class KeptResponses:
    """The responses of all owners."""

    def __init__(self, values: KeptValues) -> None:
        self._values = values

    async def keep(self, owner: str, kept: KeptResponse) -> bool:
        """Keep a response; one over the size limit is kept without its input, or not at all.

        Returns whether it is kept.
        """
        value = to_json(structs.asdict(kept))
        if not self._values.fits(value):
            value = to_json(structs.asdict(kept) | {"input_items": None})
        response_id = kept.response["id"]
        if not self._values.fits(value):
            _log.warning("response %s is over the limit of what is kept", response_id)
            return False
        return await self._values.keep(RESPONSE, owner, response_id, value)

    async def find(self, owner: str, response_id: str) -> KeptResponse | None:
        """Return the owner's response of this id, or None; the id is untrusted."""
        value = await self._values.find(RESPONSE, owner, response_id)
        return None if value is None else decoded(value, KeptResponse)

    async def delete(self, owner: str, response_id: str) -> bool:
        """Delete the owner's response of this id; return whether there was one."""
        return await self._values.delete(RESPONSE, owner, response_id)


def with_sealed(items: list[dict[str, Any]], sealed: dict[str, str]) -> list[dict[str, Any]]:
    """Return items with what is sealed of them, by their ids."""
    return [
        {**item, "encrypted_content": sealed[item["id"]]} if item["id"] in sealed else item
        for item in items
    ]

"""Continues an earlier response, named by its id (openai-wire 8).

The website keeps the conversation, so only what is new is sent to it. Where there is nothing to go
on with upstream, since conversations are temporary or hidden afterwards or the upstream keeps none
at all, the history is sent anew, from what the gateway has kept itself.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from handlers.reading.json_body import quoted, refusal
from handlers.responses.items import KNOWN, REFERENCE, input_messages
from service.stages.encode.response_output import response_of
from service.turns.kept_conversations import KeptConversation
from service.turns.kept_responses import KeptResponse, KeptResponses
from service.vocabulary.errors import NotFoundError
from service.vocabulary.requests import ChatMessage, ChatRequest

MAX_CHAIN = 200  # responses that are sent again; a longer conversation exceeds any context


class History:
    """The kept responses of one owner, as far as a request goes on from them.

    Args:
        kept: of everybody.
        owner: whose they are.
        is_sent_anew: the upstream has nothing to go on with.
    """

    def __init__(self, kept: KeptResponses, owner: str, *, is_sent_anew: bool) -> None:
        self._kept = kept
        self._owner = owner
        self._is_sent_anew = is_sent_anew

    async def previous(self, response_id: str) -> KeptResponse:
        """Return the response to continue.

        Raises:
            NotFoundError: the owner has none of this id, or it was not kept.
        """
        found = await self._kept.find(self._owner, response_id)
        if found is None:
            message = f"Previous response with id {quoted(response_id)} not found."
            raise NotFoundError(
                message, param="previous_response_id", code="previous_response_not_found"
            )
        return found

    async def resolved(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the items of an input, each reference replaced by the item it names.

        Raises:
            NotFoundError: a reference names an item that is not kept.
        """
        known: dict[str, KeptResponse | None] = {}
        return [
            await self._referred(item, f"input[{at}].id", known)
            if item.get("type") == REFERENCE
            else item
            for at, item in enumerate(items)
        ]

    async def continued(self, chat: ChatRequest, previous: KeptResponse) -> ChatRequest:
        """Return the turn as the continuation of a response.

        Raises:
            RequestError: that response cannot be continued.
        """
        if self._is_sent_anew:
            return _after(await self._messages(previous), chat, previous.cache_key)
        if previous.conversation_id is None or previous.message_id is None:
            problem = (
                "that response ended before it was part of a conversation; go on from the one "
                "before it"
            )
            raise refusal("previous_response_id", problem)
        return structs.replace(
            chat,
            conversation_id=previous.conversation_id,
            parent_message_id=previous.message_id,
        )

    def in_conversation(self, chat: ChatRequest, conversation: KeptConversation) -> ChatRequest:
        """Return the turn as the next one of a conversation.

        Raises:
            RequestError: an item of the conversation cannot be sent.
        """
        is_there = conversation.conversation_id and conversation.message_id
        if is_there and not self._is_sent_anew:
            return structs.replace(
                chat,
                conversation_id=conversation.conversation_id,
                parent_message_id=conversation.message_id,
            )
        items = [item for item in conversation.whole_items if item.get("type") in KNOWN]
        before = input_messages(items, "conversation.items")
        return _after(before, chat, conversation.cache_key)

    async def _messages(self, last: KeptResponse) -> list[ChatMessage]:
        """Return the messages up to and including a response, without instructions."""
        chain = [last]
        while before := chain[-1].response.get("previous_response_id"):
            if len(chain) == MAX_CHAIN:
                raise refusal("previous_response_id", f"over {MAX_CHAIN} responses in a row")
            chain.append(await self.previous(before))
        messages: list[ChatMessage] = []
        for at, kept in enumerate(reversed(chain)):
            if kept.input_items is None:
                problem = "the input before it was over the limit of what is kept; send it anew"
                raise refusal("previous_response_id", problem)
            messages += input_messages(kept.input_items, f"previous[{at}].input")
            # A newer back end may make items that a request cannot carry.
            output = [item for item in kept.whole_output if item.get("type") in KNOWN]
            messages += input_messages(output, f"previous[{at}].output")
        return messages

    async def _referred(
        self, item: dict[str, Any], path: str, known: dict[str, KeptResponse | None]
    ) -> dict[str, Any]:
        item_id = item.get("id")
        if not isinstance(item_id, str):
            raise refusal(path, "expected the id of an item of an earlier response")
        response_id = response_of(item_id)
        if response_id not in known:
            known[response_id] = await self._kept.find(self._owner, response_id)
        kept = known[response_id]
        items: list[dict[str, Any]] = (
            [*kept.whole_output, *(kept.input_items or ())] if kept else []
        )
        found = next((one for one in items if one.get("id") == item_id), None)
        if found is None and item_id.startswith("rs_"):
            return {"type": "reasoning", "id": item_id, "summary": []}  # it is left out
        if found is None:
            raise NotFoundError(f"Item with id {quoted(item_id)} not found.", param=path)
        return found


def _after(before: Sequence[ChatMessage], chat: ChatRequest, cache_key: str) -> ChatRequest:
    """Return the turn with earlier messages between its instructions and its input."""
    system = tuple(one for one in chat.messages[:1] if one.role == "system")
    messages = (*system, *before, *chat.messages[len(system) :])
    wishes = structs.replace(chat.wishes, cache_key=chat.wishes.cache_key or cache_key)
    return structs.replace(chat, messages=messages, wishes=wishes)

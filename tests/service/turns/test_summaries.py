"""Summaries that callers keep: sealed, for their owner, and told in words."""

import pytest

from service.turns.summaries import MAX_SEALED_CHARS, TOLD, sealed_summary, with_summaries
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import ChatMessage, ChatRequest, ItemPart, Part, Profile, TextPart
from storage.secrets.cipher import Cipher

CIPHER = Cipher(b"a secret")
OWN = sealed_summary(CIPHER, "anna", "We spoke of boats.")
NATIVE = "codex-sealed:1f3a:gAAAA"


def chat(*parts: Part) -> ChatRequest:
    return ChatRequest(
        request_id="r",
        model="m",
        messages=tuple(ChatMessage("assistant", (part,)) for part in parts),
        is_stream=False,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="http://gw",
        received_at=0.0,
    )


def compaction(sealed: object) -> ItemPart:
    return ItemPart({"type": "compaction", "encrypted_content": sealed}, "input[0]")


@pytest.mark.parametrize("is_native", [False, True])
def test_a_summary_is_told_in_words_at_its_place(is_native: bool) -> None:
    asked = chat(TextPart("Hi"), compaction(OWN), TextPart("So?"))
    told = with_summaries(asked, CIPHER, "anna", is_native=is_native)
    assert [message.text for message in told.messages] == [
        "Hi",
        f"{TOLD}\n\nWe spoke of boats.",
        "So?",
    ]
    assert told.messages[1].role == "user"
    assert "boats" not in OWN


def test_other_items_pass_unchanged() -> None:
    tools = ItemPart({"type": "additional_tools", "tools": []}, "input[0]")
    for asked in (chat(TextPart("Hi")), chat(tools)):
        assert with_summaries(asked, CIPHER, "anna", is_native=False) == asked
    native = chat(compaction(NATIVE))
    assert with_summaries(native, CIPHER, "anna", is_native=True) == native


@pytest.mark.parametrize(
    ("sealed", "owner", "words"),
    [
        (OWN, "bob", "another key"),
        (OWN[:-6], "anna", "another key"),
        (sealed_summary(Cipher(b"old"), "anna", "x"), "anna", "another key"),
        ("summary:ü\ud83d", "anna", "another key"),
        (OWN + "A" * MAX_SEALED_CHARS, "anna", "up to"),
        (NATIVE, "anna", "Codex account"),
        (None, "anna", "expected a string"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_place(
    sealed: object, owner: str, words: str
) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        with_summaries(chat(compaction(sealed)), CIPHER, owner, is_native=False)
    assert str(caught.value.param).startswith("input[0]")

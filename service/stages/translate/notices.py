"""The notices that messages of the website are told as (protocol 2.3, 2.8, spec 7.2)."""

from service.stages.decode.messages import consent_wanted, result_text
from service.vocabulary.events import Message, Notice, NoticeKind

_CONSENT = (
    "This GPT wants to use an action ({who}) and asks for your consent, which cannot be "
    "given through this API; allow it once on the website."
)


def of_consent(message: Message) -> Notice | None:
    """Return the notice of a GPT's action that asks for consent, None if the message is no such."""
    who = consent_wanted(message)
    if who is None or message.role == "user":
        return None
    return Notice(NoticeKind.CONSENT, _CONSENT.format(who=who or "of another service"))


def of_error(message: Message) -> Notice:
    """Return the notice of a tool's error."""
    name, text = message.content.get("name"), result_text(message)
    return Notice(NoticeKind.TOOL_ERROR, f"{name}: {text}" if name else text)

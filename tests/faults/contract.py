"""Holds one answer against how it has to end (spec 6.4, 9 and 11)."""

from dataclasses import dataclass, field, replace
from http import HTTPStatus

from service.stages.encode.messages import BLOCKED
from tests.faults.endpoints import Endpoint, Got
from tests.faults.table import TYPES, Ending

LONG_WAIT_SECONDS = 60


@dataclass
class Found:
    """What is wrong with one case."""

    problems: list[str] = field(default_factory=list)
    lost_bytes: int = 0

    def expect(self, name: str, got: object, wanted: object) -> None:
        """Note a difference."""
        if got != wanted:
            self.problems.append(f"{name}: {got!r}, not {wanted!r}")


def for_pictures(ending: Ending) -> Ending:
    """Return how an order of pictures ends, by how its turn does (spec 9)."""
    if ending.has_picture:  # some of what was ordered is better than nothing
        return replace(ending, status=200, code=None)
    if ending.code is not None:
        return ending
    outcome = "refused" if ending.outcome in ("complete", "length") else ending.outcome
    return replace(ending, outcome=outcome, status=400, code="content_policy_violation", words="")


def check(endpoint: Endpoint, ending: Ending, got: Got) -> Found:
    """Return what is wrong with an answer."""
    found = Found(list(got.problems))
    if endpoint.name == "messages":
        ending = for_messages(ending, got.text)
    is_in_band = endpoint.is_streamed and bool(
        ending.code is None or ending.text or ending.is_late or endpoint.name in ending.begun
    )
    found.expect("is a stream", got.is_stream, is_in_band)
    found.expect("status", got.status, 200 if is_in_band else ending.status)
    _check_text(endpoint, ending, got, found)
    if ending.code is None:
        found.expect("error", got.error, None)
        found.expect("end", got.end, ending.finish)
    else:
        found.expect("end", got.end, None)
        _check_error(endpoint, ending, got, found, is_in_band=is_in_band)
    return found


def _check_text(endpoint: Endpoint, ending: Ending, got: Got, found: Found) -> None:
    """Look for the text that has arrived, byte for byte, and for the picture."""
    found.lost_bytes = lost_bytes(ending.text, got.text)
    if endpoint.draws:
        is_drawn = ending.has_picture and ending.code is None
        found.expect("picture", got.has_picture, is_drawn)
    found.expect("text", got.text, ending.text)


# What Anthropic's dialect says by the status (anthropic-wire 4).
_MESSAGE_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OVERFLOW, _NO_MODEL = "context_length_exceeded", "model_not_found"
_OVERLOADS = ("server_overloaded", "server_is_overloaded", "slow_down")
_REFUSALS = ("content_policy_violation", "invalid_prompt", "cyber_policy")


def for_messages(ending: Ending, told: str) -> Ending:
    """Return how a message ends, by how its turn does: only what was found here is a 400."""
    if ending.code in _REFUSALS:  # A9.8: an answer, in the upstream's words
        words = told if ending.words and ending.words in told else ""
        text = ending.text or words
        return replace(ending, status=200, code=None, finish="content_filter", text=text)
    if ending.outcome == "filtered" and not ending.text:
        return replace(ending, text=BLOCKED)  # an answer has something to see
    if ending.code == _OVERFLOW:
        return replace(ending, words="prompt is too long: 128001 tokens > 128000 maximum")
    is_upstreams = ending.status == HTTPStatus.BAD_REQUEST and ending.param is None
    if is_upstreams or (ending.status == HTTPStatus.NOT_FOUND and ending.code != _NO_MODEL):
        return replace(ending, status=403)
    return replace(ending, status=529) if ending.code in _OVERLOADS else ending


def _check_message_error(ending: Ending, got: Got, found: Found, *, is_in_band: bool) -> None:
    error = got.error or {}
    found.expect("type", error.get("type"), _MESSAGE_TYPES.get(ending.status, "api_error"))
    _check_words(ending, str(error.get("message")), found)
    if is_in_band:
        return
    is_long = _check_wait(ending, got, found)
    is_permanent = ending.status < HTTPStatus.INTERNAL_SERVER_ERROR and ending.status not in (
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
    is_vain = is_long or is_permanent or ending.status == HTTPStatus.INSUFFICIENT_STORAGE
    found.expect("x-should-retry", got.headers.get("x-should-retry"), "false" if is_vain else None)


def _check_wait(ending: Ending, got: Got, found: Found) -> bool:
    """Look at the wait that is told; return whether asking again is of no use until then."""
    told = got.headers.get("Retry-After")
    if ending.rests is not None:
        is_told = told is not None and 0 < int(told) <= ending.rests
        found.expect("Retry-After that counts down", (told, is_told), (told, True))
        return True
    found.expect("Retry-After", told, ending.retry_after)
    is_long = ending.retry_after is not None and int(ending.retry_after) > LONG_WAIT_SECONDS
    return is_long or ending.is_final


def _check_words(ending: Ending, message: str, found: Found) -> None:
    if ending.words not in message:
        found.problems.append(f"{ending.words!r} is not in {message!r}")
    if "<" in message or "Just a moment" in message:
        found.problems.append(f"a page in {message!r}")


def _check_error(
    endpoint: Endpoint, ending: Ending, got: Got, found: Found, *, is_in_band: bool
) -> None:
    if endpoint.name == "messages":
        _check_message_error(ending, got, found, is_in_band=is_in_band)
        return
    error = got.error or {}
    found.expect("code", error.get("code"), ending.code)
    if not (is_in_band and endpoint.name == "responses"):  # whose error has two fields
        found.expect("type", error.get("type"), TYPES[ending.status])
        param = "model" if ending.code == "model_not_found" else ending.param
        found.expect("param", error.get("param"), param)
    _check_words(ending, str(error.get("message")), found)
    if is_in_band:
        return
    is_long = _check_wait(ending, got, found)
    is_vain = is_long or ending.status == HTTPStatus.INSUFFICIENT_STORAGE
    found.expect("x-should-retry", got.headers.get("x-should-retry"), "false" if is_vain else None)


def lost_bytes(wanted: str, got: str) -> int:
    """Return how many bytes of a text are not there from the first difference on."""
    both = zip(wanted, got, strict=False)
    same = next((i for i, (a, b) in enumerate(both) if a != b), min(len(wanted), len(got)))
    return len(wanted[same:].encode())

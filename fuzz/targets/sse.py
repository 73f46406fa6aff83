"""Target: framing, from bytes cut anywhere to frames."""

from fuzz.inputs import pieces, split, transcripts
from service.stages.decode.sse import DecodeSse
from service.vocabulary.events import Frame
from tests.oracle import sse

MAX_BYTES = 1024
LIMIT = 64  # bytes of an event, where the limit is tested
TOKENS = (
    *(b"\n", b"\r\n", b"\r", b"\n\n", b"data: ", b"data:", b"data", b"event: ", b"event:"),
    *(b"ping", b"delta", b"id: ", b"retry: ", b": ", b"[DONE]", b"{", b"}\n", b"\xef\xbb\xbf"),
    *(b"\xe2\x80\xa8", b"\x85", b"\x0b", b"\x0c", b" ", b"\t"),
)


def check(data: bytes) -> None:
    """Check that any cut gives the frames of the standard, and the limit holds."""
    choice, body = split(data)
    whole = _frames([body])
    assert _frames(pieces(body, choice)) == whole, "another cut, other frames"
    if _is_defined(body):
        told = [(frame.name or "message", frame.data) for frame in whole if not frame.stray]
        assert [each for each in told if each[1]] == sse.frames(body), "not as the standard has it"
    decoder = DecodeSse(LIMIT)
    limited = [frame for piece in pieces(body, choice) for frame in decoder.feed(piece)]
    was_over = decoder.is_overflowing
    limited += decoder.finish()
    assert all(len(frame.data) <= LIMIT or frame.stray for frame in limited), "over the limit"
    if decoder.is_overflowing:
        assert limited == whole[: len(limited)], "other frames before the limit"
        assert not was_over or not decoder.finish(), "something comes after the limit"
    else:
        assert limited == whole, "the limit changes what is under it"


def _frames(cut: list[bytes]) -> list[Frame]:
    decoder = DecodeSse()
    return [*(frame for piece in cut for frame in decoder.feed(piece)), *decoder.finish()]


def _is_defined(body: bytes) -> bool:
    """Tell whether the oracle covers this body; it does not cover bare JSON over several lines."""
    text = body.removeprefix(sse.BOM)
    if text[:1].isspace():
        return False
    lines = text.replace(b"\r", b"\n").split(b"\n")
    return all(line.rstrip().endswith(b"}") for line in lines if line.startswith(b"{"))


def seeds() -> dict[str, bytes]:
    """Return short transcripts."""
    return transcripts(MAX_BYTES)

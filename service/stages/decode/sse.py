"""chunk -> Frame: server-sent events, after the WHATWG HTML standard, section 9.2.6.

It departs from the standard for bodies observed in practice (protocol 4.1): a line that starts with
`{` is data wherever it stands, and so are the lines that continue it; an event without its final
blank line, or a line without its end, still counts when the body ends; a line that is no known
field becomes a stray frame.
"""

from service.vocabulary.events import Frame

# Spec 7.1: a picture in base64 would not fit, but a hundred of the longest answers would.
MAX_EVENT_BYTES = 16 * 1024 * 1024
STRAY_SAMPLE_BYTES = 300  # enough for a proxy's sentence
_BOM = b"\xef\xbb\xbf"
_CR, _BRACE, _COLON = b"\r{:"  # as numbers, which are found in bytes much faster


class DecodeSse:
    """Cuts a body into frames; one instance per body.

    A chunk is any slice of the body, even one cut inside a character. `is_overflowing` becomes true
    for good when an event exceeds the limit; frames before it have been returned, and none follow.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.is_overflowing = False
        self._max_event_bytes = max_event_bytes
        self._tail: list[bytes] = []  # pieces of an incomplete line
        self._tail_size = 0
        self._size = 0  # bytes of the event's data so far
        self._name = ""
        self._data: list[bytes] = []
        self._is_lf_swallowed = False  # the last chunk ended in CR, and its LF may follow
        self._is_start = True
        self._is_json_open = False  # inside a JSON text without `data:` that spans lines

    @property
    def is_between(self) -> bool:
        """Whether the next byte begins an event, with all events before it returned."""
        is_inside = self._tail or self._data or self._name or self._is_lf_swallowed
        return not (is_inside or self._is_start or self.is_overflowing)

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that this chunk completes; never waits, never raises."""
        frames: list[Frame] = []
        if not chunk or self.is_overflowing:
            return frames
        if self._is_lf_swallowed:
            chunk = chunk.removeprefix(b"\n")
            self._is_lf_swallowed = False
        if _CR in chunk:
            self._is_lf_swallowed = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        last = lines.pop()
        if lines:
            if self._tail or self._is_start:
                lines[0] = self._whole_line(lines[0])
            self._take(lines, frames)
        if last and not self.is_overflowing:
            self._tail.append(last)
            self._tail_size += len(last)
            if self._size + self._tail_size - len(b"data: ") > self._max_event_bytes:
                self._overflow()
        return frames

    def finish(self) -> list[Frame]:
        """Return the frames of a last line or event that has no end."""
        frames: list[Frame] = []
        lines = [self._whole_line(b"")] if self._tail else []
        self._take([*lines, b""], frames)
        return frames

    def _whole_line(self, end: bytes) -> bytes:
        """Return the line that began in earlier chunks, or as the first of the body."""
        line = b"".join((*self._tail, end))
        self._tail.clear()
        self._tail_size = 0
        if self._is_start:
            self._is_start = False
            line = line.removeprefix(_BOM)
            # A body that is only JSON may begin with blanks.
            line = stripped if (stripped := line.lstrip()).startswith(b"{") else line
        return line

    def _take(self, lines: list[bytes], frames: list[Frame]) -> None:
        """Read lines, and add the frames that they complete."""
        for line in lines:
            if not line:
                if self._data:
                    frames.append(Frame(self._name, b"\n".join(self._data)))
                    self._data.clear()
                    self._size = 0
                    self._is_json_open = False
                self._name = ""
                continue
            field, _, value = line.partition(b":")
            if field == b"data":
                self._is_json_open = False
                self._add(value.removeprefix(b" "))
            elif field == b"event":
                self._is_json_open = False
                self._name = value.removeprefix(b" ").decode("utf-8", "replace")
            else:
                self._other(line, field, frames)
            if self.is_overflowing:
                return

    def _other(self, line: bytes, field: bytes, frames: list[Frame]) -> None:
        if line[0] == _BRACE:
            self._is_json_open = not line.rstrip().endswith(b"}")
            self._add(line)
        elif field in (b"id", b"retry"):
            self._is_json_open = False
        elif line[0] == _COLON:
            pass  # a comment
        elif self._is_json_open:
            self._add(line)
        else:
            frames.append(Frame("", line[:STRAY_SAMPLE_BYTES], stray=True))

    def _add(self, data: bytes) -> None:
        if self._data:
            self._size += 1  # the line feed that joins them
        self._size += len(data)
        self._data.append(data)
        if self._size > self._max_event_bytes:
            self._overflow()

    def _overflow(self) -> None:
        self.is_overflowing = True
        self._tail.clear()
        self._data.clear()

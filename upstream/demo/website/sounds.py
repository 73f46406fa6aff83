"""Recordings of the demo: silence in three formats, as long as saying the text would take.

What is "said" stands in the recording as its lyrics, so that the demo can write down what it
once spoke, and people and tests can see which text a recording is of.

Sources: ISO/IEC 13818-3 and 14496-3 (frames), RFC 7845 (Ogg Opus), ID3v2.4.
"""

import struct
from collections.abc import Iterator

import msgspec

SECONDS_PER_CHARACTER = 0.06
MIN_SECONDS = 0.5
MAX_LYRICS_BYTES = 60_000  # a page of Ogg has 255 segments of 255 bytes
_LYRICS = b"LYRICS="
_ID3, _USLT = b"ID3", b"USLT"
_SHIFTS = (21, 14, 7, 0)  # of a number of ID3, which leaves out the highest bit of each byte
_RATE = 24_000

# MPEG-2 layer III at 32 kbit/s, mono: no bits are spent on sound, so it is silence.
_MP3_FRAME = b"\xff\xf3\x44\xc4" + bytes(92)
_MP3_SECONDS = 576 / _RATE
# ADTS: AAC LC, 24 kHz, mono, 11 bytes; a channel without scale factor bands, and the end of the block.
_AAC_FRAME = b"\xff\xf1\x58\x40\x01\x7f\xfc\x00\x00\x00\x07"
_AAC_SECONDS = 1024 / _RATE
_OPUS_PACKET = b"\xf8\xff\xfe"  # a frame of 20 ms that holds nothing
_OPUS_SECONDS, _OPUS_STEP = 0.02, 960  # steps are counted at 48 kHz
_OGG_POLYNOMIAL = 0x04C11DB7
_PACKETS_PER_PAGE = 50
_FIRST_PAGE, _LAST_PAGE = 2, 4


class Sound(msgspec.Struct, frozen=True):
    """A recording, in the pieces it is sent in."""

    media_type: str
    pieces: tuple[bytes, ...]


def speak(text: str, name: str) -> Sound | None:
    """Return the recording of a text in a format, None if there is no such format."""
    if name == "mp3":
        return Sound("audio/mpeg", (_id3(text), *_repeated(_MP3_FRAME, _MP3_SECONDS, text)))
    if name == "aac":
        return Sound("audio/aac", (_id3(text), *_repeated(_AAC_FRAME, _AAC_SECONDS, text)))
    if name == "opus":
        return Sound("audio/ogg", tuple(_ogg_opus(text)))
    return None


def lyrics_of(recording: bytes) -> str:
    """Return the text that a recording of the demo is of, empty for any other recording."""
    head, found, rest = recording.partition(_LYRICS)
    if recording.startswith(_ID3) and recording[10:14] == _USLT:
        size = sum(byte << shift for byte, shift in zip(recording[14:18], _SHIFTS, strict=True))
        lyrics = recording[25 : 20 + size]
    elif found and head.startswith(b"OggS"):
        lyrics = rest[: int.from_bytes(head[-4:], "little") - len(_LYRICS)]
    else:
        return ""
    return lyrics.decode("utf-8", "replace")


def _seconds(text: str) -> float:
    return max(MIN_SECONDS, len(text) * SECONDS_PER_CHARACTER)


def _repeated(frame: bytes, frame_seconds: float, text: str) -> Iterator[bytes]:
    """Yield as many frames as the text needs, about a second at once."""
    left, at_once = round(_seconds(text) / frame_seconds), round(1 / frame_seconds)
    while left > 0:
        yield frame * min(left, at_once)
        left -= at_once


def _id3(text: str) -> bytes:
    lyrics = b"\x03und\x00" + _lyrics(text)
    frame = _USLT + _syncsafe(len(lyrics)) + b"\x00\x00" + lyrics
    return _ID3 + b"\x04\x00\x00" + _syncsafe(len(frame)) + frame


def _lyrics(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:MAX_LYRICS_BYTES]


def _syncsafe(number: int) -> bytes:
    return bytes((number >> shift) & 0x7F for shift in _SHIFTS)


def _ogg_opus(text: str) -> Iterator[bytes]:
    yield _page(0, 0, [b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, _RATE, 0, 0)], _FIRST_PAGE)
    comment = _LYRICS + _lyrics(text)
    vendor = b"demo"
    tags = struct.pack("<I", len(vendor)) + vendor + struct.pack("<II", 1, len(comment)) + comment
    yield _page(1, 0, [b"OpusTags" + tags])
    count = round(_seconds(text) / _OPUS_SECONDS)
    for number, first in enumerate(range(0, count, _PACKETS_PER_PAGE), start=2):
        last = min(first + _PACKETS_PER_PAGE, count)
        flag = _LAST_PAGE if last == count else 0
        yield _page(number, last * _OPUS_STEP, [_OPUS_PACKET] * (last - first), flag)


def _page(number: int, position: int, packets: list[bytes], flag: int = 0) -> bytes:
    lacing = b"".join(b"\xff" * (len(one) // 255) + bytes([len(one) % 255]) for one in packets)
    head = b"OggS" + struct.pack("<BBqIII", 0, flag, position, 1, number, 0)
    page = bytearray(head + bytes([len(lacing)]) + lacing + b"".join(packets))
    page[22:26] = struct.pack("<I", _checksum(page))
    return bytes(page)


def _checksum(page: bytearray) -> int:
    """Return Ogg's checksum: a CRC of 32 bits, neither reflected nor inverted."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (_OGG_POLYNOMIAL if crc & 0x80000000 else 0)
            crc &= 0xFFFFFFFF
    return crc

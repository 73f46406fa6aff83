"""Recordings, read by the standards' own words and not by the code that wrote them."""

import struct

import pytest

from tests.rows import each_row
from upstream.demo.website.sounds import MAX_LYRICS_BYTES, lyrics_of, speak

TEXT = "Boats float. 船会漂浮。"


def content(text: str, name: str) -> bytes:
    sound = speak(text, name)
    assert sound is not None
    return b"".join(sound.pieces)


def without_tag(recording: bytes) -> bytes:
    assert recording.startswith(b"ID3\x04\x00\x00")
    size = 0
    for byte in recording[6:10]:
        assert byte < 0x80
        size = size << 7 | byte
    return recording[10 + size :]


@each_row("name", ["mp3", "aac", "opus"])
@each_row("text", [TEXT, "x", TEXT * 60])
def test_a_recording_knows_its_text(name: str, text: str) -> None:
    assert lyrics_of(content(text, name)) == text


def test_there_are_three_formats() -> None:
    assert [speak(TEXT, name) for name in ("wav", "flac", "pcm", "")] == [None] * 4


@each_row("other", [b"", b"RIFF", b"ID3", b"OggS", b"ID3\x04\x00\x00" + bytes(40)])
def test_other_recordings_have_no_text(other: bytes) -> None:
    assert lyrics_of(other) == ""


def test_frames_of_mp3_follow_each_other_without_a_gap() -> None:
    frames = without_tag(content("x" * 100, "mp3"))
    heads = [frames[at : at + 4] for at in range(0, len(frames), 96)]
    assert set(heads) == {b"\xff\xf3\x44\xc4"}  # MPEG-2, layer III, 32 kbit/s, 24 kHz, mono
    assert len(heads) * 0.024 == pytest.approx(6, abs=0.05)


def test_frames_of_aac_say_how_long_they_are() -> None:
    frames, count = without_tag(content("x" * 100, "aac")), 0
    while frames:
        assert frames[:2] == b"\xff\xf1"
        assert (frames[2] >> 2 & 0xF, frames[3] >> 6) == (6, 1)  # 24 kHz, one channel
        size = (frames[3] & 3) << 11 | frames[4] << 3 | frames[5] >> 5
        assert len(frames[:size]) == size
        frames, count = frames[size:], count + 1
    assert count * 1024 / 24_000 == pytest.approx(6, abs=0.05)


def pages(recording: bytes) -> list[tuple[int, int, bytes]]:
    """Return the flag, position and body of each page, their checksums checked."""
    found = []
    while recording:
        capture, version, flag, position, _serial, number, crc, count = struct.unpack_from(
            "<4sBBqIIIB", recording
        )
        assert (capture, version, number) == (b"OggS", 0, len(found))
        size = 27 + count + sum(recording[27 : 27 + count])
        page = recording[:22] + bytes(4) + recording[26:size]
        assert crc == checksum(page)
        found.append((flag, position, page[27 + count :]))
        recording = recording[size:]
    return found


def checksum(page: bytes) -> int:
    """Return Ogg's checksum, by long division."""
    value = int.from_bytes(page, "big") << 32
    for bit in range(value.bit_length() - 1, 31, -1):
        if value >> bit & 1:
            value ^= 0x104C11DB7 << (bit - 32)
    return value


def test_an_ogg_of_opus_has_its_heads_and_ends_with_its_last_page() -> None:
    head, tags, *audio = pages(content("x" * 100, "opus"))
    assert (head[0], head[2][:8]) == (2, b"OpusHead")
    assert tags[2].startswith(b"OpusTags")
    assert [flag for flag, _, _ in audio] == [0] * (len(audio) - 1) + [4]
    assert audio[-1][1] / 48_000 == pytest.approx(6, abs=0.05)


@pytest.mark.whole
@pytest.mark.parametrize("name", ["mp3", "aac", "opus"])
def test_a_text_of_any_length_fits(name: str) -> None:
    assert lyrics_of(content("x" * 70_000, name)) == "x" * MAX_LYRICS_BYTES

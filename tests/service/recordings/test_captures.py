from service.recordings.captures import blocks, body_of, lines_of
from tests.rows import each_row


@each_row(
    ("capture", "body"),
    [
        (b'data: {"a":1}\n\n', b'data: {"a":1}\n\n'),
        (b'{"detail":"no"}', b'{"detail":"no"}'),
        (b'{\n"detail": "no"\n}\n', b'{\n"detail": "no"\n}\n'),
        (
            b'"v1"\n{"v":"a"}\n[DONE]\n',
            b'data: "v1"\n\ndata: {"v":"a"}\n\ndata: [DONE]\n\n',
        ),
        (
            b'{"event":"delta_encoding","data":"v1"}\n{"event":"delta","data":{"v":"a"}}\n',
            b'event: delta_encoding\ndata: "v1"\n\nevent: delta\ndata: {"v": "a"}\n\n',
        ),
        (b'{"a":1}\nnot json\n', b'{"a":1}\nnot json\n'),
        (b"", b""),
    ],
)
def test_lines_of_json_are_events_and_all_else_is_a_body(capture: bytes, body: bytes) -> None:
    assert body_of(capture) == body


@each_row("end", [b"\n", b"\r\n", b"\r"])
def test_a_body_is_cut_behind_its_empty_lines(end: bytes) -> None:
    body = end.join([b"event: a", b"data: 1", b"", b": note", b"", b"data: 2"])
    cut = list(blocks(body))
    assert b"".join(cut) == body
    assert [len(lines_of(block)) for block in cut] == [3, 2, 1]
    assert lines_of(cut[0]) == [(b"event: a", end), (b"data: 1", end), (b"", end)]
    assert lines_of(cut[2]) == [(b"data: 2", b"")]

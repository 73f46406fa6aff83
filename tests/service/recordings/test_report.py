import json

from service.recordings.replay import replay
from service.recordings.report import as_json, as_text
from tests.oracle import render


def body(name: str, generation: str = "v1") -> bytes:
    return b"".join(render.render(render.load(name), generation))


def test_lines_tell_of_each_frame_what_came_of_it_and_how_it_ended() -> None:
    text = as_text(replay(body("p3-1-the-example")))
    lines = text.splitlines()
    assert lines[0].split() == ["1", "delta_encoding", '"v1"']
    assert any(line.startswith("      event     MessageSnapshot message={") for line in lines)
    assert any(line.startswith("      rendered  ContentText text=") for line in lines)
    assert "outcome   complete, finish_reason stop" in lines
    assert text.endswith("content   6 characters\nHello!\n")


def test_what_is_not_known_and_what_failed_is_told() -> None:
    text = as_text(replay(b'{"type":"brand_new"}\n{"detail":"No such thing"}\n'))
    assert "unknown   type brand_new 1" in text
    assert "outcome   refused, finish_reason none" in text
    assert "No such thing" in text.split("error     ")[1]


def test_nothing_reaches_a_terminal_as_a_command() -> None:
    message = {"id": "a", "author": {"role": "assistant"}, "status": "finished_successfully"}
    message |= {"content": {"content_type": "text", "parts": ["\x1b[2Jhi\ue203\u2028\ud800\nbye"]}}
    text = as_text(replay(b"data: " + json.dumps({"message": message}).encode()))
    assert "\x1b" not in text
    assert "\\x1b[2Jhi\\u2028?\nbye" in text
    text.encode()


def test_the_credential_of_a_resume_is_in_no_record() -> None:
    event = {"type": "resume_conversation_token", "token": "tok-4711", "conversation_id": "c1"}
    hand_off = {"type": "stream_handoff", "conversation_id": "c1"}
    told = replay(b"\n".join(json.dumps(each).encode() for each in (event, hand_off)))
    shown = [line for line in as_text(told).splitlines() if line.startswith("      ")]
    assert any("ResumeOffered" in line for line in shown)
    assert any("ResumeWanted" in line for line in shown)
    assert "tok-4711" not in "\n".join(shown)
    records = [step["events"] + step["deltas"] for step in json.loads(as_json(told))["steps"]]
    assert "tok-4711" not in json.dumps(records)


def test_where_a_turn_goes_on_is_told() -> None:
    told = replay(b'data: {"type":"stream_handoff"}\n\ndata: [DONE]\n')
    line = "elsewhere the turn goes on in another body, which is not in this capture"
    assert line in as_text(told).splitlines()
    assert json.loads(as_json(told))["elsewhere"] == "another body"


def test_json_is_whole_for_transcripts() -> None:
    for name in render.names()[::4]:
        transcript = render.load(name)
        told = replay(body(name, render.generations(transcript)[0]))
        tree = json.loads(as_json(told))
        assert tree["outcome"] == told.ended.outcome
        assert tree["unknown"] == told.ended.counts
        assert len(tree["steps"]) == len(told.steps)
        assert as_text(told)

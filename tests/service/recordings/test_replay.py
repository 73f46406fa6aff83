from service.recordings.replay import replay
from service.vocabulary.events import BodyEnded, MessageSnapshot, Outcome, TurnEnded, Unknown
from service.vocabulary.rendered import AssetLinked
from tests.feeding import deltas, read
from tests.oracle import render


def body(name: str, generation: str = "v0") -> bytes:
    return b"".join(render.render(render.load(name), generation))


def test_each_event_has_what_came_of_it() -> None:
    told = replay(body("p2-3-brand-new-type"))
    first = told.steps[0]
    assert len(first.frames) == 1
    assert any(isinstance(each, MessageSnapshot) for each in first.events)
    assert sum(len(step.frames) for step in told.steps) == body("p2-3-brand-new-type").count(
        b"data:"
    )
    assert told.ended.counts == {"content type brand_new_type": 1}


def test_a_replay_ends_as_the_turn_did_for_transcripts() -> None:
    for name in render.names()[::2]:
        transcript = render.load(name)
        if "end" in transcript or "sent" in transcript or "problems" in transcript:
            continue  # a replay does not know the surroundings of the body
        for generation in render.generations(transcript):
            cut = render.render(transcript, generation)
            told, expected = replay(b"".join(cut)), read(deltas(cut))
            assert told.ended.finish_reason == expected.finish_reason, name
            assert told.reasoning == expected.reasoning, name
            assert told.ended.outcome == expected.outcome, name


def test_what_is_fetched_gets_a_link_that_leads_nowhere() -> None:
    told = replay(body("p8-1-dalle"))
    links = [each for step in told.steps for each in step.rendered if isinstance(each, AssetLinked)]
    assert [link.url for link in links] == [
        f"https://replay.invalid/picture/{number}" for number in (1, 2)
    ]
    assert all(link.url in told.content for link in links)


def test_a_hand_off_and_a_picture_to_come_end_with_the_capture() -> None:
    hand_off = b'{"type":"stream_handoff","conversation_id":"c1"}\n[DONE]\n'
    for capture in (hand_off, body("p8-2b-picture-that-never-comes")):
        told = replay(capture)
        assert isinstance(told.ended, TurnEnded)
        assert told.ended.outcome in (Outcome.CUT, Outcome.EMPTY)
        assert isinstance(told.steps[-1].events[-1], BodyEnded)


def test_it_says_where_a_turn_goes_on_that_the_capture_does_not_have() -> None:
    offered = b'data: {"type":"stream_handoff","conversation_id":"c1"}\n\n'
    for end in (b"data: [DONE]\n\n", b"data: [DONE]\n", b"data: [DONE]", b""):
        told = replay(offered + end)
        kinds = {"TurnFacts": 1, "ResumeWanted": 1, "AnswerWanted": 1, "TurnEnded": 1}
        assert told.kinds["deltas"] == kinds
        assert told.elsewhere == "another body"
    rest = body("p8-1-dalle")
    assert replay(offered + b"data: [DONE]\n" + rest).elsewhere == ""
    told = replay(body("p8-2b-picture-that-never-comes"))
    assert told.elsewhere == "a picture in the stored conversation"
    assert replay(body("p3-1-the-example", "v1")).elsewhere == ""


def test_kinds_are_counted_at_each_border() -> None:
    told = replay(b'{"type":"brand_new"}\n{"type":"brand_new"}\n[DONE]\n')
    assert told.kinds["events"] == {"Unknown": 2, "DoneReceived": 1, "BodyEnded": 1}
    assert told.kinds["rendered"] == {"TurnEnded": 1}
    assert isinstance(told.steps[0].events[0], Unknown)
    assert told.ended.counts == {"type brand_new": 2}


def test_an_empty_file_is_a_turn_that_was_cut() -> None:
    assert replay(b"").ended.outcome is Outcome.CUT

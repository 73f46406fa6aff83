from service.vocabulary.requests import ChatMessage, FilePart, TextPart


def test_the_text_of_a_message_is_its_text_parts() -> None:
    parts = (TextPart("one"), FilePart("p", url="http://x"), TextPart("two"))
    assert ChatMessage("user", parts).text == "one\ntwo"

from service.answers.chats import CitedUrl, Link
from service.stages.encode.gathered import Gathered
from service.vocabulary.events import (
    AssetKind,
    CitationResolved,
    FunctionArguments,
    FunctionCallStarted,
    Source,
    TextSpent,
    TurnFacts,
)
from service.vocabulary.rendered import (
    AssetLinked,
    ContentCited,
    ContentText,
    FunctionCall,
    Rendered,
)

A = Source("https://a.example", "")
FILE = AssetLinked(AssetKind.FILE, "https://g/files/2.csv", "data.csv", "text/csv")


def gathered(*pieces: Rendered) -> Gathered:
    answer = Gathered()
    answer.feed_batch(pieces)
    return answer


def test_a_failed_answer_had_the_text_that_went_out_else_what_was_held_back() -> None:
    held = TextSpent(("Again.",), "No JSON")
    assert gathered(held).partial == "No JSON"
    assert gathered(ContentText("Half"), held).partial == "Half"
    assert gathered().partial == ""


def test_a_citation_stands_where_its_text_does() -> None:
    (cited,) = gathered(ContentText("😀 "), ContentCited(1, "[1]", (A, A))).annotations
    assert cited.url_citation == CitedUrl(A.url, A.url, 2, 5)
    assert gathered(CitationResolved(7, (A,))).annotations == []


def test_a_file_that_is_named_twice_is_one_link() -> None:
    assert gathered(FILE, FILE).links() == {"x_files": [Link(FILE.url, "data.csv")]}


def test_names_that_are_unknown_or_no_ids_are_left_out() -> None:
    answer = gathered(TurnFacts("conv", "m" * 300, "slug"))
    assert answer.names(is_temporary=False) == {"upstream_model": "slug", "conversation_id": "conv"}
    assert answer.names(is_temporary=True) == {"upstream_model": "slug"}


def test_arguments_add_up_to_their_call() -> None:
    pieces = (FunctionArguments(0, text) for text in ("{", "}"))
    assert gathered(FunctionCallStarted(0, "call_a", "f"), *pieces).calls == [
        FunctionCall("call_a", "f", "{}")
    ]

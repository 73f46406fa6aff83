"""`langchain-openai` as its users write it; in both dialects."""

import openai
from asking import (
    CUT,
    MODEL,
    REPORT,
    TRIP,
    WEATHER,
    Feature,
    come_as_made,
    drained,
    failing,
    failing_later,
    passes,
)
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel


def chat(**fields) -> ChatOpenAI:
    return ChatOpenAI(model=MODEL, max_retries=0, **fields)


def a_whole_answer() -> None:
    answer = chat(temperature=0).invoke([SystemMessage("Be short."), HumanMessage("6*7")])
    assert answer.content.endswith("42"), answer
    assert answer.usage_metadata["output_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"


def a_stream_adds_up_to_the_whole_answer() -> None:
    pieces = list(chat(stream_usage=True).stream("several messages"))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole.content == chat().invoke("several messages").content
    assert whole.usage_metadata["total_tokens"] > 0
    assert whole.response_metadata["finish_reason"] == "stop"


async def an_asynchronous_stream_outlasts_a_silence_longer_than_its_timer() -> None:
    # The gateway's stream.keep_alive_chunk_seconds is far below this, the demo's pause above it.
    model = chat(stream_chunk_timeout=1.0)
    said = "".join([piece.content async for piece in model.astream("long 20 /fault slowbody 2.5")])
    assert said.count("word") or len(said) > 20, said


def a_history_with_a_picture() -> None:
    pixel = (
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
        "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )
    parts = [
        {"type": "text", "text": "What is in it?"},
        {"type": "image_url", "image_url": {"url": pixel}},
    ]
    answer = chat().invoke([HumanMessage("Hello"), AIMessage("Hi."), HumanMessage(parts)])
    assert "You sent " in answer.content, answer


def errors_have_their_classes() -> None:
    for question, kind in (
        ("/fault 413", openai.BadRequestError),
        ("/fault 429 5", openai.RateLimitError),
        ("/fault 500", openai.InternalServerError),
    ):
        try:
            chat().invoke(question)
        except kind as error:
            assert error.body["message"]  # noqa: PT017 - no pytest in this environment
        else:
            raise AssertionError(question)
    try:
        OpenAIEmbeddings(max_retries=0, check_embedding_ctx_length=False).embed_query("x")
    except openai.NotFoundError as error:
        assert "embedding" in str(error).lower()  # noqa: PT017 - no pytest in this environment
    else:
        raise AssertionError("embeddings")


class Trip(BaseModel):
    city: str
    days: int


@tool
def get_weather(city: str) -> str:
    """The weather of a city, now."""
    return f"{city}: {REPORT}"


def collected(model: ChatOpenAI, messages: list | str) -> AIMessage:
    first, *others = model.stream(messages)
    for piece in others:
        first += piece
    return first


def speaking(dialect: str) -> dict[str, Feature]:
    model = chat(use_responses_api=dialect == "responses")

    def tools() -> None:
        bound = model.bind_tools([get_weather])
        for ask in (lambda _, messages: bound.invoke(messages), collected):
            asked = [HumanMessage(WEATHER)]
            called = ask(bound, asked)
            (call,) = called.tool_calls
            assert call["args"] == {"city": "Paris"}
            answer = ask(bound, [*asked, called, get_weather.invoke(call)])
            assert REPORT in answer.text

    async def pieces() -> list[str]:
        made = await drained(model.bind_tools([get_weather]).astream(WEATHER))
        return [chunk["args"] for piece in made for chunk in piece.tool_call_chunks]

    def structured() -> None:
        assert model.with_structured_output(Trip).invoke(TRIP) == Trip(city="Rome", days=3)

    async def cut() -> None:
        failing(lambda: collected(model, CUT))
        failing(lambda: model.invoke(CUT))
        await failing_later(drained(model.astream(CUT)))

    return {
        f"{dialect}: tools": tools,
        f"{dialect}: calls as made": lambda: come_as_made(pieces),
        f"{dialect}: JSON": structured,
        f"{dialect}: cut": cut,
    }


def responses_add_up() -> None:
    model = chat(use_responses_api=True)
    whole = model.invoke("several messages")
    assert collected(model, "several messages").text == whole.text
    assert whole.usage_metadata["total_tokens"] > 0


if __name__ == "__main__":
    passes(
        {
            "chat: whole": a_whole_answer,
            "chat: stream": a_stream_adds_up_to_the_whole_answer,
            "chat: silence": an_asynchronous_stream_outlasts_a_silence_longer_than_its_timer,
            "chat: picture": a_history_with_a_picture,
            "chat: errors": errors_have_their_classes,
            "responses: whole, stream": responses_add_up,
        }
        | speaking("chat")
        | speaking("responses")
    )

"""`langchain-openai` as its users write it; run by test_programs.py in the environment of clients."""

import asyncio
import os

import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

BASE = os.environ["OPENAI_BASE_URL"]


def chat(**fields) -> ChatOpenAI:
    return ChatOpenAI(model="gpt-4o", max_retries=0, **fields)


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
    assert "You sent 1 file: " in answer.content, answer


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


def main() -> None:
    a_whole_answer()
    a_stream_adds_up_to_the_whole_answer()
    asyncio.run(an_asynchronous_stream_outlasts_a_silence_longer_than_its_timer())
    a_history_with_a_picture()
    errors_have_their_classes()


if __name__ == "__main__":
    main()

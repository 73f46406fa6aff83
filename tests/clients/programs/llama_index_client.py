"""LlamaIndex: its model for anything like OpenAI's chat, and its model for responses."""

from asking import (
    BASE,
    CUT,
    KEY,
    MODEL,
    PLAIN,
    REPORT,
    TRIP,
    WEATHER,
    Feature,
    drained,
    failing,
    failing_later,
    passes,
)
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAIResponses
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

HERE = {"model": MODEL, "api_base": BASE, "api_key": KEY, "max_retries": 0}


class Trip(BaseModel):
    """A trip."""

    city: str
    days: int


def streamed(language: OpenAILike | OpenAIResponses, question: str) -> str:
    return "".join(piece.delta or "" for piece in language.stream_chat([ChatMessage(question)]))


def speaking(dialect: str, language: OpenAILike | OpenAIResponses) -> dict[str, Feature]:
    asked = []

    def get_weather(city: str) -> str:
        """The weather of a city, now."""
        asked.append(city)
        return REPORT

    def whole() -> None:
        answer = language.chat([ChatMessage("Be short.", role="system"), ChatMessage(PLAIN)])
        assert "42" in answer.message.content

    def stream() -> None:
        assert "42" in streamed(language, PLAIN)

    async def tools() -> None:
        for streams in (False, True):
            agent = FunctionAgent(tools=[get_weather], llm=language, streaming=streams)
            assert REPORT in str(await agent.run(WEATHER))
        assert asked == ["Paris", "Paris"]

    def structured() -> None:
        trip = language.as_structured_llm(Trip).chat([ChatMessage(TRIP)]).raw
        assert (trip.city, trip.days) == ("Rome", 3)

    async def cut() -> None:
        failing(lambda: streamed(language, CUT))
        failing(lambda: language.chat([ChatMessage(CUT)]))
        await failing_later(drained(await language.astream_chat([ChatMessage(CUT)])))

    return {
        f"{dialect}: whole": whole,
        f"{dialect}: stream": stream,
        f"{dialect}: tools": tools,
        f"{dialect}: JSON": structured,
        f"{dialect}: cut": cut,
    }


if __name__ == "__main__":
    passes(
        speaking("chat", OpenAILike(is_chat_model=True, is_function_calling_model=True, **HERE))
        | speaking("responses", OpenAIResponses(**HERE))
    )

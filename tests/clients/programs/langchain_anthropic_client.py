"""`langchain-anthropic` as its users write it."""

from asking import (
    BASE,
    CUT,
    KEY,
    MODEL,
    PLAIN,
    REPORT,
    TRIP,
    WEATHER,
    drained,
    failing,
    failing_later,
    passes,
)
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from pydantic import BaseModel

CHAT = ChatAnthropic(
    model=MODEL, base_url=BASE.removesuffix("/v1"), api_key=KEY, max_retries=0, max_tokens=1024
)


class Trip(BaseModel):
    city: str
    days: int


@tool
def get_weather(city: str) -> str:
    """The weather of a city, now."""
    return f"{city}: {REPORT}"


def collected(model: ChatAnthropic, messages: list | str) -> AIMessage:
    first, *others = model.stream(messages)
    for piece in others:
        first += piece
    return first


def whole() -> None:
    answer = CHAT.invoke([SystemMessage("Be short."), HumanMessage(PLAIN)])
    assert "42" in answer.text
    assert answer.usage_metadata["input_tokens"] > 0
    assert answer.response_metadata["stop_reason"] == "end_turn"


def stream() -> None:
    answer = collected(CHAT, PLAIN)
    assert "42" in answer.text
    assert answer.usage_metadata["input_tokens"] > 0
    assert answer.usage_metadata["output_tokens"] > 0


def tools() -> None:
    bound = CHAT.bind_tools([get_weather])
    for ask in (lambda _, messages: bound.invoke(messages), collected):
        asked = [HumanMessage(WEATHER)]
        called = ask(bound, asked)
        (call,) = called.tool_calls
        assert call["args"] == {"city": "Paris"}
        answer = ask(bound, [*asked, called, get_weather.invoke(call)])
        assert REPORT in answer.text


def structured() -> None:
    for method in ("function_calling", "json_schema"):
        model = CHAT.with_structured_output(Trip, method=method)
        assert model.invoke(TRIP) == Trip(city="Rome", days=3), method


async def cut() -> None:
    failing(lambda: collected(CHAT, CUT))
    failing(lambda: CHAT.invoke(CUT))
    await failing_later(drained(CHAT.astream(CUT)))


if __name__ == "__main__":
    passes(
        {
            "messages: whole": whole,
            "messages: stream": stream,
            "messages: tools": tools,
            "messages: JSON": structured,
            "messages: cut": cut,
        }
    )

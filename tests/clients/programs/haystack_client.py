"""Haystack, in both dialects; its generators, and its agent for the tools."""

from asking import CUT, MODEL, PLAIN, REPORT, TRIP, WEATHER, failing, passes
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator, OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool
from pydantic import BaseModel


class Trip(BaseModel):
    city: str
    days: int


def asking(question: str) -> list[ChatMessage]:
    return [ChatMessage.from_system("Be short."), ChatMessage.from_user(question)]


def speaking(dialect: str, make: type, structured_field: str) -> dict:
    generator = make(model=MODEL, max_retries=0)
    asked = []

    @tool
    def get_weather(city: str) -> str:
        """The weather of a city, now."""
        asked.append(city)
        return REPORT

    def streamed(question: str) -> tuple[str, ChatMessage]:
        pieces = []
        (reply,) = generator.run(asking(question), streaming_callback=pieces.append)["replies"]
        return "".join(piece.content for piece in pieces), reply

    def whole() -> None:
        (reply,) = generator.run(asking(PLAIN))["replies"]
        assert "42" in reply.text

    def stream() -> None:
        text, reply = streamed(PLAIN)
        assert "42" in text
        assert text == reply.text

    def tools() -> None:
        agent = Agent(chat_generator=generator, tools=[get_weather])
        assert REPORT in agent.run([ChatMessage.from_user(WEATHER)])["last_message"].text
        said = agent.run([ChatMessage.from_user(WEATHER)], streaming_callback=lambda _: None)
        assert REPORT in said["last_message"].text
        assert asked == ["Paris", "Paris"]

    def structured() -> None:
        planner = make(model=MODEL, max_retries=0, generation_kwargs={structured_field: Trip})
        (reply,) = planner.run(asking(TRIP))["replies"]
        assert Trip.model_validate_json(reply.text) == Trip(city="Rome", days=3)

    def cut() -> None:
        failing(lambda: streamed(CUT))
        failing(lambda: generator.run(asking(CUT)))

    return {
        f"{dialect}: whole": whole,
        f"{dialect}: stream": stream,
        f"{dialect}: tools": tools,
        f"{dialect}: JSON": structured,
        f"{dialect}: cut": cut,
    }


if __name__ == "__main__":
    passes(
        speaking("chat", OpenAIChatGenerator, "response_format")
        | speaking("responses", OpenAIResponsesChatGenerator, "text_format")
    )

"""The Agents SDK of OpenAI, in both dialects; it would send traces elsewhere otherwise."""

from agents import (
    Agent,
    Model,
    OpenAIChatCompletionsModel,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from asking import (
    CUT,
    MODEL,
    PLAIN,
    REPORT,
    TRIP,
    WEATHER,
    come_as_made,
    failing_later,
    passes,
)
from openai import AsyncOpenAI
from pydantic import BaseModel

set_tracing_disabled(True)
CLIENT = AsyncOpenAI(max_retries=0)


class Trip(BaseModel):
    city: str
    days: int


async def collected(agent: Agent, question: str, config: RunConfig) -> tuple[str, object]:
    result = Runner.run_streamed(agent, question, run_config=config)
    text = ""
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            text += event.data.delta
    return text, result.final_output


async def pieces_of_calls(agent: Agent, config: RunConfig) -> list[str]:
    result = Runner.run_streamed(agent, WEATHER, run_config=config)
    kind = "response.function_call_arguments.delta"
    return [
        event.data.delta
        async for event in result.stream_events()
        if event.type == "raw_response_event" and event.data.type == kind
    ]


def speaking(dialect: str, model: Model) -> dict:
    config = RunConfig(model=model, tracing_disabled=True)
    plain = Agent(name="Plain", instructions="Be short.")
    asked = []

    @function_tool
    def get_weather(city: str) -> str:
        """The weather of a city, now."""
        asked.append(city)
        return REPORT

    reporter = Agent(name="Reporter", instructions="Use the tool.", tools=[get_weather])

    async def whole() -> None:
        result = await Runner.run(plain, PLAIN, run_config=config)
        assert "42" in result.final_output
        assert result.context_wrapper.usage.output_tokens > 0

    async def stream() -> None:
        text, final = await collected(plain, PLAIN, config)
        assert "42" in text
        assert text == final

    async def tools() -> None:
        result = await Runner.run(reporter, WEATHER, run_config=config)
        assert REPORT in result.final_output
        _, final = await collected(reporter, WEATHER, config)
        assert REPORT in final
        assert asked == ["Paris", "Paris"]

    async def structured() -> None:
        planner = Agent(name="Planner", instructions="Plan.", output_type=Trip)
        result = await Runner.run(planner, TRIP, run_config=config)
        assert result.final_output == Trip(city="Rome", days=3)

    async def cut() -> None:
        await failing_later(collected(plain, CUT, config))
        await failing_later(Runner.run(plain, CUT, run_config=config))

    return {
        f"{dialect}: whole": whole,
        f"{dialect}: stream": stream,
        f"{dialect}: tools": tools,
        f"{dialect}: calls as made": lambda: come_as_made(
            lambda: pieces_of_calls(reporter, config)
        ),
        f"{dialect}: JSON": structured,
        f"{dialect}: cut": cut,
    }


async def session() -> None:
    """A session that the gateway keeps as a conversation."""
    agent = Agent(name="Plain", instructions="Be short.")
    config = RunConfig(model=OpenAIResponsesModel(MODEL, CLIENT), tracing_disabled=True)
    session = OpenAIConversationsSession(openai_client=CLIENT)
    await Runner.run(agent, "My name is Ada.", session=session, run_config=config)
    again = await Runner.run(agent, PLAIN, session=session, run_config=config)
    assert "42" in again.final_output
    assert len(again.raw_responses) == 1
    kept = await session.get_items()
    assert [item["role"] for item in kept] == ["user", "assistant"] * 2
    assert len(await session.get_items(limit=1)) == 1
    last = await session.pop_item()
    assert last is not None
    assert last["role"] == "assistant"
    assert len(await session.get_items()) == 3
    await session.clear_session()


if __name__ == "__main__":
    passes(
        {"responses: session": session}
        | speaking("chat", OpenAIChatCompletionsModel(MODEL, CLIENT))
        | speaking("responses", OpenAIResponsesModel(MODEL, CLIENT))
    )

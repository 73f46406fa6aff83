"""Pydantic AI, in all three dialects."""

from anthropic import AsyncAnthropic
from asking import BASE, CUT, KEY, MODEL, PLAIN, REPORT, TRIP, WEATHER, failing_later, passes
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

PROVIDER = OpenAIProvider(openai_client=AsyncOpenAI(max_retries=0))
# It has models of other names do without schemas; the gateway's stands in for this one.
CLAUDE = "claude-sonnet-4-5"
ANTHROPIC = AnthropicProvider(
    anthropic_client=AsyncAnthropic(base_url=BASE.removesuffix("/v1"), api_key=KEY, max_retries=0)
)


class Trip(BaseModel):
    city: str
    days: int


async def collected(agent: Agent, question: str) -> str:
    async with agent.run_stream(question) as result:
        return "".join([piece async for piece in result.stream_text(delta=True)])


def speaking(dialect: str, model: Model) -> dict:
    plain = Agent(model, instructions="Be short.")
    reporter = Agent(model, instructions="Use the tool.")
    asked = []

    @reporter.tool_plain
    def get_weather(city: str) -> str:
        """The weather of a city, now."""
        asked.append(city)
        return REPORT

    async def whole() -> None:
        result = await plain.run(PLAIN)
        assert "42" in result.output
        assert result.usage.output_tokens > 0

    async def stream() -> None:
        assert "42" in await collected(plain, PLAIN)

    async def tools() -> None:
        assert REPORT in (await reporter.run(WEATHER)).output
        assert REPORT in await collected(reporter, WEATHER)
        assert asked == ["Paris", "Paris"]

    async def structured() -> None:
        wanted = Trip(city="Rome", days=3)
        for kind in (Trip, NativeOutput(Trip)):  # by a tool, and by a schema
            assert (await Agent(model, output_type=kind).run(TRIP)).output == wanted

    async def cut() -> None:
        await failing_later(collected(plain, CUT))
        await failing_later(plain.run(CUT))

    return {
        f"{dialect}: whole": whole,
        f"{dialect}: stream": stream,
        f"{dialect}: tools": tools,
        f"{dialect}: JSON": structured,
        f"{dialect}: cut": cut,
    }


if __name__ == "__main__":
    passes(
        speaking("chat", OpenAIChatModel(MODEL, provider=PROVIDER))
        | speaking("responses", OpenAIResponsesModel(MODEL, provider=PROVIDER))
        | speaking("messages", AnthropicModel(CLAUDE, provider=ANTHROPIC))
    )

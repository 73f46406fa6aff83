"""AstrBot's provider for anything like OpenAI: chats, streamed and whole, and functions."""

from functools import partial

from asking import BASE, CUT, KEY, MODEL, PLAIN, REPORT, WEATHER, failing_later, passes
from astrbot.core.agent.message import AssistantMessageSegment, ToolCallMessageSegment
from astrbot.core.agent.tool import FunctionTool, ToolSet
from astrbot.core.provider.entities import LLMResponse, ToolCallsResult
from astrbot.core.provider.sources.openai_source import ProviderOpenAIOfficial

PROVIDER = ProviderOpenAIOfficial(
    {
        "id": "gateway",
        "type": "openai_chat_completion",
        "key": [KEY],
        "api_base": BASE,
        "model": MODEL,
    },
    {},
)
PROVIDER.client.max_retries = 0
TOOL = FunctionTool(
    name="get_weather",
    description="The weather of a city, now.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}},
)


async def streamed(prompt: str, **more: object) -> LLMResponse:
    """Return the last piece, which has it all; the others add up to its text."""
    text, last = "", None
    async for piece in PROVIDER.text_chat_stream(prompt=prompt, contexts=[], **more):
        last = piece
        text += piece.completion_text if piece.is_chunk and not piece.reasoning_content else ""
    assert last.reasoning_content or text == (last.completion_text or "")
    return last


async def models() -> None:
    assert MODEL in await PROVIDER.get_models()


async def whole() -> None:
    answer = await PROVIDER.text_chat(prompt=PLAIN, contexts=[], system_prompt="Be short.")
    assert "42" in answer.completion_text
    assert answer.usage.output > 0


async def stream() -> None:
    assert "42" in (await streamed(PLAIN)).completion_text


async def reasoning() -> None:
    answer = await PROVIDER.text_chat(prompt="think about boats", contexts=[])
    assert answer.reasoning_content
    assert (await streamed("think about boats")).reasoning_content == answer.reasoning_content


async def tools() -> None:
    functions = ToolSet([TOOL])
    for ask in (partial(PROVIDER.text_chat, contexts=[]), streamed):
        called = await ask(prompt=WEATHER, func_tool=functions)
        assert (called.tools_call_name, called.tools_call_args) == (
            ["get_weather"],
            [{"city": "Paris"}],
        )
        result = ToolCallsResult(
            AssistantMessageSegment(content="", tool_calls=called.to_openai_to_calls_model()),
            [ToolCallMessageSegment(content=REPORT, tool_call_id=called.tools_call_ids[0])],
        )
        answer = await ask(prompt=WEATHER, func_tool=functions, tool_calls_result=result)
        assert REPORT in answer.completion_text


async def cut() -> None:
    await failing_later(streamed(CUT))
    await failing_later(PROVIDER.text_chat(prompt=CUT, contexts=[]))


if __name__ == "__main__":
    passes(
        {
            "models": models,
            "chat: whole": whole,
            "chat: stream": stream,
            "chat: reasoning": reasoning,
            "chat: tools": tools,
            "chat: cut": cut,
        }
    )

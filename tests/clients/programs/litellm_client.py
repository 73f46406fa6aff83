"""LiteLLM as a client, the way aider uses it."""

import asyncio

import litellm
from asking import BASE, CUT, KEY, MODEL, failing, passes

litellm.suppress_debug_info = True
HERE = {
    "model": f"openai/{MODEL}",
    "api_base": BASE,
    "api_key": KEY,
    "max_retries": 0,
    "temperature": 0,
}


def asking(text: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": "Be short."}, {"role": "user", "content": text}]


def a_whole_answer() -> None:
    answer = litellm.completion(messages=asking("6*7"), **HERE)
    assert answer.choices[0].message.content.endswith("42")
    assert answer.usage.total_tokens > 0
    assert answer.choices[0].finish_reason == "stop"


def a_stream_is_built_into_the_whole_answer() -> None:
    messages = asking("several messages")
    chunks = list(
        litellm.completion(
            messages=messages, stream=True, stream_options={"include_usage": True}, **HERE
        )
    )
    built = litellm.stream_chunk_builder(chunks, messages=messages)
    whole = litellm.completion(messages=messages, **HERE)
    assert built.choices[0].message.content == whole.choices[0].message.content
    assert built.usage.total_tokens == whole.usage.total_tokens


def reasoning_is_apart() -> None:
    answer = litellm.completion(messages=asking("think about boats"), **HERE)
    assert answer.choices[0].message.reasoning_content
    streamed = ""
    for chunk in litellm.completion(messages=asking("think about boats"), stream=True, **HERE):
        streamed += getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
    assert streamed == answer.choices[0].message.reasoning_content


async def several_at_once() -> None:
    answers = await asyncio.gather(
        *(litellm.acompletion(messages=asking(f"{n}*10"), **HERE) for n in range(3))
    )
    for n, answer in enumerate(answers):
        assert answer.choices[0].message.content.endswith(str(n * 10))


def errors_have_their_classes() -> None:
    for question, kind in (
        ("/fault 413", litellm.ContextWindowExceededError),
        ("/fault 429 5", litellm.RateLimitError),
        ("/fault 404model", litellm.NotFoundError),
        ("/fault 500", litellm.BadGatewayError),
    ):
        try:
            litellm.completion(messages=asking(question), **HERE)
        except kind:
            continue
        raise AssertionError(question)
    try:
        litellm.completion(messages=asking("Hello"), **HERE | {"api_key": "dead-token"})
    except litellm.AuthenticationError:
        return
    raise AssertionError("a dead key")


def a_picture_is_drawn() -> None:
    drawn = litellm.image_generation(
        prompt="a boat",
        model="openai/dall-e-3",
        **{key: HERE[key] for key in ("api_base", "api_key")},
    )
    assert drawn.data[0]["url"].startswith("http")


def a_cut_answer_fails() -> None:
    failing(lambda: list(litellm.completion(messages=asking(CUT), stream=True, **HERE)))
    failing(lambda: litellm.completion(messages=asking(CUT), **HERE))


if __name__ == "__main__":
    passes(
        {
            "chat: whole": a_whole_answer,
            "chat: stream": a_stream_is_built_into_the_whole_answer,
            "chat: reasoning": reasoning_is_apart,
            "chat: several at once": several_at_once,
            "chat: errors": errors_have_their_classes,
            "pictures": a_picture_is_drawn,
            "chat: cut": a_cut_answer_fails,
        }
    )

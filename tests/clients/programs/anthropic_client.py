"""Anthropic's SDK for Python: whole, streamed, its tool runner, structured outputs, counts, a cut."""

import anthropic
from asking import BASE, CUT, KEY, MODEL, PLAIN, REPORT, TRIP, WEATHER, failing, passes
from pydantic import BaseModel

CLIENT = anthropic.Anthropic(base_url=BASE.removesuffix("/v1"), api_key=KEY, max_retries=0)
SHORT = {"model": MODEL, "max_tokens": 1024}


class Trip(BaseModel):
    city: str
    days: int


def said(text: str) -> list[dict]:
    return [{"role": "user", "content": text}]


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def tokens_of(message: anthropic.types.Message) -> int:
    """Return the tokens of the whole prompt, also those that the upstream had in its cache."""
    return message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)


def whole() -> None:
    answer = CLIENT.messages.create(**SHORT, system="Be short.", messages=said(PLAIN))
    assert "42" in text_of(answer)
    assert (answer.stop_reason, answer.model) == ("end_turn", MODEL)
    assert tokens_of(answer) > 0 < answer.usage.output_tokens
    assert answer._request_id


def stream() -> None:
    with CLIENT.messages.stream(**SHORT, messages=said(PLAIN)) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert "42" in text == text_of(final)
    assert tokens_of(final) > 0 < final.usage.output_tokens


def tools() -> None:
    asked = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """The weather of a city, now.

        Args:
            city: its name.
        """
        asked.append(city)
        return REPORT

    for is_streamed in (False, True):
        runner = CLIENT.beta.messages.tool_runner(
            **SHORT, tools=[get_weather], messages=said(WEATHER), stream=is_streamed
        )
        last = None
        for each in runner:
            last = each.get_final_message() if is_streamed else each
        assert last is not None
        assert REPORT in "".join(block.text for block in last.content if block.type == "text")
    assert asked == ["Paris", "Paris"]


def structured() -> None:
    answer = CLIENT.messages.parse(**SHORT, messages=said(TRIP), output_format=Trip)
    assert answer.parsed_output == Trip(city="Rome", days=3)


def counts() -> None:
    short = CLIENT.messages.count_tokens(model=MODEL, messages=said("Hello"))
    long = CLIENT.messages.count_tokens(
        model=MODEL, system="Be short.", messages=said("Hello, how are you today?")
    )
    assert long.input_tokens > short.input_tokens > 0


def models() -> None:
    names = [model.id for model in CLIENT.models.list(limit=100)]
    assert MODEL in names
    assert CLIENT.models.retrieve(MODEL).type == "model"


def errors() -> None:
    unknown = {**SHORT, "model": "no-such-model"}
    error = failing(
        lambda: CLIENT.messages.create(**unknown, messages=said(PLAIN)), anthropic.NotFoundError
    )
    assert "no-such-model" in str(error)


def cut() -> None:
    def streamed() -> str:
        with CLIENT.messages.stream(**SHORT, messages=said(CUT)) as stream:
            return stream.get_final_text()

    for ask in (streamed, lambda: CLIENT.messages.create(**SHORT, messages=said(CUT))):
        assert "cut off" in str(failing(ask, anthropic.APIStatusError))


if __name__ == "__main__":
    passes(
        {
            "messages: whole": whole,
            "messages: stream": stream,
            "messages: tools": tools,
            "messages: JSON": structured,
            "messages: counts": counts,
            "messages: models": models,
            "messages: errors": errors,
            "messages: cut": cut,
        }
    )

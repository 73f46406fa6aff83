"""DSPy, in both dialects: a predictor, streamed and whole, and one that calls functions natively."""

import dspy
from asking import BASE, KEY, MODEL, REPORT, Feature, failing, failing_later, passes

# Its prompts have names of fields in them, and the demo takes capitals for names of cities.
PLAIN, WEATHER, TRIP = "what is 6*7?", "what is the weather in Paris?", "plan 3 days in Rome"
CUT = "long 100 /fault cut 1"  # an answer of one field is short


class Trip(dspy.Signature):
    """Plan the trip."""

    wish: str = dspy.InputField()
    city: str = dspy.OutputField()
    days: int = dspy.OutputField()


class Calling(dspy.Signature):
    """Answer by the tools."""

    question: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    calls: dspy.ToolCalls = dspy.OutputField()


def get_weather(city: str) -> str:
    """The weather of a city, now."""
    return f"{city}: {REPORT}"


async def streamed(lm: dspy.LM, wish: str) -> tuple[int, dspy.Prediction]:
    """Return how many pieces came, and what they amount to."""
    *pieces, prediction = [
        piece async for piece in dspy.streamify(dspy.Predict(Trip))(wish=wish, lm=lm)
    ]
    return len(pieces), prediction


def speaking(dialect: str, model_type: str) -> dict[str, Feature]:
    lm = dspy.LM(
        f"openai/{MODEL}",
        model_type=model_type,
        api_base=BASE,
        api_key=KEY,
        cache=False,
        num_retries=0,
    )

    def whole() -> None:
        (answer,) = lm(PLAIN)
        assert "42" in (answer if isinstance(answer, str) else answer["text"])

    def structured() -> None:
        with dspy.context(lm=lm):
            trip = dspy.Predict(Trip)(wish=TRIP)
        assert (trip.city, trip.days) == ("Rome", 3)

    async def stream() -> None:
        count, trip = await streamed(lm, TRIP)
        assert count > 0
        assert (trip.city, trip.days) == ("Rome", 3)

    def tools() -> None:
        native = dspy.JSONAdapter(use_native_function_calling=True)
        with dspy.context(lm=lm, adapter=native):
            asked = dspy.Predict(Calling)(question=WEATHER, tools=[dspy.Tool(get_weather)])
        (call,) = asked.calls.tool_calls
        assert (call.name, call.args) == ("get_weather", {"city": "Paris"})

    async def cut() -> None:
        failing(lambda: lm(CUT))
        await failing_later(streamed(lm, CUT))

    features = {
        f"{dialect}: whole": whole,
        f"{dialect}: stream": stream,
        f"{dialect}: tools": tools,
        f"{dialect}: JSON": structured,
        f"{dialect}: cut": cut,
    }
    if dialect == "responses":
        del features["responses: stream"]  # DSPy asks for these whole
    return features


if __name__ == "__main__":
    dspy.configure(adapter=dspy.JSONAdapter())
    passes(speaking("chat", "chat") | speaking("responses", "responses"))

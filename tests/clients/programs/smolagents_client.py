"""smolagents: its agent that calls tools, its agent that writes Python, and the model beneath."""

from asking import BASE, CUT, KEY, MODEL, PLAIN, REPORT, failing, passes
from smolagents import ChatMessage, CodeAgent, OpenAIModel, Tool, ToolCallingAgent
from smolagents.models import MessageRole

LANGUAGE = OpenAIModel(
    model_id=MODEL, api_base=BASE, api_key=KEY, client_kwargs={"max_retries": 0}, retry=False
)
# Results come back as words of the user, of which the demo takes the next function.
WEATHER, FINAL = "tell me the weather in Paris", f"{REPORT}; that is final"
CODE = """/scene repeat

---
Thought: I can do that.
<code>
final_answer(6*7)
</code>
---"""


class Weather(Tool):
    name = "get_weather"
    description = "The weather of a city, now."
    inputs = {"city": {"type": "string", "description": "The city."}}  # noqa: RUF012 - its own form
    output_type = "string"
    asked = []  # noqa: RUF012 - all that were asked

    def forward(self, city: str) -> str:
        self.asked.append(city)
        return f"{city}: {FINAL}"


def asking(question: str) -> list[ChatMessage]:
    return [ChatMessage(role=MessageRole.USER, content=[{"type": "text", "text": question}])]


def streamed(question: str) -> str:
    return "".join(piece.content or "" for piece in LANGUAGE.generate_stream(asking(question)))


def whole() -> None:
    answer = LANGUAGE.generate(asking(PLAIN))
    assert "42" in answer.content
    assert answer.token_usage.output_tokens > 0


def stream() -> None:
    assert "42" in streamed(PLAIN)


def tools() -> None:
    for streams in (False, True):
        agent = ToolCallingAgent(
            tools=[Weather()],
            model=LANGUAGE,
            max_steps=3,
            stream_outputs=streams,
            verbosity_level=0,
        )
        assert agent.run(WEATHER) == "Paris"
        assert REPORT in agent.memory.steps[1].observations
    assert Weather.asked == ["Paris", "Paris"]


def code() -> None:
    assert CodeAgent(tools=[], model=LANGUAGE, max_steps=2, verbosity_level=0).run(CODE) == 42


def cut() -> None:
    failing(lambda: streamed(CUT))
    failing(lambda: LANGUAGE.generate(asking(CUT)))
    failing(lambda: CodeAgent(tools=[], model=LANGUAGE, verbosity_level=0).run(CUT))


if __name__ == "__main__":
    passes(
        {
            "chat: whole": whole,
            "chat: stream": stream,
            "chat: tools": tools,
            "chat: code": code,
            "chat: cut": cut,
        }
    )

"""Instructor: objects by tools, by schemas and by words, whole and in parts, in both dialects."""

import instructor
from asking import CUT, MODEL, TRIP, Feature, failing, passes
from instructor import Mode
from openai import OpenAI
from pydantic import BaseModel

CLIENT = OpenAI(max_retries=0)


class Trip(BaseModel):
    city: str
    days: int


class Answer(BaseModel):
    answer: str  # what the demo writes where the schema is words of the prompt only


def asking(question: str, wanted: type[BaseModel] = Trip) -> dict:
    return {
        "model": MODEL,
        "messages": [{"role": "user", "content": question}],
        "response_model": wanted,
        "max_retries": 0,
    }


def whole(mode: Mode, question: str, wanted: type[BaseModel] = Trip) -> dict:
    create = instructor.from_openai(CLIENT, mode=mode).chat.completions.create
    return create(**asking(question, wanted)).model_dump()


def in_parts(mode: Mode, question: str) -> dict:
    create = instructor.from_openai(CLIENT, mode=mode).chat.completions.create_partial
    *_, last = create(**asking(question))
    return last.model_dump()


def speaking(dialect: str, by_tools: Mode, *by_schema: Mode) -> dict[str, Feature]:
    trip = {"city": "Rome", "days": 3}

    def tools() -> None:
        assert whole(by_tools, TRIP) == trip

    def structured() -> None:
        for mode in by_schema:
            assert whole(mode, TRIP) == trip

    def stream() -> None:
        for mode in (by_tools, *by_schema):
            assert in_parts(mode, TRIP) == trip

    def cut() -> None:
        for mode in (by_tools, *by_schema):
            failing(lambda mode=mode: in_parts(mode, CUT))
            failing(lambda mode=mode: whole(mode, CUT))

    features: dict[str, Feature] = {
        f"{dialect}: tools": tools,
        f"{dialect}: stream": stream,
        f"{dialect}: cut": cut,
    }
    return features | ({f"{dialect}: JSON": structured} if by_schema else {})


def by_words() -> None:
    assert whole(Mode.JSON, TRIP, Answer) == {"answer": "Rome"}


if __name__ == "__main__":
    passes(
        speaking("chat", Mode.TOOLS, Mode.JSON_SCHEMA)
        | {"chat: JSON by words": by_words}
        | speaking("responses", Mode.RESPONSES_TOOLS)
    )

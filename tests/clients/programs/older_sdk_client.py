"""The official SDK's older major version, which many programs hold on to."""

import io

import openai
from asking import CUT, MODEL, failing, passes
from openai import OpenAI

CLIENT = OpenAI(max_retries=0)


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def models() -> None:
    assert int(openai.__version__.split(".")[0]) < 3
    assert MODEL in [model.id for model in CLIENT.models.list()]


def whole_and_streamed() -> None:
    asked = {"model": MODEL, "messages": user("several messages")}
    whole = CLIENT.chat.completions.create(**asked)
    with CLIENT.chat.completions.stream(**asked, stream_options={"include_usage": True}) as stream:
        collected = stream.get_final_completion()
    assert collected.choices[0].message.content == whole.choices[0].message.content
    assert collected.usage.total_tokens == whole.usage.total_tokens


def pictures_and_files() -> None:
    assert CLIENT.images.generate(prompt="a boat", model="dall-e-3", size="64x64").data[0].url
    made = CLIENT.files.create(file=("a.txt", io.BytesIO(b"hello")), purpose="user_data")
    assert CLIENT.files.content(made.id).read() == b"hello"
    assert CLIENT.files.delete(made.id).deleted


def cut() -> None:
    create = CLIENT.chat.completions.create
    streaming = failing(lambda: list(create(model=MODEL, messages=user(CUT), stream=True)))
    assert isinstance(streaming, openai.APIError)
    assert streaming.code == "upstream_cut"
    failing(lambda: create(model=MODEL, messages=user(CUT)), openai.InternalServerError)


if __name__ == "__main__":
    passes(
        {
            "models": models,
            "chat: whole, stream": whole_and_streamed,
            "pictures, files": pictures_and_files,
            "chat: cut": cut,
        }
    )

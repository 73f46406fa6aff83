"""The official SDK's older major version; run by test_programs.py in the environment of clients."""

import io

import openai
from openai import OpenAI


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def main() -> None:
    assert int(openai.__version__.split(".")[0]) < 3
    client = OpenAI(max_retries=0)
    assert "gpt-4o" in [model.id for model in client.models.list()]
    whole = client.chat.completions.create(model="gpt-4o", messages=user("several messages"))
    with client.chat.completions.stream(
        model="gpt-4o", messages=user("several messages"), stream_options={"include_usage": True}
    ) as stream:
        collected = stream.get_final_completion()
    assert collected.choices[0].message.content == whole.choices[0].message.content
    assert collected.usage.total_tokens == whole.usage.total_tokens
    drawn = client.images.generate(prompt="a boat", model="dall-e-3", size="64x64")
    assert drawn.data[0].url
    made = client.files.create(file=("a.txt", io.BytesIO(b"hello")), purpose="user_data")
    assert client.files.content(made.id).read() == b"hello"
    assert client.files.delete(made.id).deleted
    try:
        for _ in client.chat.completions.create(
            model="gpt-4o", messages=user("long 100 /fault cut 30"), stream=True
        ):
            pass
    except openai.APIError as error:
        assert error.code == "upstream_cut"  # noqa: PT017 - no pytest in this environment
    else:
        raise AssertionError("a cut stream ended as if it were whole")


if __name__ == "__main__":
    main()

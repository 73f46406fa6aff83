"""Scenarios that think before they speak (protocol 2.3, 2.10)."""

from typing import Any

from upstream.demo.ground.scene import FINISHED, Scene, pieces_of, text_content
from upstream.demo.ground.script import TEXT_PATH, Change
from upstream.demo.scenes import plain

THINKING_SECONDS = 3
_THOUGHTS = "/message/content/thoughts"


def play_thoughts(scene: Scene) -> None:
    """Think in the new way: thoughts, a recap, analysis and commentary, then speak."""
    thinking = scene.begin(
        scene.message(
            "assistant",
            {"content_type": "thoughts", "thoughts": [], "source_analysis_msg_id": scene.last_id},
            status="in_progress",
            metadata={"reasoning_status": "is_reasoning"},
        )
    )
    for number, (summary, content) in enumerate(_thoughts(scene)):
        _think(scene, thinking, number, (summary, content))
    scene.change(thinking, FINISHED, Change("/message/end_turn", "replace", False))
    _say_aside(
        scene, "analysis", scene.words("Analysis: no model thinks.", "分析：没有模型在思考。")
    )
    _say_aside(scene, "commentary", scene.words("Commentary: about to speak.", "进展：准备回答。"))
    recap = scene.words(f"Thought for {THINKING_SECONDS}s", f"思考了 {THINKING_SECONDS} 秒")
    scene.begin(
        scene.message(
            "assistant",
            {"content_type": "reasoning_recap", "content": recap},
            end_turn=False,
            metadata={"reasoning_status": "reasoning_ended"},
        )
    )
    scene.say(plain.answer(scene))


def play_o1(scene: Scene) -> None:
    """Think in the way of 2024: in tool messages with a first and a last title."""
    for title in (
        scene.words("Reading the question", "阅读问题"),
        scene.words("Preparing the answer", "准备回答"),
    ):
        thinking = scene.begin(
            scene.message(
                "tool",
                text_content(""),
                name="a8km123",
                status="in_progress",
                metadata={
                    "initial_text": scene.words("Thinking", "思考中"),
                    "reasoning_title": title,
                    "reasoning_status": "is_reasoning",
                },
            )
        )
        detail = scene.words(f"{title}, as a demo would.", f"{title}，像演示那样。")
        for piece in pieces_of(detail):
            scene.change(thinking, Change(TEXT_PATH, "append", piece))
        done: dict[str, Any] = {
            "finished_text": title,
            "finished_duration_sec": THINKING_SECONDS,
            "reasoning_status": "reasoning_ended",
        }
        scene.change(thinking, FINISHED, Change("/message/metadata", "append", done))
    scene.say(plain.answer(scene))


def _thoughts(scene: Scene) -> tuple[tuple[str, str], ...]:
    return (
        (
            scene.words("Reading the question", "阅读问题"),
            scene.words("The user wants to see how I think.", "用户想看我如何思考。"),
        ),
        (scene.words("Only a summary here", "这里只有概要"), ""),
    )


def _think(scene: Scene, message_id: str, number: int, thought: tuple[str, str]) -> None:
    summary, content = thought
    empty = {"summary": "", "content": "", "chunks": [], "finished": False}
    scene.change(message_id, Change(_THOUGHTS, "append", [empty]))
    scene.grow(message_id, pieces_of(summary), f"{_THOUGHTS}/{number}/summary")
    scene.grow(message_id, pieces_of(content), f"{_THOUGHTS}/{number}/content")
    scene.change(
        message_id,
        Change("/chunks", "append", [content]),
        Change("/finished", "replace", True),
        base=f"{_THOUGHTS}/{number}",
    )


def _say_aside(scene: Scene, channel: str, text: str) -> None:
    message_id = scene.begin(
        scene.message("assistant", text_content(""), channel=channel, status="in_progress")
    )
    for piece in pieces_of(text):
        scene.change(message_id, Change(TEXT_PATH, "append", piece))
    scene.change(message_id, FINISHED, Change("/message/end_turn", "replace", False))

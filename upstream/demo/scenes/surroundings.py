"""What surrounds every answer, as recordings show it (protocol 2.1, 3.6)."""

import uuid
from typing import Any

from upstream.demo.ground.scene import Scene, text_content
from upstream.demo.ground.script import Message


def open_scene(scene: Scene, *, is_handed_over: bool = False) -> None:
    """Write what comes before every answer: hidden messages, echoes, context."""
    scene.note("resume_conversation_token", kind="topic", token=f"demo-{uuid.uuid4()}")
    if is_handed_over:
        scene.hand_over()
    hidden = {"is_visually_hidden_from_conversation": True}
    scene.begin(
        scene.message("system", text_content(""), end_turn=True, weight=0.0, metadata=hidden)
    )
    for sent in scene.question.sent:
        scene.echo(_as_echoed(sent))
    if scene.question.sent:
        scene.note("input_message", input_message=_as_echoed(scene.question.sent[-1]))
    scene.begin(
        scene.message(
            "assistant",
            {
                "content_type": "model_editable_context",
                "model_set_context": "",
                "repository": None,
                "repo_summary": None,
                "structured_context": None,
            },
        )
    )
    scene.wait(3)


def close_scene(scene: Scene) -> None:
    """Write what comes after every answer: markers, title, metadata, completion."""
    scene.mark(scene.last_id, "last_token", "last")
    scene.note("title_generation", title=scene.question.text[:40] or "Demo")
    metadata = {
        "model_slug": scene.question.model,
        "plan_type": "plus",
        "tool_invoked": False,  # as recorded, even when a tool was
        "tool_name": None,
        "turn_use_case": scene.use_case,
        "did_prompt_contain_image": bool(scene.question.attachments),
        "is_search": False,
    }
    scene.note("server_ste_metadata", metadata=metadata)
    scene.note("message_stream_complete")
    scene.note("conversation_detail_metadata", **conversation_details(scene.question.model))


def conversation_details(model: str) -> dict[str, Any]:
    """Return the limits that follow an answer and answer `conversation/init`."""
    return {
        "banner_info": None,
        "blocked_features": [],
        "model_limits": [],
        "limits_progress": [
            {
                "feature_name": "image_gen",
                "remaining": 100,
                "reset_after": "2030-01-01T00:00:00Z",
            }
        ],
        "default_model_slug": model,
        "intended_default_model_slug": None,
        "atlas_mode_enabled": None,
    }


def _as_echoed(sent: Message) -> Message:
    """Return a sent message as the upstream shows it again: finished, turn ended."""
    author = {"name": None, "metadata": {}, **sent["author"]}
    is_assistant = author["role"] == "assistant"
    return {
        "create_time": None,
        "update_time": None,
        "metadata": {},
        **sent,
        "author": author,
        "status": "finished_successfully",
        "end_turn": True if is_assistant else None,
        "weight": 1.0,
        "recipient": "all",
        "channel": None,
    }

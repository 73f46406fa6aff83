"""Scenarios with tools: code interpreter, canvas, actions, failures (protocol 2.6 to 2.8)."""

import re
import time
import uuid
from typing import Any

import orjson

from upstream.demo.ground.pictures import draw
from upstream.demo.ground.scene import FINISHED, Scene, text_content
from upstream.demo.ground.script import CODE_PATH, Change
from upstream.demo.scenes.plain import computed

CHART_SIZE = (640, 480)
FILE_NAME = re.compile(r"[\w-]+\.(?:csv|txt|json|md|html|xlsx|pdf|zip)\b", re.ASCII)
DEFAULT_FILE_NAME = "demo.csv"
CSV = b"month,boats\nJanuary,3\nFebruary,5\nMarch,8\n"


def play_code(scene: Scene) -> None:
    """Run a sum."""
    expression, _, result = (computed(scene.question.text) or "6*7=42").partition("=")
    scene.call("python", f"# demo\nprint({expression})", "python3")
    _run(scene, f"{result}\n")
    scene.say(
        scene.words("Demo: the code has run, see its result.", "演示：代码已运行，结果如上。")
    )


def play_chart(scene: Scene) -> None:
    """Draw a chart with code."""
    scene.call(
        "python", "import matplotlib.pyplot as plt\nplt.bar([1, 2], [3, 5])\nplt.show()", "python3"
    )
    width, height = CHART_SIZE
    file_id = scene.files.make(
        scene.question.owner, "chart.png", draw(scene.question.text, width, height)
    )
    image = {
        "message_type": "image",
        "sender": "server",
        "time": time.time(),
        "image_url": f"file-service://{file_id}",
        "width": width,
        "height": height,
    }
    _run(scene, "<<ImageDisplayed>>", image)
    scene.say(scene.words("Demo: this chart shows made-up boats.", "演示：图表显示了虚构的船。"))


def play_file(scene: Scene) -> None:
    """Write a file with code and link to it, once as a link and once bare."""
    found = FILE_NAME.search(scene.question.text)
    name = found[0] if found else DEFAULT_FILE_NAME
    path = f"/mnt/data/{name}"
    scene.call("python", f"table.to_csv('{path}')", "python3")
    _run(scene, "")
    text = scene.words(
        f"Demo: the file is ready: [Download {name}](sandbox:{path}). The bare form is sandbox:{path} here.",
        f"演示：文件已经写好：[下载 {name}](sandbox:{path})。裸链接是 sandbox:{path} 。",
    )
    message_id = scene.say(text)
    file_id = scene.files.make(scene.question.owner, name, CSV)
    scene.files.put_in_sandbox(scene.conversation_id, message_id, path, file_id)


def play_canvas(scene: Scene) -> None:
    """Write a document on the canvas."""
    document = {
        "name": scene.words("Demo document", "演示文档"),
        "type": "document",
        "content": scene.words("# Demo\n\nA document on the canvas.", "# 演示\n\n画布上的文档。"),
    }
    scene.call("canmore.create_textdoc", orjson.dumps(document).decode(), "json")
    textdoc_id = uuid.uuid4().hex
    canvas = {
        "textdoc_id": textdoc_id,
        "textdoc_type": "document",
        "version": 1,
        "title": document["name"],
        "create_source": "model",
    }
    scene.tool(
        "canmore.create_textdoc",
        text_content(f"Successfully created text document with id '{textdoc_id}'"),
        metadata={"canvas": canvas, "command": "create_textdoc"},
    )
    scene.say(scene.words("Demo: the document is on the canvas.", "演示：文档已在画布上。"))


def play_consent(scene: Scene) -> None:
    """Want the user's consent to a GPT action, which ends the turn (protocol 2.8)."""
    tool = "api_example_com__jit_plugin.getWeather"
    call_id = scene.call(tool, '{"city": "Demo"}', "json")
    choice = {"target_message_id": call_id}
    consent = {
        "type": "confirm_action",
        "body": {
            "actions": [
                {"type": "allow", "allow": choice},
                {"type": "always_allow", "always_allow": choice},
                {"type": "deny", "deny": choice},
            ],
            "connector_id": "demo-connector",
            "connector_name": "Demo weather",
            "tool_call_safety_summary": "asks api.example.com for the weather",
        },
    }
    scene.tool(
        tool,
        text_content(""),
        metadata={"jit_plugin_data": {"from_server": consent}},
    )


def play_system_error(scene: Scene) -> None:
    """Use a tool that fails."""
    scene.call("dalle.text2im", '{"prompt": "demo", "size": "1024x1024", "n": 1}', "json")
    scene.tool(
        "dalle.text2im",
        {
            "content_type": "system_error",
            "name": "ChatGPTAgentToolRateLimitException",
            "text": "ChatGPTAgentToolRateLimitException: You've hit the demo's limit.",
        },
    )
    scene.say(scene.words("Demo: the tool has failed, sorry.", "演示：工具失败了，抱歉。"))


def _run(scene: Scene, output: str, *shown: dict[str, Any]) -> None:
    """Let python answer; its output arrives after the message, as it does for real."""
    message_id = scene.begin(
        scene.message(
            "tool",
            {"content_type": "execution_output", "text": ""},
            name="python",
            status="in_progress",
            metadata={"aggregate_result": {"status": "running", "messages": []}},
        )
    )
    scene.wait(3)
    scene.change(
        message_id,
        Change(CODE_PATH, "append", output),
        FINISHED,
        Change(
            "/message/metadata",
            "append",
            {"aggregate_result": _result(shown), "is_complete": True},
        ),
    )


def _result(shown: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return {
        "status": "success",
        "run_id": str(uuid.uuid4()),
        "start_time": time.time(),
        "update_time": time.time(),
        "end_time": time.time(),
        "code": "",
        "final_expression_output": None,
        "in_kernel_exception": None,
        "system_exception": None,
        "timeout_triggered": None,
        "jupyter_messages": [],
        "messages": list(shown),
    }

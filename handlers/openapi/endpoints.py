"""The table of endpoints: every route of the application, its handler, its request and its answer.

The router and the description are made from it, in this order.
"""

from functools import cache
from typing import Any

from aiohttp import web

from handlers.about.models import get_model, list_models
from handlers.audio.speech import speech
from handlers.audio.transcriptions import transcriptions
from handlers.chat.chat import chat_completions
from handlers.chat.completions import completions
from handlers.edge.links import api_base
from handlers.files.files import create_file, delete_file, file_content, get_file, list_files
from handlers.images.edits import image_edits, image_variations
from handlers.images.generations import image_generations
from handlers.messages.count_tokens import count_tokens
from handlers.messages.create import create_message
from handlers.openapi.admin_endpoints import ADMIN_ENDPOINTS
from handlers.openapi.document import described, made_document
from handlers.openapi.endpoint import Body, Endpoint, Parameter, Place
from handlers.openapi.gateway_endpoints import GATEWAY_ENDPOINTS
from handlers.openapi.parameters import (
    ACCOUNT,
    AFTER,
    CLAUDE_PAGE,
    CLAUDE_VERSION,
    COUNT_ERRORS,
    FILE_ID,
    FOR_TURNS,
    LISTED_FOR,
    MESSAGE_ERRORS,
    ORDER,
    TURN_ERRORS,
    UPLOAD_ERRORS,
    page_limit,
    path_id,
)
from handlers.openapi.response_endpoints import RESPONSE_ENDPOINTS
from service.answers import chats, images, listed, messages, sound
from service.keys import CONFIG

PATH = "/openapi.json"


@cache
def document(base: str, *, has_admin: bool = False) -> dict[str, Any]:
    """Return the description without an address.

    Args:
        base: the part before `/v1`.
        has_admin: whether there is an admin key.
    """
    return made_document(endpoints(has_admin=has_admin), base)


async def description(request: web.Request) -> web.Response:
    """Answer with the description, with the address that this caller uses."""
    server = request.app[CONFIG].server
    has_admin = bool(server.admin_key.get_secret_value())
    return described(request, document(api_base(server), has_admin=has_admin))


def endpoints(*, has_admin: bool) -> tuple[Endpoint, ...]:
    """Return the rows that hold; without an admin key there are no routes below `/admin/`."""
    return (*ENDPOINTS, *(ADMIN_ENDPOINTS if has_admin else ()))


ENDPOINTS = (
    Endpoint(
        method="post",
        path="/v1/chat/completions",
        id="createChatCompletion",
        handler=chat_completions,
        summary="Answer a chat.",
        tag="Chat",
        request="ChatCompletionRequest",
        answer=chats.ChatCompletion,
        events=chats.ChatCompletionChunk,
        parameters=FOR_TURNS,
        errors=TURN_ERRORS,
    ),
    Endpoint(
        method="post",
        path="/v1/completions",
        id="createCompletion",
        handler=completions,
        summary="Answer a prompt, the form before chats.",
        tag="Chat",
        request="CompletionRequest",
        answer=chats.Completion,
        events=chats.CompletionChunk,
        parameters=FOR_TURNS,
        errors=TURN_ERRORS,
    ),
    *RESPONSE_ENDPOINTS,
    Endpoint(
        method="post",
        path="/v1/messages",
        id="createMessage",
        handler=create_message,
        summary="Answer a conversation, in Anthropic's dialect.",
        tag="Messages",
        request="MessageRequest",
        answer=messages.Message,
        events=messages.MessageEvent,
        parameters=FOR_TURNS,
        errors=MESSAGE_ERRORS,
        error=messages.MessageError,
    ),
    Endpoint(
        method="post",
        path="/v1/messages/count_tokens",
        id="countMessageTokens",
        handler=count_tokens,
        summary="How many tokens a message would send.",
        tag="Messages",
        request="MessageTokensRequest",
        answer=messages.CountedTokens,
        errors=COUNT_ERRORS,
        error=messages.MessageError,
    ),
    Endpoint(
        method="post",
        path="/v1/images/generations",
        id="createImage",
        handler=image_generations,
        summary="Draw pictures.",
        tag="Images",
        request="ImageRequest",
        answer=images.Images,
        events=images.GenerationEvent,
        parameters=FOR_TURNS,
        errors=TURN_ERRORS,
    ),
    Endpoint(
        method="post",
        path="/v1/images/edits",
        id="createImageEdit",
        handler=image_edits,
        summary="Draw pictures from those in a form, or named in JSON.",
        tag="Images",
        request="ImageEditForm",
        body=Body.FORM,
        json_request="ImageEditRequest",
        answer=images.Images,
        events=images.EditEvent,
        parameters=FOR_TURNS,
        errors=TURN_ERRORS,
    ),
    Endpoint(
        method="post",
        path="/v1/images/variations",
        id="createImageVariation",
        handler=image_variations,
        summary="Draw variations of the picture in a form.",
        tag="Images",
        request="ImageVariationForm",
        body=Body.FORM,
        answer=images.Images,
        events=images.EditEvent,
        parameters=FOR_TURNS,
        errors=TURN_ERRORS,
    ),
    Endpoint(
        method="post",
        path="/v1/audio/speech",
        id="createSpeech",
        handler=speech,
        summary="Read a text aloud, or an answer that is there already.",
        tag="Sound",
        request="SpeechRequest",
        media=("audio/*",),
        parameters=(ACCOUNT,),
        errors=TURN_ERRORS,
    ),
    Endpoint(
        method="post",
        path="/v1/audio/transcriptions",
        id="createTranscription",
        handler=transcriptions,
        summary="Write the recording of a form down.",
        tag="Sound",
        request="TranscriptionForm",
        body=Body.FORM,
        answer=sound.Transcription,
        events=sound.TranscriptEvent,
        media=("text/plain",),
        parameters=(ACCOUNT,),
        errors=TURN_ERRORS,
    ),
    Endpoint(
        method="get",
        path="/v1/models",
        id="listModels",
        handler=list_models,
        summary="The names that can be asked for.",
        tag="Models",
        answer=(listed.ModelList, messages.ClaudeModelList),
        parameters=(LISTED_FOR, *CLAUDE_PAGE),
        errors=(400,),
        other_error=messages.MessageError,
        needs_key=None,
    ),
    Endpoint(
        method="get",
        path="/v1/models/{id}",
        id="retrieveModel",
        handler=get_model,
        summary="One name that can be asked for; it may have slashes in it.",
        tag="Models",
        answer=(listed.Model, messages.ClaudeModel),
        parameters=(path_id("The name.", may_have_slashes=True), LISTED_FOR, CLAUDE_VERSION),
        errors=(404,),
        other_error=messages.MessageError,
        needs_key=None,
    ),
    Endpoint(
        method="post",
        path="/v1/files",
        id="createFile",
        handler=create_file,
        summary="Leave a file here for later requests.",
        tag="Files",
        request="FileForm",
        body=Body.FORM,
        answer=listed.File,
        parameters=(ACCOUNT,),
        errors=UPLOAD_ERRORS,
    ),
    Endpoint(
        method="get",
        path="/v1/files",
        id="listFiles",
        handler=list_files,
        summary="The caller's files, the newest first.",
        tag="Files",
        answer=listed.FileList,
        parameters=(
            ACCOUNT,
            AFTER,
            page_limit(10_000, 10_000),
            ORDER,
            Parameter("purpose", "query", "Only files of this purpose."),
        ),
        errors=(400, 401, 500),
    ),
    Endpoint(
        method="get",
        path="/v1/files/{id}",
        id="retrieveFile",
        handler=get_file,
        summary="What is known of one file.",
        tag="Files",
        answer=listed.File,
        parameters=(FILE_ID, ACCOUNT),
        errors=(401, 404, 500),
    ),
    Endpoint(
        method="delete",
        path="/v1/files/{id}",
        id="deleteFile",
        handler=delete_file,
        summary="Forget a file.",
        tag="Files",
        answer=listed.DeletedFile,
        parameters=(FILE_ID, ACCOUNT),
        errors=(401, 404, 500),
    ),
    Endpoint(
        method="get",
        path="/v1/files/{id}/content",
        id="downloadFile",
        handler=file_content,
        summary="The bytes of a file, or a range of them.",
        tag="Files",
        media=("application/octet-stream",),
        parameters=(FILE_ID, ACCOUNT),
        errors=(401, 404, 500),
    ),
    Endpoint(
        method="get",
        path=PATH,
        id="getDescription",
        handler=description,
        summary="This description.",
        tag="Gateway",
        place=Place.BOTH,
        answer=dict[str, Any],
        needs_key=False,
    ),
    *GATEWAY_ENDPOINTS,
)

from pathlib import Path

import pytest

from service.vocabulary.byte_source import Content
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import RequestError
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    FilePart,
    LocalFile,
    Profile,
    RemoteFile,
    TextPart,
    Upload,
)
from storage.files.upload_records import new_upload
from storage.files.uploads import FileUploads
from tests.service.vocabulary.test_byte_source import Held
from upstream.fetching.left_files import located

CREDENTIAL, OTHER = Credential("a"), Credential("b")
OWNER = CREDENTIAL.owner


@pytest.fixture
def uploads(tmp_path: Path) -> FileUploads:
    return FileUploads(tmp_path)


async def kept(uploads: FileUploads) -> str:
    uploads.incoming.mkdir(parents=True)
    path = uploads.incoming / "body"
    path.write_bytes(b"hello")
    file = LocalFile(path, "a.txt", "text/plain", 5, "digest")
    return (await uploads.keep(OWNER, file, "user_data", 60)).id


def asking(*parts: TextPart | FilePart) -> ChatRequest:
    return ChatRequest(
        request_id="r",
        model="m",
        messages=(ChatMessage("system", (TextPart("Hi"),)), ChatMessage("user", parts)),
        is_stream=False,
        is_usage_wanted=False,
        profile=Profile.WEB,
        public_url="",
        received_at=0,
    )


async def test_an_id_becomes_the_file_of_its_owner(uploads: FileUploads) -> None:
    picture = FilePart("messages[1].content[0]", url="http://host/")
    named = FilePart("messages[1].content[1]", file_id=await kept(uploads), filename="b.txt")
    request = asking(picture, named, TextPart("?"))
    system, user = (await located(request, uploads, CREDENTIAL)).messages
    assert system.parts == (TextPart("Hi"),)
    assert (user.parts[0], user.parts[2]) == (picture, TextPart("?"))
    found = user.parts[1]
    assert isinstance(found, FilePart)
    assert found.local is not None
    assert found.local.path.read_bytes() == b"hello"
    assert (found.path, found.filename, found.file_id) == (named.path, "b.txt", "")


async def test_a_request_without_ids_stays_as_it_is(uploads: FileUploads) -> None:
    request = asking(TextPart("Hello"))
    assert await located(request, uploads, CREDENTIAL) is request


@pytest.mark.parametrize("credential", [CREDENTIAL, OTHER])
async def test_an_unknown_id_and_somebody_else_s_are_the_same_400(
    credential: Credential, uploads: FileUploads
) -> None:
    file_id = await kept(uploads) if credential == OTHER else "file-" + "x" * 24
    with pytest.raises(RequestError) as caught:
        await located(asking(FilePart("messages[1].x", file_id=file_id)), uploads, credential)
    assert caught.value.code == "invalid_attachment"
    assert caught.value.param == "messages[1].x"
    assert "unknown here" in caught.value.message
    assert file_id not in caught.value.message


async def test_a_file_that_is_on_no_disk_of_this_machine_stays_where_it_is() -> None:
    known = new_upload(LocalFile(Path("x"), "a.txt", "text/plain", 5, "digest"), "vision", 60)
    content = Held(b"hello")

    class Elsewhere(FileUploads):
        async def find(self, owner: str, upload_id: str) -> Upload | None:
            return known if (owner, upload_id) == (OWNER, known.id) else None

        def content(self, owner: str, upload: Upload) -> Content:
            assert (owner, upload) == (OWNER, known)
            return content

    uploads = Elsewhere(Path("unused"))
    request = asking(FilePart("messages[1].x", file_id=known.id, filename="b.txt"))
    found = (await located(request, uploads, CREDENTIAL)).messages[1].parts[0]
    remote = RemoteFile(known, content)
    assert found == FilePart("messages[1].x", filename="b.txt", remote=remote)

from upstream.website.payload.attachments import UploadedFile

PICTURE = UploadedFile("file-AbC", "p.png", "image/png", 20, "multimodal", 640, 480)
DOCUMENT = UploadedFile("file-D", "d.pdf", "application/pdf", 9, "my_files", token_count=12)


def test_a_picture_is_a_pointer_with_its_size():
    assert PICTURE.is_picture
    assert PICTURE.pointer() == {
        "content_type": "image_asset_pointer",
        "asset_pointer": "file-service://file-AbC",
        "size_bytes": 20,
        "width": 640,
        "height": 480,
    }


def test_a_file_id_of_the_newer_form_is_a_sediment_pointer():
    upload = UploadedFile("file_" + "0" * 32, "p.png", "image/png", 1, "multimodal", 1, 1)
    assert upload.pointer()["asset_pointer"].startswith("sediment://file_")


def test_an_attachment_names_its_type_both_ways():
    entry = PICTURE.attachment()
    assert entry["mimeType"] == entry["mime_type"] == "image/png"
    assert (entry["width"], entry["height"]) == (640, 480)


def test_a_document_has_tokens_but_no_dimensions():
    assert not DOCUMENT.is_picture
    assert DOCUMENT.attachment() == {
        "id": "file-D",
        "name": "d.pdf",
        "size": 9,
        "mimeType": "application/pdf",
        "mime_type": "application/pdf",
        "fileTokenSize": 12,
        "file_token_size": 12,
    }

from tests.rows import each_row
from upstream.fetching.file_names import disposition_name, safe_name


@each_row(
    ("written", "kind", "name"),
    [
        ("photo.png", "image/png", "photo.png"),
        ("../../etc/passwd", "text/plain", "passwd.txt"),
        ("C:\\dir\\报告.docx", "x/y", "报告.docx"),
        ("", "image/png", "file.png"),
        ("..", "text/plain", "file.txt"),
        (".hidden", "text/plain", "hidden.txt"),
        ("a\r\nb\x00\u202e.txt", "text/plain", "ab.txt"),
        ("\ud800x", "x/y", "x"),
        ("photo", "image/jpeg", "photo.jpg"),
        ("a.tar.gz", "application/gzip", "a.tar.gz"),
        ("x." + "y" * 40, "text/plain", "x." + "y" * 40 + ".txt"),
        ("bitcoin.pdf", "application/pdf", "bitcoin.pdf"),
    ],
)
def test_a_name_is_its_last_step_cleaned(written, kind, name):
    assert safe_name(written, kind) == name


def test_a_long_name_keeps_its_ending():
    name = safe_name("x" * 1000 + ".pdf", "application/pdf")
    assert len(name) < 140
    assert name.endswith(".pdf")


@each_row(
    ("header", "name"),
    [
        (None, ""),
        ("inline", ""),
        ('attachment; filename="a b.txt"', "a b.txt"),
        ("attachment; filename*=UTF-8''%E4%BD%A0.txt", "你.txt"),
        ("attachment; filename=\r\nX: y", "X: y"),
    ],
)
def test_the_name_in_a_header_is_read(header, name):
    assert disposition_name(header) == name

from service.files.file_names import MAX_NAME_CHARS, last_step, shown_name, without_controls
from tests.rows import each_row


@each_row(
    ("written", "name"),
    [
        ("photo.png", "photo.png"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\dir\\报告.docx", "报告.docx"),
        ("C:evil.exe", "evil.exe"),
        ("C: evil.exe", "evil.exe"),
        ("a\r\nb\x00\u202e.txt", "ab.txt"),
        ("\udcff\ud800x", "x"),
        ("a/..", ""),
        ("", ""),
        ("c:", "c:"),
    ],
)
def test_a_name_is_its_last_step_cleaned(written: str, name: str) -> None:
    assert last_step(written) == name


def test_a_name_that_is_left_empty_gets_a_default() -> None:
    assert shown_name("../..") == "file"
    assert shown_name("", "image") == "image"


def test_a_long_name_is_cut_before_its_ending() -> None:
    assert shown_name("😀" * 4096 + ".pdf") == "😀" * (MAX_NAME_CHARS - 4) + ".pdf"
    assert shown_name("x" * 4096) == "x" * MAX_NAME_CHARS
    assert len(shown_name("x." + "y" * 4096)) == MAX_NAME_CHARS


def test_control_characters_and_halves_of_pairs_are_removed() -> None:
    assert without_controls("a\tb\u2028c\u2066d\udc00e") == "abcde"

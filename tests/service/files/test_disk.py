"""Errors of the disk as callers see them."""

import errno
import os

import pytest

from service.files.disk import on_disk
from service.vocabulary.errors import StorageError, StorageFullError
from tests.rows import each_row


@each_row("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_a_507_that_says_so(number: int) -> None:
    with pytest.raises(StorageFullError) as caught, on_disk():
        raise OSError(number, os.strerror(number), "/data/images/name.part")
    assert (caught.value.status, caught.value.code) == (507, "insufficient_storage")
    assert os.strerror(number) in caught.value.message
    assert "/data" not in caught.value.message


@each_row("number", [errno.EACCES, errno.EROFS, errno.EIO, errno.ENOTDIR])
def test_anything_else_of_a_disk_is_a_500(number: int) -> None:
    with pytest.raises(StorageError) as caught, on_disk():
        raise OSError(number, os.strerror(number), "/data/images/name.part")
    assert (caught.value.status, caught.value.code) == (500, "storage_error")
    assert caught.value.message == f"The file could not be stored: {os.strerror(number)}."


def test_an_error_without_a_number_has_its_kind_for_a_reason() -> None:
    with pytest.raises(StorageError, match=r"stored: OSError\."), on_disk():
        raise OSError


def test_other_errors_go_through() -> None:
    with pytest.raises(LookupError), on_disk():
        raise LookupError

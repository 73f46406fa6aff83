from typing import get_args

from service.vocabulary.events import Delta
from service.vocabulary.rendered import AssetLinked, ContentCited, ContentText, Rendered


def test_what_rendering_does_not_make_itself_is_a_delta_as_well() -> None:
    made = {ContentText, ContentCited, AssetLinked}
    assert set(get_args(Rendered)) - made < set(get_args(Delta))
    assert not made & set(get_args(Delta))

"""AstrBot's provider; `make clients-web` installs AstrBot and runs this."""

from pathlib import Path

from tests.clients.clients import ASTRBOT
from tests.clients.conftest import Place


def test_astrbot_gets_all_it_asks_for(place: Place, tmp_path: Path) -> None:
    assert place.passed(ASTRBOT, tmp_path, ASTRBOT.website) == [ASTRBOT.features]

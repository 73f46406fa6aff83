from handlers.edge.profiles import default_profile, format_for
from service.settings.config import BotModeConfig
from service.stages.render.bot_format import ITEMS, RAW, WEB
from service.vocabulary.rendered import PictureForm
from service.vocabulary.requests import Profile
from tests.rows import each_row


def test_the_servers_profile_is_bot_when_bot_mode_is_on() -> None:
    assert default_profile(BotModeConfig()) is Profile.WEB
    assert default_profile(BotModeConfig(enabled=True)) is Profile.BOT


def test_web_and_raw_do_not_follow_the_settings() -> None:
    everything = BotModeConfig(enabled=True, plugin_output=True)
    assert format_for(Profile.WEB, everything) == WEB
    assert format_for(Profile.RAW, everything) == RAW
    assert format_for(Profile.ITEMS, everything) == ITEMS


@each_row(
    ("markdown", "plain", "form"),
    [
        (False, False, PictureForm.NONE),
        (True, False, PictureForm.MARKDOWN),
        (False, True, PictureForm.PLAIN),
        (True, True, PictureForm.PLAIN),
    ],
)
def test_a_bots_pictures_are_plain_before_markdown(
    markdown: bool, plain: bool, form: PictureForm
) -> None:
    settings = BotModeConfig(markdown_image_output=markdown, plain_image_url_output=plain)
    assert format_for(Profile.BOT, settings).pictures is form


def test_a_bot_shows_tools_and_citations_only_when_asked() -> None:
    plain = format_for(Profile.BOT, BotModeConfig())
    assert (plain.shows_tools, plain.shows_citations, plain.shows_notices) == (False,) * 3
    assert format_for(Profile.BOT, BotModeConfig(plugin_output=True)).shows_tools
    assert format_for(Profile.BOT, BotModeConfig(bing_reference_output=True)).shows_citations

"""Maps a profile to its `BotFormat`: what the text of an answer shows (spec 7.3)."""

from typing import assert_never

from service.settings.config import BotModeConfig
from service.stages.render.bot_format import BLOCKS, ITEMS, RAW, WEB
from service.vocabulary.rendered import BotFormat, PictureForm
from service.vocabulary.requests import Profile


def default_profile(bot_mode: BotModeConfig) -> Profile:
    """Return the server's profile, for requests that choose none."""
    return Profile.BOT if bot_mode.enabled else Profile.WEB


def format_for(profile: Profile, bot_mode: BotModeConfig) -> BotFormat:
    """Return the format of a profile; `bot` follows the settings, plain links before Markdown."""
    match profile:
        case Profile.WEB:
            return WEB
        case Profile.RAW:
            return RAW
        case Profile.ITEMS:
            return ITEMS
        case Profile.BLOCKS:
            return BLOCKS
        case Profile.BOT:
            return BotFormat(
                shows_tools=bot_mode.plugin_output,
                shows_citations=bot_mode.bing_reference_output,
                shows_file_links=True,
                shows_notices=bot_mode.plugin_output,  # an error of a tool counts as its output
                pictures=_pictures(bot_mode),
            )
        case _:
            assert_never(profile)


def _pictures(bot_mode: BotModeConfig) -> PictureForm:
    if bot_mode.plain_image_url_output:
        return PictureForm.PLAIN
    if bot_mode.markdown_image_output:
        return PictureForm.MARKDOWN
    return PictureForm.NONE

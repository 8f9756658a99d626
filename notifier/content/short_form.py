"""Digests and ends of stories for channels: a headline, and a line for each entry."""

from config.languages import closest_language
from notifier.content.entry import DigestContent, Ending
from notifier.content.render import Sender
from notifier.message.channel_message import ChannelMessage, MessageLine
from notifier.message.phrases import ENDED, Phrases


def ending_to_channel(ending: Ending, sender: Sender, uid: str, language: str) -> ChannelMessage:
    """The message that tells a channel that a story has ended, in its own language."""
    story = ending.story
    phrases = Phrases(language)
    return ChannelMessage(
        event="ending",
        uid=uid,
        guid=story.guid,
        title=phrases.gettext("“%(story)s” has ended", story=story.stream_title),
        language=closest_language(language),
        body_text=phrases.gettext(ENDED),
        url=sender.base_url + story.stream_path,
        stream_title=story.stream_title,
        stream_url=sender.base_url + story.stream_path,
    )


def digest_to_channel(
    digest: DigestContent, sender: Sender, uid: str, language: str
) -> ChannelMessage:
    """The message that tells a channel of several entries, in its own language; those of one story
    together.
    """
    language = closest_language(language)
    phrases = Phrases(language)
    window = (phrases.day if digest.by_day else phrases.time)(digest.until, digest.timezone)
    order = list(dict.fromkeys(story.stream_uid for story in digest.stories))
    about = sender.name
    url = sender.base_url + "/"
    if len(order) == 1:
        about = digest.stories[0].stream_title
        url = sender.base_url + digest.stories[0].stream_path
    lines = []
    for story in sorted(digest.stories, key=lambda story: order.index(story.stream_uid)):
        label = phrases.label(story.kind, story.importance)
        title = f"{label}: {story.title}" if label else story.title
        lines.append(MessageLine(title, sender.base_url + story.path))
    return ChannelMessage(
        event="digest",
        uid=uid,
        guid="",
        title=f"{about}: {phrases.count(len(lines))}, {window}",
        language=language,
        url=url,
        stream_title=about,
        stream_url=url,
        lines=tuple(lines),
    )

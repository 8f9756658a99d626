"""Rendering: a story becomes a mail or a channel's message. Pure, so that a preview is exactly what
would be sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self
from urllib.parse import urlsplit

import css_inline

from config.languages import closest_language
from config.mail import sender_of
from config.settings import Settings
from models import RevisionKind
from models.membership.channels import TEST_NOTICE
from models.text.markdown import to_text, with_absolute_links
from models.text.texts import direction
from notifier.content.entry import DigestContent, Ending, EntryContent, Notice
from notifier.message.channel_message import (
    WORD_JOINER,
    ChannelMessage,
    Event,
    Worded,
    cut,
    one_line,
)
from notifier.message.mail_templates import Templates, templates_in
from notifier.message.phrases import ENDED, Phrases
from notifier.message.template_words import TemplateWords
from notifier.transport.mime import MARK, TOKEN, MailBatch, secret_mark

LONGEST_BODY = 40_000
"""Characters of HTML: a longer body is read on the page, since mail programs cut large mails (at
some 100 KB)."""
PREHEADER = 140
"""Characters that an inbox shows beside the subject."""
LINE = 200
"""Characters of an entry without a dek in a digest."""

_shipped = Templates()
# stands for the leave token until the editors' text can no longer be taken for it
_HERE = secret_mark()
_EVENTS: dict[str, Event] = {
    "publish": "publish",
    "update": "update",
    "correction": "correction",
    "retraction": "retraction",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sender of messages: the values that all mails of a site share."""

    name: str
    base_url: str
    imprint: str
    mail_from: str
    language: str = "en"
    unsubscribe_mailto: str = ""
    templates: Templates = _shipped

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The sender by the operator's settings."""
        return cls(
            name=settings.site_name,
            base_url=settings.base_url,
            imprint=settings.site_imprint,
            mail_from=settings.mail_from,
            language=settings.site_language,
            unsubscribe_mailto=settings.unsubscribe_mailto,
            templates=templates_in(settings.data_dir / "templates"),
        )


_inliner = css_inline.CSSInliner(keep_at_rules=True, minify_css=True, load_remote_stylesheets=False)


def render_mail(
    story: EntryContent, sender: Sender, *, follows_all: bool, language: str = ""
) -> MailBatch:
    """The mail that all recipients of ``story`` share; each one's leave token replaces ``{token}``.

    ``follows_all``: the recipients follow all streams, which the foot says and Leave ends.
    ``language`` is theirs, empty: the story's; everything around the story is in it.
    """
    language = closest_language(language or story.language)
    phrases = Phrases(language)
    url = sender.base_url + story.path
    short = len(story.body_html) <= LONGEST_BODY
    values = {
        "story": story,
        "label": phrases.label(story.kind, story.importance),
        "follows_all": follows_all,
        "leaves_all": follows_all,
        "url": url,
        "stream_url": sender.base_url + story.stream_path,
        "byline": phrases.byline(story.byline),
        "when": phrases.time(story.published_at, story.timezone) if story.published_at else "",
        "changed": _changed(story, phrases),
        "body_html": with_absolute_links(story.body_html, url) if short else "",
        "body_text": to_text(story.body, url) if short else "",
        "preheader": cut(one_line(story.note or _summary(story, phrases)), PREHEADER),
        "direction": direction(story.language),
    }
    return replace(
        _mail(
            f"mail/{'retraction' if story.retracted else 'entry'}",
            values,
            sender,
            language,
            leave=True,
        ),
        list_id=f"{story.stream_slug}.{urlsplit(sender.base_url).hostname}",
        references=_thread(sender, stream=story.stream_uid, entry=story.uid),
        unsubscribe_url=f"{sender.base_url}/u/{TOKEN}",
        unsubscribe_mailto=sender.unsubscribe_mailto,
    )


def render_ending(ending: Ending, sender: Sender, *, language: str) -> MailBatch:
    """The mail that tells of a story's end, as `render_mail` makes one of an entry."""
    story = ending.story
    language = closest_language(language)
    values = {
        "story": story,
        "label": "",
        "follows_all": False,
        "leaves_all": False,
        "stream_url": sender.base_url + story.stream_path,
        "preheader": Phrases(language).gettext(ENDED),
        "direction": direction(story.language),
    }
    return replace(
        _mail("mail/ending", values, sender, language, leave=True),
        list_id=f"{story.stream_slug}.{urlsplit(sender.base_url).hostname}",
        references=_thread(sender, stream=story.stream_uid),
        unsubscribe_url=f"{sender.base_url}/u/{TOKEN}",
        unsubscribe_mailto=sender.unsubscribe_mailto,
    )


def render_digest(
    digest: DigestContent, sender: Sender, *, leaves_all: bool, language: str
) -> MailBatch:
    """The mail with several entries, as `render_mail` makes one of an entry; ``language`` is the
    recipient's.

    ``leaves_all``: the token ends subscriptions to all stories, else to the one of the digest.
    """
    language = closest_language(language)
    phrases = Phrases(language)
    groups = _groups(digest, sender, phrases)
    only_story = digest.stories[0] if len(groups) == 1 else None
    list_name = only_story.stream_slug if only_story else "digest"
    values = {
        "groups": groups,
        "count": len(digest.stories),
        "about": only_story.stream_title if only_story else sender.name,
        "prefix": only_story.subject_prefix if only_story else "",
        "window": (phrases.day if digest.by_day else phrases.time)(digest.until, digest.timezone),
        "leaves_all": leaves_all,
        "preheader": cut(one_line(" · ".join(story.title for story in digest.stories)), PREHEADER),
    }
    return replace(
        _mail("mail/digest", values, sender, language, leave=True),
        list_id=f"{list_name}.{urlsplit(sender.base_url).hostname}",
        unsubscribe_url=f"{sender.base_url}/u/{TOKEN}",
        unsubscribe_mailto=sender.unsubscribe_mailto,
    )


def render_chat(
    story: EntryContent, sender: Sender, uid: str, language: str = ""
) -> ChannelMessage:
    """The message that tells a channel of ``story``; ``uid`` is the delivery's, ``language`` the
    channel's, empty: the story's.
    """
    language = closest_language(language or story.language)
    phrases = Phrases(language)
    message = ChannelMessage(
        event=_EVENTS[story.kind.value],
        uid=uid,
        guid=story.guid,
        title=story.title,
        label=phrases.label(story.kind, story.importance),
        language=language,
        dek="" if story.retracted else story.dek,
        byline=", ".join(story.byline),
        by=phrases.byline(story.byline),
        body_text="" if story.retracted else to_text(story.body, sender.base_url + story.path),
        note=story.note,
        url=sender.base_url + story.path,
        stream_title=story.stream_title,
        stream_url=sender.base_url + story.stream_path,
        published_at=story.published_at,
        updated_at=story.updated_at,
        importance=story.importance.value,
        tags=story.tags,
        pictures=() if story.retracted else story.pictures,
    )
    values = {field.name: getattr(message, field.name) for field in fields(message)}
    values |= {"sender": _site(sender), "words": TemplateWords(language)}
    render = sender.templates.render
    worded = Worded(
        headline=render("chat/headline.txt", values),
        text=render("chat/text.txt", values).strip(),
        credit=render("chat/credit.txt", values),
    )
    return replace(message, worded=worded)


def render_notice(notice: Notice, sender: Sender) -> MailBatch:
    """The mail of a notice to one recipient; it has no link to unsubscribe.

    Its language is the one that its values name, or else, as in all notices to operators, the
    site's.
    """
    language = notice.values.get("language") or sender.language
    return _mail(
        f"mail/notice/{notice.name}",
        {"values": notice.values, "preheader": ""},
        sender,
        closest_language(language),
    )


def notice_to_channel(
    notice: Notice, sender: Sender, uid: str, language: str = ""
) -> ChannelMessage:
    """The message of a notice to a channel; only channels get tests."""
    if notice.name == TEST_NOTICE:
        phrases = Phrases(language or sender.language)
        values = {
            **notice.values,
            "tags": tuple(notice.values["tags"]),
            "label": phrases.gettext("Test"),
            "note": phrases.gettext(
                "This is a test message from the newsroom. Nothing new was published."
            ),
        }
        return ChannelMessage(event="test", uid=uid, **values)
    mail = render_notice(notice, sender)
    return ChannelMessage(
        event="notice",
        uid=uid,
        guid="",
        title=mail.subject,
        body_text=mail.text.partition("\n-- ")[0],
    )


def _site(sender: Sender) -> dict[str, str]:
    return {"name": sender.name, "base_url": sender.base_url, "imprint": sender.imprint}


def _groups(digest: DigestContent, sender: Sender, phrases: Phrases) -> list[dict[str, Any]]:
    """The stories of each stream together, in the order in which they first come."""
    groups: dict[str, dict[str, Any]] = {}
    for story in digest.stories:
        group = {
            "title": story.stream_title,
            "url": sender.base_url + story.stream_path,
            "language": story.language,
            "direction": direction(story.language),
            "entries": [],
        }
        groups.setdefault(story.stream_uid, group)["entries"].append(
            _line(story, digest, sender, phrases)
        )
    return list(groups.values())


def _line(
    story: EntryContent, digest: DigestContent, sender: Sender, phrases: Phrases
) -> dict[str, str]:
    at = story.published_at
    if story.kind in (RevisionKind.UPDATE, RevisionKind.CORRECTION):
        at = story.updated_at or at
    return {
        "title": story.title,
        "url": sender.base_url + story.path,
        "dek": story.dek or cut(one_line(to_text(story.body)), LINE),
        "note": story.note,
        "label": phrases.label(story.kind, story.importance),
        "byline": phrases.byline(story.byline),
        "at": phrases.time(at, digest.timezone) if at else "",
    }


def _mail(
    folder: str, values: Mapping[str, Any], sender: Sender, language: str, *, leave: bool = False
) -> MailBatch:
    """Subject and both parts, by the templates of a folder. ``leave``: each part must hold the link
    to unsubscribe.
    """
    leave_url = f"{sender.base_url}/u/{_HERE}" if leave else ""
    shared = {
        "sender": _site(sender),
        "language": language,
        "leave_url": leave_url,
        "change_url": f"{sender.base_url}/p/{_HERE}" if leave else "",
        **values,
    }
    plain = {**shared, "words": TemplateWords(language)}
    render = sender.templates.render
    subject = one_line(render(f"{folder}/subject.txt", plain))
    text = render(f"{folder}/body.txt", {**plain, "subject": subject}, holding=leave_url)
    values_of_html = {**shared, "words": TemplateWords(language, html=True), "subject": subject}
    html = render(f"{folder}/body.html", values_of_html, holding=leave_url, finish=_inliner.inline)
    return MailBatch(subject=subject, text=_with_token(text), html=_with_token(html))


def _changed(story: EntryContent, phrases: Phrases) -> str:
    if not story.updated_at:
        return ""
    return phrases.changed(story.kind, phrases.time(story.updated_at, story.timezone))


def _summary(story: EntryContent, phrases: Phrases) -> str:
    if story.retracted:
        return phrases.gettext("Retracted") + "."
    return story.dek or to_text(story.body)


def _with_token(text: str) -> str:
    """Put the token only where the template has it: an editor's text must not reveal a reader's
    token.
    """
    return (
        text.replace(MARK, "")
        .replace(TOKEN, TOKEN[0] + WORD_JOINER + TOKEN[1:])
        .replace(_HERE, TOKEN)
    )


def _thread(sender: Sender, **uids: str) -> tuple[str, ...]:
    """Message-IDs that no mail has, but to which all mails of a stream and of an entry refer, so
    that mail programs group them.
    """
    domain = sender_of(sender.mail_from)[1].rpartition("@")[2]
    return tuple(f"{kind}-{uid}@{domain}" for kind, uid in uids.items())

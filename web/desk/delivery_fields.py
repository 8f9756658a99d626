"""The form of a channel's subscriptions: stories, filters, cadence and quiet hours."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask_babel import gettext  # type: ignore[import-untyped]
from werkzeug.datastructures import MultiDict

from models.recipients.preferences import Follow, Preferences
from models.tables.ledger import Subscription
from models.tables.stories import Stream
from models.text.errors import Invalid
from web.follow_fields import clock_value, follow_fields, read_follow, read_time

ALL = "*"

Fields = MultiDict[str, str]


def channel_fields(preferences: Preferences, streams: Sequence[Stream]) -> Fields:
    """The fields of a channel; where stories are followed in different ways, the first one's."""
    slugs: dict[int | None, str] = {stream.id: stream.slug for stream in streams}
    slugs[None] = ALL
    fields: Fields = MultiDict(follow_fields((*preferences.follows, Follow())[0]))
    fields.setlist("stream", [slugs.get(follow.stream_id, "") for follow in preferences.follows])
    fields["quiet_from"] = clock_value(preferences.quiet_from)
    fields["quiet_until"] = clock_value(preferences.quiet_until)
    fields["timezone"] = preferences.timezone
    return fields


def channel_preferences(
    fields: Fields, former: Preferences, streams: Sequence[Stream]
) -> Preferences:
    """``former`` changed by a form; raises Invalid."""
    ids: dict[str, int | None] = {stream.slug: stream.id for stream in streams}
    ids[ALL] = None
    slugs = fields.getlist("stream")
    if any(slug not in ids for slug in slugs):
        raise Invalid("stream", "choose stories from the list.")
    if ALL in slugs:
        slugs = [ALL]
    follow = read_follow(fields)
    return replace(
        former,
        follows=tuple(replace(follow, stream_id=ids[slug]) for slug in slugs),
        quiet_from=read_time("quiet hours", fields.get("quiet_from", "")),
        quiet_until=read_time("quiet hours", fields.get("quiet_until", "")),
        timezone=fields.get("timezone", ""),
    )


def followed_stories(follows: Mapping[int, Sequence[Subscription]], recipient_id: int) -> str:
    """Titles of the stories that a recipient follows."""
    titles = []
    for subscription in follows.get(recipient_id, ()):
        stream = subscription.stream
        titles.append(stream.title if stream else gettext("All stories"))
    return ", ".join(titles) or str(gettext("Nothing"))

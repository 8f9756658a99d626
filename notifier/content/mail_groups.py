"""Mails of one claim, put together that differ in address and token alone."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from config.languages import closest_language
from models import AlertKind
from models.text.tokens import ALL_STREAMS
from notifier.content.digest import Written
from notifier.content.entry import load_ending, load_story
from notifier.content.render import Sender, render_digest, render_ending, render_mail
from notifier.ledger.claim import Message
from notifier.transport.mime import MailBatch


@dataclass(slots=True)
class MailGroup:
    """One mail to many. ``name`` is for the log; each address has a token that leaves its own
    ``scope``.

    Letters of one ``key`` are alike, whichever claim they are of.
    """

    name: str
    key: Hashable
    render: Callable[[Sender], MailBatch]
    to: list[tuple[Message, str]] = field(default_factory=list)


def letters(
    tx: Session, messages: Sequence[Message], digests: Sequence[Written]
) -> Iterator[MailGroup]:
    """In the order of the claim, the most urgent first."""
    by_kind: dict[tuple[int, bool, bool, str], list[Message]] = {}
    for message in messages:
        if message.kind is AlertKind.REVISION:
            by_kind.setdefault(
                (
                    message.alert_id,
                    message.told,
                    message.follows_all,
                    closest_language(message.language),
                ),
                [],
            ).append(message)
    for (alert_id, told, follows_all, language), of_kind in by_kind.items():
        key = (alert_id, told, follows_all, language)
        try:
            story = load_story(tx, alert_id)
        except DBAPIError:
            raise
        except Exception as exc:
            # one that cannot be read must not keep the others of its claim from going out
            yield MailGroup(
                f"alert {alert_id}",
                key,
                partial(_fail, exc),
                [(message, ALL_STREAMS) for message in of_kind],
            )
            continue
        write = partial(
            render_mail, story.worded(told=told), follows_all=follows_all, language=language
        )
        scope = ALL_STREAMS if follows_all else story.stream_uid
        yield MailGroup(f"entry {story.uid}", key, write, [(message, scope) for message in of_kind])
    yield from _endings(tx, [message for message in messages if message.kind is AlertKind.ENDING])
    yield from _digests(digests)


def _fail(exc: Exception, sender: Sender) -> MailBatch:  # noqa: ARG001  as all that render
    raise exc


def _endings(tx: Session, messages: Sequence[Message]) -> Iterator[MailGroup]:
    by_kind: dict[tuple[int, str], list[Message]] = {}
    for message in messages:
        by_kind.setdefault((message.alert_id, closest_language(message.language)), []).append(
            message
        )
    for (alert_id, language), of_kind in by_kind.items():
        ending = load_ending(tx, alert_id)
        scope = ending.story.stream_uid
        write = partial(render_ending, ending, language=language)
        yield MailGroup(
            f"story {scope}", (alert_id, language), write, [(message, scope) for message in of_kind]
        )


def _digests(written: Sequence[Written]) -> Iterator[MailGroup]:
    found: dict[tuple[int, bool, str], MailGroup] = {}
    for one in written:
        if one.digest is not None:
            key = (id(one.digest), one.scope == ALL_STREAMS, closest_language(one.message.language))
            if key not in found:
                write = partial(
                    render_digest, one.digest, leaves_all=one.scope == ALL_STREAMS, language=key[2]
                )
                found[key] = MailGroup(f"digest {one.message.alert_id}", one.message.uid, write)
            found[key].to.append((one.message, one.scope))
    yield from found.values()

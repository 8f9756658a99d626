"""Importing a subscriber list of any length, in little memory and in short transactions."""

import functools
import secrets
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    BindParameter,
    Insert,
    and_,
    bindparam,
    column,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from models.db.clock import now
from models.db.database import Database
from models.db.dialects import dialect_of, insert_into
from models.db.write_throttle import WriteThrottle
from models.membership.restoring import (
    EXCLUDED_STATES,
    LEFT_BEFORE,
    Decision,
    ResolvedFollows,
    refused_before,
    resolve_follows,
    restore_rows,
    stream_ids_by_slug,
)
from models.membership.restoring import Outcome as Outcome
from models.membership.suppression import any_hashed_address
from models.recipients.list_columns import CONFIRMED, language_of
from models.recipients.list_rows import Row as Row
from models.recipients.list_settings import FollowedStory
from models.recipients.preferences import Follow
from models.streams.streams import get_stream
from models.tables.base import UtcDateTime
from models.tables.ledger import (
    Lane,
    Recipient,
    RecipientKind,
    RecipientState,
    Subscription,
    SubscriptionExcept,
)
from models.tables.people import Role
from models.tables.stories import Site
from models.text.actor import Actor
from models.text.email_address import hash_address, is_hashed_address, normal_address
from models.text.errors import Invalid
from models.text.shortening import one_line
from models.text.texts import language_tag, line

# rows that are sorted together, so that a slice meets few pages of the index of addresses
ROWS_PER_CHUNK = 20_000
# rows of one transaction: the first one's, and how far the time that it takes moves that
FIRST_SLICE_ROWS, MIN_SLICE_ROWS, MAX_SLICE_ROWS = 200, 100, 2_000
MAX_LOCK_SECONDS = 0.005  # seconds that SQLite's write lock should be kept
MAX_CONSENT_CHARS = 500  # characters of what proves a consent
RESTORED_SLICE_ROWS = 50  # rows of one transaction, where each brings its settings
ANALYZE_FROM_ROWS = (
    5_000  # rows after which PostgreSQL's plans would be made for a much smaller table
)


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was not taken, and why."""

    line: int
    value: str
    reason: str


@dataclass(slots=True)
class ImportProgress:
    """What became of the next few thousand rows."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    remarks: list[RejectedRow] = field(default_factory=list)

    def refuse(self, outcome: Outcome, row: Row, reason: str) -> None:
        """Count a row that is not taken."""
        self.counts[outcome] += 1
        self.remarks.append(RejectedRow(row.line, row.email, reason))


def import_subscribers(
    db: Database,
    actor: Actor,
    rows: Iterable[Row],
    *,
    stream: str | None = None,
    language: str = "en",
    consent: str = "",
    dry_run: bool = False,
) -> Iterator[ImportProgress]:
    """Subscribe confirmed addresses to a stream, or to all; a list that is imported again changes
    nothing.

    People who refused mail before or left stay away: a list is older than their word. Rows whose
    own words say that somebody left, is blocked or never confirmed are kept out as well; of rows
    with one address the first counts, but one that says that its owner left or is blocked comes
    before it. Rows of an export of ours come back as they were, with what they follow, unless
    ``stream`` is given. ``consent``: what proves that they want it, of rows that say nothing of
    their own. ``dry_run``: only say what would be.
    """
    actor.must_be(Role.ADMIN)
    language = language_tag("language", language)
    consent = line("consent", consent, MAX_CONSENT_CHARS)
    with db.read() as tx:
        followed_stream = get_stream(tx, stream) if stream is not None else None
        hashes = any_hashed_address(tx)
        stories = stream_ids_by_slug(tx)
    importing = _Importing(
        db,
        followed_stream.id if followed_stream else None,
        Row(0, "", language, consent),
        hashes=hashes,
        dry_run=dry_run,
    )
    importing.stories = stories
    importing.slug = followed_stream.slug if followed_stream else None
    remaining = iter(rows)
    while chunk := list(islice(remaining, ROWS_PER_CHUNK)):
        yield importing.take(chunk)
    importing.end()


class _Importing:
    def __init__(
        self,
        db: Database,
        stream_id: int | None,
        default: Row,
        *,
        hashes: bool = False,
        dry_run: bool = False,
    ) -> None:
        self._db = db
        self._stream_id = stream_id
        self._default = default
        self._hashes = hashes
        self._dry_run = dry_run
        self._throttle = WriteThrottle(db)
        self._seen = _Seen()
        self._added = 0
        self._since: datetime | None = None
        self._size = FIRST_SLICE_ROWS if db.embedded else MAX_SLICE_ROWS
        self.stories: dict[str, int] = {}
        self.slug: str | None = None

    def take(self, chunk: Sequence[Row]) -> ImportProgress:
        progress = ImportProgress()
        if self._since is None:
            with self._db.read() as tx:
                self._since = now(tx)
        addresses = self._addresses(chunk, progress)
        todo = deque(sorted(address for address, row in addresses.items() if row.plain))
        while todo:
            part = [todo.popleft() for _ in range(min(self._size, len(todo)))]
            self._take_slice({address: addresses[address] for address in part}, progress)
        others = iter([(address, row) for address, row in addresses.items() if not row.plain])
        while rows := dict(islice(others, RESTORED_SLICE_ROWS)):
            self._restore_slice(rows, progress)
        progress.remarks.sort(key=lambda remark: remark.line)
        self._added += progress.counts[Outcome.ADDED]
        return progress

    def end(self) -> None:
        if self._added >= ANALYZE_FROM_ROWS and not self._db.embedded:
            with self._db.begin() as tx:
                tx.execute(text("ANALYZE recipient, subscription"))

    def _addresses(self, chunk: Sequence[Row], progress: ImportProgress) -> dict[str, Row]:
        """The row that counts of each address; what earlier chunks made of an address may have to
        be undone.
        """
        rows_by_address: dict[str, Row] = {}
        for row in chunk:
            if row.problem:
                progress.refuse(Outcome.INVALID, row, row.problem)
                continue
            try:
                address = (
                    row.email
                    if row.kept and is_hashed_address(row.email)
                    else normal_address(row.email)
                )
            except Invalid as exc:
                progress.refuse(Outcome.INVALID, row, exc.reason)
                continue
            first = self._seen.first_line(address, row.line)
            if first == row.line:
                rows_by_address[address] = row
            elif (
                row.wanted.stricter_than(
                    rows_by_address[address].wanted if address in rows_by_address else CONFIRMED
                )
                and row.wanted.state in EXCLUDED_STATES
            ):
                if address in rows_by_address:
                    progress.refuse(
                        Outcome.DUPLICATE,
                        rows_by_address[address],
                        f"line {row.line} says {row.wanted.word!r:.60} of the same address",
                    )
                rows_by_address[address] = row
            else:
                progress.refuse(Outcome.DUPLICATE, row, f"the same address as in line {first}")
        return rows_by_address

    def _take_slice(self, part: dict[str, Row], progress: ImportProgress) -> None:
        with self._db.read() as tx:
            known = _known(tx, part, self._stream_id) | (
                _known_by_hash(tx, part) if self._hashes else {}
            )
        for address, (outcome, reason) in known.items():
            if outcome is Outcome.ALREADY:
                progress.counts[outcome] += 1
            else:
                progress.refuse(outcome, part[address], reason)
        new = [
            self._subscriber(address, row) for address, row in part.items() if address not in known
        ]
        progress.counts[Outcome.ADDED] += len(new)
        if new and not self._dry_run:
            with self._throttle.writing():
                began = time.monotonic()
                with self._db.begin() as tx:
                    _subscribe(tx, new, self._stream_id)
                self._adapt(time.monotonic() - began)

    def _restore_slice(self, rows: dict[str, Row], progress: ImportProgress) -> None:
        """Rows that bring more than an address, in their order: the export of an import is the same
        list.
        """
        wanted: dict[str, tuple[Row, ResolvedFollows]] = {}
        for address, row in rows.items():
            followed = row.kept.follows if row.kept else ()
            if self._stream_id is not None:
                if self._stream_id in map(self.stories.get, _left_slugs(followed)):
                    progress.refuse(LEFT_BEFORE[0], row, LEFT_BEFORE[1])
                    continue
                followed = (
                    (FollowedStory(self.slug, Follow()),)
                    if any(not story.left for story in followed)
                    else ()
                )
            try:
                wanted[address] = row, resolve_follows(followed, self.stories)
            except Invalid as exc:
                progress.refuse(Outcome.INVALID, row, str(exc))
        with self._throttle.writing(), self._db.read() if self._dry_run else self._db.begin() as tx:
            decisions = restore_rows(
                tx, wanted, self._default.language, self._since, write=not self._dry_run
            )
        for address, (outcome, reason) in decisions.items():
            if reason:
                progress.refuse(outcome, rows[address], reason)
            else:
                progress.counts[outcome] += 1

    def _adapt(self, seconds: float) -> None:
        if self._db.embedded and seconds > MAX_LOCK_SECONDS:
            self._size = max(self._size // 2, MIN_SLICE_ROWS)
        elif seconds < MAX_LOCK_SECONDS / 2:
            self._size = min(self._size * 2, MAX_SLICE_ROWS)

    def _subscriber(self, address: str, row: Row) -> tuple[str, str, str]:
        """Address, language and consent: what the row says, where that can be taken; lists from
        elsewhere may mean something else.
        """
        consent = one_line(row.consent)[:MAX_CONSENT_CHARS]
        try:
            language = language_of(row.language) if row.language else self._default.language
        except Invalid:
            language = self._default.language
        return address, language, consent or self._default.consent


def _left_slugs(followed: Iterable[FollowedStory]) -> set[str]:
    slugs: set[str] = set()
    for story in followed:
        slugs.update(story.left_out)
        if story.left and story.story is not None:
            slugs.add(story.story)
    return slugs


class _Seen:
    """The addresses of a list so far, in a private file that goes away by itself: in memory a
    million would take 100 MB.
    """

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)
        self._file.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA cache_size=-16000;CREATE TABLE seen (address TEXT"
            " PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID; BEGIN"
        )

    def first_line(self, address: str, line: int) -> int:
        """The line where this address stood first: ``line`` itself where it is new."""
        query = (
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO UPDATE SET line = line RETURNING line"
        )
        (first,) = self._file.execute(query, (address, line)).fetchone()
        return int(first)


def _known(tx: Session, addresses: Iterable[str], stream_id: int | None) -> dict[str, Decision]:
    """What stands against subscribing these addresses; those with nothing against them are left
    out.
    """
    same = and_(
        Subscription.recipient_id == Recipient.id,
        Subscription.stream_id.is_not_distinct_from(stream_id),
    )
    query = (
        select(
            Recipient.address,
            Recipient.state,
            Recipient.reason,
            Subscription.id,
            Subscription.ended_at,
        )
        .outerjoin(Subscription, same)
        .where(Recipient.kind == RecipientKind.MAIL, Recipient.address.in_(list(addresses)))
    )
    decisions = {}
    for address, state, reason, subscription_id, ended_at in tx.execute(query):
        if state is RecipientState.SUPPRESSED:
            decisions[address] = refused_before(reason)
        elif state is RecipientState.ENDED or ended_at is not None:
            decisions[address] = LEFT_BEFORE
        elif state is RecipientState.CONFIRMED and subscription_id is not None:
            decisions[address] = Outcome.ALREADY, ""
    if stream_id is not None:
        of_these = (Recipient.kind == RecipientKind.MAIL, Recipient.address.in_(list(addresses)))
        left_out = select(Recipient.address).join(Subscription).join(SubscriptionExcept)
        left_out = left_out.where(
            *of_these, Subscription.ended_at.is_(None), SubscriptionExcept.stream_id == stream_id
        )
        for address in tx.scalars(left_out):
            decisions.setdefault(address, LEFT_BEFORE)
    return decisions


def _known_by_hash(tx: Session, addresses: Iterable[str]) -> dict[str, Decision]:
    """The suppressed addresses that are stored as a hash."""
    names = {hash_address(address): address for address in addresses}
    query = select(Recipient.address).where(
        Recipient.kind == RecipientKind.MAIL, Recipient.address.in_(list(names))
    )
    return {
        names[hashed]: (Outcome.SUPPRESSED, "refused mail before") for hashed in tx.scalars(query)
    }


def _subscribe(
    tx: Session, subscribers: Iterable[tuple[str, str, str]], stream_id: int | None
) -> None:
    """Insert the recipients that are not there, confirm those that were asked and did not answer
    yet, and let all follow.

    Whoever was suppressed or left a moment ago does not follow.
    """
    # uids of one slice stand together in their index, so that it is written in few places
    near = secrets.token_hex(4)
    proof = {"how": "import", "at": now(tx).isoformat(timespec="seconds")}
    rows = [
        [
            near + secrets.token_hex(12),
            address,
            language,
            address.partition("@")[2],
            proof | ({"said": consent} if consent else {}),
        ]
        for address, language, consent in subscribers
    ]
    for statement in _statements(dialect_of(tx)):
        tx.connection().execute(statement, {"rows": rows, "moment": now(tx), "stream": stream_id})


@functools.cache
def _statements(dialect: str) -> tuple[Insert, ...]:
    """For recipients, then for what they follow; built once, since that costs more than a hundred
    rows.

    The rows go as one value, which costs a tenth of a parameter for each of their columns.
    """
    each = func.json_each if dialect == "sqlite" else func.json_array_elements
    row = each(bindparam("rows", type_=JSON)).table_valued(column("value", JSON)).c.value
    moment = bindparam("moment", type_=UtcDateTime())
    confirmed = {
        "state": _constant(Recipient.state, RecipientState.CONFIRMED),
        "confirmed_at": moment,
    }
    recipient = {
        "uid": row[0].as_string(),
        "kind": _constant(Recipient.kind, RecipientKind.MAIL),
        "address": row[1].as_string(),
        "lane": _constant(Recipient.lane, Lane.BULK),
        "language": row[2].as_string(),
        "domain": row[3].as_string(),
        "created_at": moment,
        **confirmed,
        "consent": row[4],
    }
    # Without a WHERE, SQLite would read ON CONFLICT as the condition of a join.
    recipients = insert_into(dialect, Recipient).from_select(
        list(recipient), select(*recipient.values()).where(true())
    )
    unique, pending = [Recipient.kind, Recipient.address], Recipient.state == RecipientState.PENDING
    again = confirmed | {"consent": recipients.excluded.consent}
    following = {
        "recipient_id": Recipient.id,
        "stream_id": bindparam("stream", type_=BigInteger()),
        "created_at": moment,
        "started_seq": select(Site.seq).scalar_subquery(),
    }
    # By address: a bare state would lead SQLite through the index of states, where nearly everybody
    # is.
    state = func.coalesce(Recipient.state, _constant(Recipient.state, RecipientState.PENDING))
    allowed = (
        Recipient.kind == RecipientKind.MAIL,
        Recipient.address.in_(select(row[1].as_string())),
        state == _constant(Recipient.state, RecipientState.CONFIRMED),
    )
    subscriptions = insert_into(dialect, Subscription).from_select(
        list(following), select(*following.values()).where(*allowed)
    )
    return (
        recipients.on_conflict_do_update(index_elements=unique, set_=again, where=pending),
        subscriptions.on_conflict_do_nothing(),
    )


def _constant(column: InstrumentedAttribute[Any], value: object) -> BindParameter[Any]:
    return literal(value, column.type)

"""An export brings back what was exported, and a list confirms nobody who was not."""

import csv
import io
import shutil
from datetime import UTC, datetime, time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from models import (
    Cadence,
    Importance,
    Recipient,
    RecipientKind,
    RecipientState,
    StreamState,
    Subscription,
)
from models.db.database import Database, open_database
from models.membership import importing
from models.membership.importing import import_subscribers
from models.membership.suppression import suppress_address
from models.recipients.audience import add_subscriber, remove_recipient, unsubscribe
from models.recipients.list_columns import Columns
from models.recipients.list_rows import read_row
from models.recipients.preferences import Follow, Rhythm, set_follow
from models.recipients.subscriber_lists import COLUMNS, as_csv, export
from models.streams.streams import get_stream, set_stream_state
from models.tables.base import new_uid
from models.tables.ledger import Lane
from models.text.email_address import hash_address
from tests.support.examples import examples
from tests.support.newsroom import Newsroom

STORIES = ("floods", "drought")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2026, 3, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)
TIMES = st.integers(0, 1439).map(lambda minute: time(minute // 60, minute % 60))
RHYTHMS = st.one_of(
    st.just(Rhythm()),
    st.builds(Rhythm, cadence=st.just(Cadence.INTERVAL), every_minutes=st.integers(5, 1440)),
    st.builds(
        Rhythm,
        cadence=st.just(Cadence.DAILY),
        digest_time=TIMES,
        at_once_from=st.sampled_from([None, *Importance]),
    ),
    st.builds(
        Rhythm, cadence=st.just(Cadence.WEEKLY), digest_time=TIMES, digest_day=st.integers(0, 6)
    ),
)
FOLLOWS = st.builds(
    Follow,
    stream_id=st.sampled_from([None, 1, 2]),
    left_out=st.sampled_from([(), (1,), (1, 2)]),
    tags=st.sampled_from([(), ("dykes",), ("c-plus-plus", "dykes")]),
    least_importance=st.sampled_from(Importance),
    news=st.just(True),
    corrections=st.booleans(),
    rhythm=RHYTHMS,
).map(Follow.cleaned)
WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=12
) | st.sampled_from(["=1+1", "'x", "left", "a\r\nb"])
SUBSCRIBERS = st.fixed_dictionaries(
    {
        "state": st.sampled_from(RecipientState),
        "language": st.sampled_from(["en", "de", "de-DE", "pt-BR"]),
        "timezone": st.sampled_from(["UTC", "Europe/Kyiv"]),
        "reason": WORDS,
        "consent": st.none() | st.fixed_dictionaries({"how": st.just("import"), "said": WORDS}),
        "confirmed_at": st.none() | MOMENTS,
        "created_at": MOMENTS,
        "ended_at": st.none() | MOMENTS,
        "quiet": st.none() | st.tuples(TIMES, TIMES),
        "paused_until": st.none() | MOMENTS,
        "shared": st.booleans(),
        "follows": st.lists(FOLLOWS, max_size=3, unique_by=lambda follow: follow.stream_id),
        "left": st.sets(st.sampled_from([None, 1, 2])),
    }
)
FIELDS = ("state", "language", "timezone", "consent", "created_at", "paused_until", "shared")


@pytest.fixture
def origin(sqlite_template, tmp_path, clock):
    """A site on SQLite from which subscribers are taken."""
    shutil.copy(sqlite_template, tmp_path / "origin.sqlite3")
    db = open_database(f"sqlite:///{tmp_path / 'origin.sqlite3'}", clock=clock)
    room = Newsroom(db)
    for slug in STORIES:
        room.stream(slug)
    yield db
    db.engine.dispose()


def make(db: Database, subscribers: list[dict]) -> None:
    with db.begin() as tx:
        tx.execute(delete(Recipient))
        for number, given_ in enumerate(subscribers):
            state, quiet = given_["state"], given_["quiet"] or (None, None)
            address = f"{'=+' if number % 2 else chr(39)}reader{number}@example.org"
            recipient = Recipient(
                uid=new_uid(16),
                kind=RecipientKind.MAIL,
                address=(
                    hash_address(address)
                    if state is RecipientState.SUPPRESSED and given_["shared"]
                    else address
                ),
                lane=Lane.BULK,
                reason=(
                    given_["reason"]
                    if state in {RecipientState.ENDED, RecipientState.SUPPRESSED}
                    else ""
                ),
                confirmed_at=given_["confirmed_at"]
                or (given_["created_at"] if state is RecipientState.CONFIRMED else None),
                ended_at=given_["ended_at"] if state is not RecipientState.CONFIRMED else None,
                quiet_from=quiet[0],
                quiet_until=quiet[1],
                **{name: given_[name] for name in FIELDS},
            )
            tx.add(recipient)
            tx.flush()
            for follow in (
                given_["follows"]
                if state in {RecipientState.CONFIRMED, RecipientState.SUPPRESSED}
                else ()
            ):
                subscription = set_follow(tx, recipient, follow)
                if follow.stream_id in given_["left"]:
                    subscription.ended_at = given_["created_at"]


def exported(db: Database) -> str:
    return "".join(as_csv(export(db, states=list(RecipientState))))


def bring(db: Database, text: str, **options) -> dict[str, int]:
    """What became of the rows of a list, without what became of none."""
    lines = csv.reader(io.StringIO(text, newline=""))
    columns = Columns.of(next(lines))
    rows = [read_row(columns, number, row) for number, row in enumerate(lines, 2)]
    counts: dict[str, int] = {}
    for part in import_subscribers(db, Newsroom(db).actor, rows, **options):
        for outcome, number in part.counts.items():
            counts[outcome.value] = counts.get(outcome.value, 0) + number
    return {outcome: number for outcome, number in counts.items() if number}


@examples(
    25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(subscribers=st.lists(SUBSCRIBERS, max_size=6))
def test_an_export_imported_into_an_empty_site_is_the_same_export(origin, db, subscribers):
    room = Newsroom(db)
    for slug in STORIES:
        room.stream(slug)
    with db.begin() as tx:
        tx.execute(delete(Recipient))
    make(origin, subscribers)
    text = exported(origin)
    counts = bring(db, text)
    assert exported(db) == text
    assert counts.get("added", 0) == sum(
        one["state"] is RecipientState.CONFIRMED for one in subscribers
    )
    assert bring(db, text).keys() <= {"already", "suppressed", "left"}, "again it changes nothing"
    assert exported(db) == text


def states(db: Database) -> dict[str, RecipientState]:
    with db.read() as tx:
        return {
            one.address.partition("@")[0]: one.state
            for one in tx.scalars(select(Recipient).where(Recipient.kind == RecipientKind.MAIL))
        }


def test_only_subscribers_confirmed_in_the_list_are_confirmed(db, newsroom):
    text = (
        "email,status\nann@example.org,enabled\nbob@example.org,disabled\n"
        "eve@example.org,blocklisted\nida@example.org,unconfirmed\n"
    )
    assert bring(db, text) == {"added": 1, "kept_out": 2, "unconfirmed": 1}
    wanted = {
        "ann": RecipientState.CONFIRMED,
        "bob": RecipientState.ENDED,
        "eve": RecipientState.SUPPRESSED,
    }
    assert states(db) == wanted
    later = "email\nbob@example.org\neve@example.org\n"
    assert bring(db, later) == {
        "left": 1,
        "suppressed": 1,
    }, "a list that says less brings nobody back"
    assert states(db) == wanted


@pytest.mark.parametrize("chunk", [1, 100])
@pytest.mark.parametrize(
    ("words", "state"),
    [
        (["enabled", "disabled"], RecipientState.ENDED),
        (["disabled", "enabled"], RecipientState.ENDED),
        (["enabled", "disabled", "blocklisted", "enabled"], RecipientState.SUPPRESSED),
        (["blocklisted", "disabled"], RecipientState.SUPPRESSED),
    ],
)
def test_a_row_that_refuses_mail_counts_anywhere_in_the_list(
    db, newsroom, monkeypatch, words, state, chunk
):
    monkeypatch.setattr(importing, "ROWS_PER_CHUNK", chunk)
    add_subscriber(db, newsroom.actor, "here@example.org")
    rows = [f"{name}@example.org,{word}\n" for word in words for name in ("ann", "here")]
    text = "email,status\n" + "".join(rows)
    for dry_run in (True, False):
        counts = bring(db, text, dry_run=dry_run)
        assert counts["kept_out"] >= 1 and sum(counts.values()) == len(rows)
    assert states(db) == {"here": RecipientState.CONFIRMED, "ann": state}


HOSTILE = st.sampled_from(
    ["\0", "a\0b", "[" * 9_000, '{"said": "\\ud800"}', "9" * 5000, "é" * 5000, "1e999",
     "0001-01-01", "9999-12-31T23:59:59Z",
     "24:00", "22:00+23:59", "sha256:" + "f" * 400, "sha256:",
     '{"*": {"cadence": "interval", "minutes": Infinity}}',
     '{"*": {"time": 5, "tags": {"a": 1}}}', "../../etc/passwd", "* floods *", "=1+1"]
)  # fmt: skip


@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.dictionaries(st.sampled_from(COLUMNS), HOSTILE | st.text(max_size=20), max_size=4))
def test_a_row_of_whatever_cells_keeps_out_none_of_the_others(db, newsroom, cells):
    with db.begin() as tx:
        tx.execute(delete(Recipient))
    usual = {"email": "odd@example.org", "state": "suppressed", "timezone": "UTC", "follows": "*"}
    out = io.StringIO(newline="")
    write = csv.writer(out)
    write.writerows([COLUMNS, [(usual | cells).get(name, "") for name in COLUMNS]])
    write.writerow(
        [
            (usual | {"email": "good@example.org", "state": "confirmed"}).get(name, "")
            for name in COLUMNS
        ]
    )
    bring(db, out.getvalue())
    assert states(db)["good"] is RecipientState.CONFIRMED
    assert "good@example.org" in exported(db).encode().decode()


def test_a_dry_run_reports_the_outcome_and_changes_nothing(db, newsroom):
    text = "email,status\nbob@example.org,disabled\neve@example.org,blocklisted\n"
    assert bring(db, text, dry_run=True) == {"kept_out": 2}
    assert states(db) == {}


def test_a_choice_made_here_overrides_an_imported_list(db, newsroom):
    add_subscriber(db, newsroom.actor, "stays@example.org")
    add_subscriber(db, newsroom.actor, "left@example.org")
    remove_recipient(db, newsroom.actor, RecipientKind.MAIL, "left@example.org", "left")
    suppress_address(db, newsroom.actor, "never@example.org", "asked us")
    text = (
        "email,state,follows\nstays@example.org,ended,\nleft@example.org,confirmed,floods\n"
        "never@example.org,confirmed,floods\n"
    )
    before = states(db)
    assert bring(db, text) == {"confirmed_here": 1, "left": 1, "suppressed": 1}
    assert states(db) == before


def test_a_row_that_follows_a_story_that_is_not_here_is_refused(db, newsroom):
    assert bring(db, "email,state,follows\nann@example.org,confirmed,floods gone\n") == {
        "invalid": 1
    }
    assert states(db) == {}


def test_an_import_does_not_resubscribe_to_a_stream_that_was_left(origin, db):
    Newsroom(db).stream("floods")
    add_subscriber(origin, Newsroom(origin).actor, "ann@example.org", stream="floods")
    ann = add_subscriber(origin, Newsroom(origin).actor, "ann@example.org")
    with origin.read() as tx:
        floods = get_stream(tx, "floods")
    unsubscribe(origin, ann.uid, floods.uid)
    text = exported(origin)
    assert bring(db, text, stream="floods") == {"left": 1}
    assert bring(db, text) == {"added": 1}
    assert bring(db, "email\nann@example.org\n", stream="floods") == {"left": 1}


def test_an_import_does_not_resubscribe_to_a_stream_excluded_from_all(origin, db):
    for site in (origin, db):
        room = Newsroom(site)
        if site is db:
            room.stream("floods")
        ann = add_subscriber(site, room.actor, "ann@example.org")
        with site.read() as tx:
            floods = get_stream(tx, "floods")
        unsubscribe(site, ann.uid, floods.uid)
    assert bring(db, "email\nann@example.org\n", stream="floods") == {"left": 1}
    assert bring(db, "email,state,follows\nann@example.org,confirmed,floods\n") == {"already": 1}
    text = exported(origin)
    with db.begin() as tx:
        tx.execute(delete(Recipient))
    assert bring(db, text, stream="floods") == {"left": 1}


def test_a_story_that_was_deleted_keeps_no_reader_out(origin, db):
    Newsroom(db).stream("drought")
    actor = Newsroom(origin).actor
    add_subscriber(origin, actor, "ann@example.org", stream="floods")
    with origin.begin() as tx:
        everything = Follow(left_out=(1,)).cleaned()
        set_follow(
            tx,
            tx.scalars(select(Recipient).where(Recipient.kind == RecipientKind.MAIL)).one(),
            everything,
        )
    set_stream_state(origin, actor, "floods", StreamState.DELETED)
    text = exported(origin)
    assert bring(db, text) == {"added": 1}
    assert exported(db) == text


def test_an_old_export_with_fewer_columns_restores_the_subscriptions(db, newsroom):
    header = "email,state,language,timezone,follows,confirmed_at,consent"
    assert bring(
        db,
        f"{header}\nann@example.org,confirmed,de,Europe/Kyiv,floods,2025-01-02T03:04:05+00:00,\n",
    ) == {"added": 1}
    with db.read() as tx:
        recipient, subscription = tx.execute(
            select(Recipient, Subscription).join(Subscription.recipient)
        ).one()
        found = (recipient.language, recipient.timezone, recipient.confirmed_at)
        assert found == (
            "de",
            "Europe/Kyiv",
            datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
        assert subscription.stream_id is not None

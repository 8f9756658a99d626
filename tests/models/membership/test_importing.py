"""A list is subscribed in little memory, and nobody is brought back by it."""

import itertools

import pytest
from sqlalchemy import select, update

from models import Recipient, RecipientState, Subscription
from models.membership import importing
from models.membership.importing import Outcome, Row, import_subscribers
from models.recipients.audience import add_subscriber, suppress, unsubscribe
from models.tables.people import Role
from models.text.errors import Forbidden, Invalid, NotFound
from models.text.tokens import ALL_STREAMS


@pytest.fixture
def load(newsroom, db):
    """A function that imports addresses and says how many rows came to what, and what is remarked
    of which line.
    """

    def run(*emails: str, **options):
        rows = [
            Row(line, *([email] if isinstance(email, str) else email))
            for line, email in enumerate(emails, 2)
        ]
        parts = list(import_subscribers(db, newsroom.actor, rows, **options))
        counts = sum((part.counts for part in parts), start=importing.Counter())
        return {outcome.value: n for outcome, n in counts.items()}, {
            remark.line: remark.reason for part in parts for remark in part.remarks
        }

    return run


def everything(db) -> list[object]:
    with db.read() as tx:
        return [
            tuple(row)
            for table in (Recipient, Subscription)
            for row in tx.execute(select(table.__table__).order_by(table.id))
        ]


def test_each_row_comes_to_what_it_should_and_again_changes_nothing(
    newsroom, db, load, monkeypatch
):
    monkeypatch.setattr(importing, "ROWS_PER_CHUNK", 4)
    refused = add_subscriber(db, newsroom.actor, "refused@example.org")
    left = add_subscriber(db, newsroom.actor, "left@example.org", stream="floods")
    add_subscriber(db, newsroom.actor, "had@example.org", stream="floods")
    asked = add_subscriber(db, newsroom.actor, "asked@example.org")
    newsroom.stream("drought")
    elsewhere = add_subscriber(db, newsroom.actor, "elsewhere@example.org", stream="drought")
    unsubscribe(db, left.uid, ALL_STREAMS)
    with db.begin() as tx:
        suppress(tx, refused.id, "550 5.1.1 no such user")
        tx.execute(
            update(Recipient)
            .where(Recipient.id == asked.id)
            .values(state=RecipientState.PENDING, confirmed_at=None)
        )
    emails = ["New@Example.org", "refused@example.org", "LEFT@example.org", "had@example.org",
              "asked@example.org", "", "a b@c",
              "new@example.ORG", "elsewhere@example.org", ("en@example.org", "English"),
              ("de@example.org", "de")]  # fmt: skip
    told = everything(db)
    counts, remarks = load(*emails, stream="floods", dry_run=True)
    assert everything(db) == told
    assert (counts, remarks) == load(*emails, stream="floods")
    assert counts == {
        "added": 5,
        "suppressed": 1,
        "left": 1,
        "already": 1,
        "invalid": 2,
        "duplicate": 1,
    }
    assert list(remarks) == [3, 4, 7, 8, 9]
    assert "550 5.1.1" in remarks[3]
    assert remarks[9] == "the same address as in line 2"
    with db.read() as tx:
        of_floods = (
            select(Recipient)
            .join(Subscription)
            .where(Subscription.stream_id.is_not(None), Subscription.ended_at.is_(None))
        )
        found = {
            one.address: one
            for one in tx.scalars(of_floods.where(Recipient.state == RecipientState.CONFIRMED))
        }
    addresses = ["asked", "de", "elsewhere", "en", "had", "new"]
    assert sorted(found) == [f"{name}@example.org" for name in addresses]
    assert [found[f"{name}@example.org"].language for name in ("de", "en")] == ["de", "en"]
    assert found["elsewhere@example.org"].id == elsewhere.id
    once = everything(db)
    counts, _ = load(*emails, stream="floods")
    assert counts == {"suppressed": 1, "left": 1, "already": 6, "invalid": 2, "duplicate": 1}
    assert everything(db) == once


def test_a_list_may_be_broken_off_and_run_again(newsroom, db, load, monkeypatch):
    monkeypatch.setattr(importing, "ROWS_PER_CHUNK", 10)
    monkeypatch.setattr(importing, "FIRST_SLICE_ROWS", 4)
    read = itertools.count()
    rows = (Row(next(read), f"reader{n}@example.org") for n in range(1000))
    parts = import_subscribers(db, newsroom.actor, rows)
    assert next(parts).counts == {Outcome.ADDED: 10}
    assert next(read) == 10, "no more is read than is being worked on"
    parts.close()
    assert load(*(f"reader{n}@example.org" for n in range(25)))[0] == {"already": 10, "added": 15}
    assert load("reader1@example.org", stream="floods")[0] == {"added": 1}, (
        "one story is followed beside all"
    )


@pytest.mark.parametrize("seconds, rows", [(0.001, 400), (0.004, 200), (0.006, 100)])
def test_a_transaction_is_made_as_long_as_others_can_wait(sqlite_db, seconds, rows):
    work = importing._Importing(sqlite_db, None, Row(0, "", "en"))
    work._adapt(seconds)
    assert work._size == rows


def test_a_slice_costs_the_same_however_many_recipients_there_are(sqlite_db):
    found = []
    with sqlite_db.begin() as tx:
        for statement in importing._statements("sqlite"):
            text = str(statement.compile(dialect=sqlite_db.engine.dialect))
            found += (
                tx.connection()
                .exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("[]",) * text.count("?"))
                .all()
            )
    plan = "\n".join(row[3] for row in found)
    assert "(kind=? AND address=?)" in plan
    assert "ix_recipient_kind_state_id" not in plan


def test_bad_options_are_refused_before_a_row_is_read(newsroom, db):
    def rows():
        raise AssertionError("a row was read")
        yield

    for error, options in ((NotFound, {"stream": "nothing"}), (Invalid, {"language": "English!"})):
        with pytest.raises(error):
            next(import_subscribers(db, newsroom.actor, rows(), **options))
    with pytest.raises(Forbidden):
        next(import_subscribers(db, newsroom.account(Role.EDITOR), rows()))

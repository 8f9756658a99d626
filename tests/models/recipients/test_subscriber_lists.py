"""Lists of subscribers, on both databases."""

import pytest
from sqlalchemy import text

from models import RecipientState
from models.membership.importing import Row, import_subscribers
from models.recipients.subscriber_lists import browse, export, search

ADDRESSES = [
    "ann@example.org",
    "ann-marie@example.org",
    "anna@post.example",
    "Bob@Example.org",
    "ännchen@example.org",
]


@pytest.fixture
def readers(db, newsroom):
    list(
        import_subscribers(
            db, newsroom.actor, [Row(n, address) for n, address in enumerate(ADDRESSES)]
        )
    )


@pytest.mark.usefixtures("readers")
def test_a_search_finds_beginnings_and_domains_a_page_at_a_time(db):
    with db.read() as tx:
        for wanted, found in [
            ("ann", ["ann-marie@example.org", "ann@example.org", "anna@post.example"]),
            ("ANN@", ["ann@example.org"]),
            ("ä", ["ännchen@example.org"]),
            ("nn", []),
        ]:
            assert [one.address for one in search(tx, wanted).recipients] == found
        first = search(tx, "ann", limit=2)
        assert [one.address for one in search(tx, "ann", after=first.next).recipients] == [
            "anna@post.example"
        ]
        of_domain = search(tx, "@example.org", limit=3)
        rest = search(tx, "@Example.ORG", after=of_domain.next)
        assert len(of_domain.recipients) == 3 and len(rest.recipients) == 1 and rest.next is None
        assert len(browse(tx, RecipientState.CONFIRMED).recipients) == 5
        assert browse(tx, RecipientState.ENDED).recipients == []
    assert {one.recipient.address for one in export(db)} == {
        address.lower() for address in ADDRESSES
    }


@pytest.mark.postgresql
def test_postgresql_finds_beginnings_by_the_index(postgres_db):
    with postgres_db.begin() as tx:
        tx.execute(text("SET LOCAL enable_seqscan = off"))
        for where in (
            "kind = 'mail' AND address >= 'ann' AND address < 'anz' ORDER BY address",
            "domain = 'x' ORDER BY id DESC",
        ):
            plan = "\n".join(
                tx.scalars(text(f"EXPLAIN SELECT id FROM recipient WHERE {where} LIMIT 5"))
            )
            assert "Index" in plan and "Sort" not in plan, plan

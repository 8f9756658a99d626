"""Subscribers on the desk: pages of the list, and the page of one subscriber."""

from sqlalchemy import select, update

from models import Delivery, DeliveryState, Recipient, RecipientKind, RecipientState
from models.alerts.alerts import create_notice
from models.db.database import Database
from models.membership.importing import Row, import_subscribers
from models.membership.suppression import erase_address, suppress_address
from models.recipients.audience import add_subscriber, find_recipient
from notifier.ledger.fan_out import expand_all
from tests.support.newsroom import Newsroom
from tests.support.queries import recorded_statements
from tests.support.web_person import Person

PATHS = [
    "/desk/subscribers", "/desk/subscribers?after=99", "/desk/subscribers?state=confirmed",
    "/desk/subscribers?state=ended&after=99",
    "/desk/subscribers?q=reader1", "/desk/subscribers?q=reader1&after=reader11@example.org",
    "/desk/subscribers?q=@example.org",
    "/desk/subscribers?q=@example.org&after=99", "/desk/subscribers/suppressed?after=99",
]  # fmt: skip

GROWING = ("SCAN recipient", "SCAN subscription", "SCAN delivery")


def plan(db: Database, statement: str, values: object) -> list[str]:
    with db.engine.connect() as connection:
        return [
            row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]  # type: ignore[arg-type]


def reader(newsroom: Newsroom, address: str = "ann@example.org") -> Recipient:
    with newsroom.db.read() as tx:
        found = find_recipient(tx, RecipientKind.MAIL, address)
    assert found is not None
    return found


def test_each_page_of_the_list_is_found_by_a_key_in_the_same_few_queries(
    admin: Person, newsroom: Newsroom
) -> None:
    admin.get("/desk/subscribers")
    counts = []
    for number in (3, 120):
        newsroom.subscribe_many(number)
        for path in PATHS:
            with recorded_statements(newsroom.db) as found:
                assert admin.get(path).status_code == 200
            counts.append((path, len(found)))
            about = [
                one for one in found if "FROM recipient" in one[0] or "FROM subscription" in one[0]
            ]
            assert about
            for statement, values in about:
                assert "OFFSET" not in statement.upper().replace("LIMIT ? OFFSET ?", "")
                steps = plan(newsroom.db, statement, values)
                assert all(
                    step.startswith(("SEARCH", "USE TEMP B-TREE FOR ORDER BY")) for step in steps
                ), (path, steps)
                if "FROM recipient" in statement:
                    assert not [step for step in steps if "TEMP" in step], (path, steps)
    assert counts[: len(PATHS)] == counts[len(PATHS) :]
    assert max(number for _, number in counts) <= 11, "with those of the log-in"


def test_no_page_of_the_desk_reads_all_recipients_or_all_that_they_were_sent(
    admin: Person, newsroom: Newsroom
) -> None:
    counts = []
    for number in (3, 120):
        newsroom.subscribe_many(number)
        entry = newsroom.post()
        expand_all(newsroom.db, go_on=lambda: True, ring=lambda lane: None)
        uid = reader(newsroom, "reader1@example.org").uid
        for path in (
            "/desk",
            "/desk/alerts",
            "/desk/alerts/1",
            f"/desk/entries/{entry.uid}",
            f"/desk/subscribers/{uid}",
            "/desk/channels",
        ):
            with recorded_statements(newsroom.db) as found:
                assert admin.get(path).status_code == 200
            counts.append(len(found))
            for statement, values in found:
                whole = [
                    step
                    for step in plan(newsroom.db, statement, values)
                    if step.startswith(GROWING)
                ]
                assert not whole, (path, statement, whole)
    assert counts[:6] == counts[6:]


def test_pages_follow_each_other_without_a_gap(admin: Person, newsroom: Newsroom) -> None:
    addresses = set(newsroom.subscribe_many(120))
    for query in ("state=confirmed", "q=reader", "q=@example.org"):
        found: list[str] = []
        path: str | None = f"/desk/subscribers?{query}"
        while path:
            page = admin.get(path).text
            found += [
                text.split("<")[0]
                for text in page.split('<th scope="row"><a href="/desk/subscribers/')
                for text in text.split('">')[1:2]
            ]
            rest = page.partition('rel="next" href="')[2]
            path = rest.partition('"')[0].replace("&amp;", "&") or None
        found = [one for one in found if "@" in one]
        assert len(found) == 120 and set(found) == addresses, query


def test_a_search_takes_anything(admin: Person, newsroom: Newsroom) -> None:
    newsroom.subscribe_many(2)
    assert "reader1@example.org" in admin.get("/desk/subscribers?q=READER1@EXAMPLE.org").text
    assert "No subscribers found" in admin.get("/desk/subscribers?q=%25").text
    assert "No subscribers found" in admin.get("/desk/subscribers?q=@x&after=y").text
    for odd in ("q=%00", f"q={'a' * 321}", "state=gone"):
        assert admin.get(f"/desk/subscribers?{odd}").status_code == 422, odd
    for odd in ("after=x", "after=99999999999999999999", "q=%40&after=99999999999999999999999"):
        assert admin.get(f"/desk/subscribers?{odd}").status_code == 200, odd


def test_one_subscriber_from_all_sides(admin: Person, newsroom: Newsroom) -> None:
    list(
        import_subscribers(
            newsroom.db,
            newsroom.actor,
            [Row(2, "ann@example.org", "de", "Form 7")],
            stream="floods",
        )
    )
    with newsroom.db.begin() as tx:
        create_notice(tx, reader(newsroom), "healed", {})
        reply = {"state": DeliveryState.FAILED, "last_reply": "550 5.1.1 no such user"}
        tx.execute(update(Delivery).values(reply))
    path = f"/desk/subscribers/{reader(newsroom).uid}"
    page = admin.get(path).text
    for shown in (
        "ann@example.org",
        "Confirmed",
        "The floods",
        "Form 7",
        "Language: de",
        "550 5.1.1 no such user",
    ):
        assert shown in page, shown
    assert admin.send(admin.get(path), f"{path}/end").status_code == 303
    assert reader(newsroom).state is RecipientState.ENDED
    assert admin.send(admin.get(path), f"{path}/erase").location == "/desk/subscribers"
    assert "ann@" not in admin.get(path).text + admin.get("/desk/subscribers").text


def test_the_suppressed_are_listed_and_let_go(admin: Person, newsroom: Newsroom) -> None:
    page = admin.get("/desk/subscribers/suppressed")
    refused = admin.send(page, email="no address", reason="")
    assert (
        refused.status_code == 422
        and 'id="email-w"' in refused.text
        and 'value="no address"' in refused.text
    )
    assert admin.send(page, email="ann@example.org", reason="asked by telephone").status_code == 303
    page = admin.get("/desk/subscribers/suppressed")
    assert "ann@example.org" in page.text and "asked by telephone" in page.text
    assert admin.send(page, f"/desk/subscribers/{reader(newsroom).uid}/lift").status_code == 303
    assert "No blocked addresses" in admin.get("/desk/subscribers/suppressed").text
    suppress_address(newsroom.db, newsroom.actor, "bob@example.org", "550")
    erase_address(newsroom.db, newsroom.actor, "bob@example.org")
    assert "Deleted address" in admin.get("/desk/subscribers/suppressed").text


def test_the_list_comes_as_a_file(admin: Person, newsroom: Newsroom) -> None:
    newsroom.subscribe_many(3)
    add_subscriber(newsroom.db, newsroom.actor, "ann@example.org")
    answer = admin.get("/desk/subscribers/export")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="subscribers.csv"'
    assert answer.text.count("@example.org") == 4
    assert admin.get("/desk/subscribers/export?stream=floods").text.count("@example.org") == 3
    assert admin.get("/desk/subscribers/export?stream=nothing").status_code == 404
    with newsroom.db.read() as tx:
        assert len(tx.scalars(select(Recipient.id)).all()) == 4

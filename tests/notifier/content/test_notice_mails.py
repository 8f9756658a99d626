"""Mails that people ask for, as they arrive."""

import re

from sqlalchemy import update

from models.accounts.invitations import invite
from models.membership.signup import SignupRequest, confirm_signup, request_signup
from models.membership.suppression import suppress_address
from models.recipients.audience import find_recipient, list_recipients
from models.tables.ledger import Recipient, RecipientKind, RecipientState
from models.tables.people import Role
from models.text.actor import SYSTEM
from tests.support.databases import sqlite_only
from tests.support.inbox import Inbox
from tests.support.newsroom import Newsroom
from tests.support.office import BASE_URL, Office


@sqlite_only
def test_the_mail_that_asks_arrives_in_the_storys_language_and_its_link_confirms(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    newsroom.stream("deich", title="Der Deich hält", language="de")
    suppress_address(newsroom.db, SYSTEM, "ann@example.org", "asked by telephone")
    for address in ("hedda@bücher.example", "ann@example.org"):
        request_signup(
            newsroom.db,
            office.keys,
            SignupRequest(
                email=address, stream="deich", choice="all", page="/", client="203.0.113.7"
            ),
        )
    office.send()
    [mail] = inbox.mails
    assert mail["To"] == "hedda@xn--bcher-kva.example"
    assert mail["Subject"] == "Bitte bestätigen Sie Ihr Abo: Der Deich hält"
    assert mail["Auto-Submitted"] == "auto-generated" and mail["List-Unsubscribe"] is None
    text, html = (part.get_content() for part in mail.iter_parts())  # type: ignore[union-attr]
    links = [re.findall(rf"{BASE_URL}/subscribe/([\w-]+)", part) for part in (text, html)]
    assert len(links[0]) == 1 and links[0] == links[1]
    assert "drei Tage" in text and "drei Tage" in html
    assert 'lang="de"' in html and office.ledger()[1] == (
        "ann@example.org",
        "skipped",
        "suppressed",
    )
    confirm_signup(newsroom.db, office.keys, links[0][0], "")
    with newsroom.db.read() as tx:
        hedda = find_recipient(tx, RecipientKind.MAIL, "hedda@bücher.example")
    assert hedda is not None and hedda.state is RecipientState.CONFIRMED


@sqlite_only
def test_mail_to_a_mailbox_that_several_people_read_promises_no_one_click(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    office.subscribe("desk@example.org", "ann@example.org")
    with newsroom.db.begin() as tx:
        tx.execute(
            update(Recipient).where(Recipient.address == "desk@example.org").values(shared=True)
        )
    newsroom.post()
    office.run()
    promised = {
        mail["To"]: mail["List-Unsubscribe-Post"]
        for mail in inbox.mails
        if mail["List-Unsubscribe"]
    }
    assert promised == {"desk@example.org": None, "ann@example.org": "List-Unsubscribe=One-Click"}


@sqlite_only
def test_an_invitation_to_the_desk_brings_its_link_and_no_subscription(
    newsroom: Newsroom, office: Office, inbox: Inbox
) -> None:
    invited = invite(
        newsroom.db, office.keys, newsroom.actor, "mara@example.org", "Mara <b>", Role.AUTHOR
    )
    newsroom.post()
    office.run()
    [mail] = inbox.mails
    text, html = (part.get_content() for part in mail.iter_parts())  # type: ignore[union-attr]
    link = f"{BASE_URL}/login/password/{invited.token}"
    assert link in text and f'href="{link}"' in html and "Hello Mara &lt;b&gt;," in html
    with newsroom.db.read() as tx:
        assert list_recipients(tx, RecipientKind.MAIL) == []

"""Who comes to work here, who forgot the password, and who leaves."""

from collections import Counter

import pytest
from sqlalchemy import event

from models import Role
from models.accounts import accounts
from models.accounts.accounts import add_account, log_in, make_login_link, use_login_link
from models.accounts.invitations import (
    account_of_password_link,
    choose_password,
    invite,
    request_password_reset,
)
from models.accounts.sessions import (
    end_other_sessions,
    end_own_session,
    own_sessions,
    session_account,
)
from models.accounts.staff import change_role, end_account, find_account, reopen_account
from models.membership.suppression import suppress_address
from models.recipients.audience import find_recipient, list_recipients
from models.tables.ledger import Alert, AlertKind, RecipientKind
from models.tables.people import Account, LinkKind, LoginLink
from models.text.actor import Actor
from models.text.errors import Conflict, Forbidden, Gone, Invalid, TooManyAttempts
from models.text.tokens import decrypt_token
from tests.support.newsroom import Newsroom

PASSWORD = "a river of words"
ADDRESS = "mara@example.org"


@pytest.fixture
def mara(newsroom, db) -> Account:
    return add_account(db, newsroom.actor, ADDRESS, "Mara Eskelund", Role.EDITOR, password=PASSWORD)


def mailed(newsroom: Newsroom, keys) -> list[tuple[str, str]]:
    """The name of each notice and the token of its link."""
    with newsroom.db.read() as tx:
        notices = tx.query(Alert).where(Alert.kind == AlertKind.NOTICE).order_by(Alert.id).all()
    return [
        (one.notice["name"], decrypt_token(keys, one.notice["values"]["sealed"])) for one in notices
    ]


def test_an_invited_account_chooses_a_password_once_and_is_not_subscribed(
    db, newsroom, keys, clock
):
    invited = invite(db, keys, newsroom.actor, " Mara@Example.org", "Mara", Role.AUTHOR)
    assert mailed(newsroom, keys) == [("invitation", invited.token)]
    with db.read() as tx:
        assert invited.token not in str(tx.query(Alert).one().notice), (
            "the ledger keeps no link that lets in"
        )
        assert list_recipients(tx, RecipientKind.MAIL) == []
    assert use_login_link(db, invited.token) is None, "it chooses a password and nothing else"
    clock.forward(days=6, hours=23)
    with pytest.raises(Invalid):
        choose_password(db, invited.token, "short")
    session = choose_password(db, invited.token, PASSWORD, "Firefox on Linux")
    assert session_account(db, session).email == ADDRESS
    assert log_in(db, ADDRESS, PASSWORD, "192.0.2.1") is not None
    with pytest.raises(Gone):
        choose_password(db, invited.token, PASSWORD)


def test_an_invitation_ends_by_age_and_by_the_next_one(db, newsroom, keys, clock):
    first = invite(db, keys, newsroom.actor, ADDRESS, "Mara", Role.AUTHOR)
    second = invite(db, keys, newsroom.actor, ADDRESS, "Another", Role.ADMIN)
    assert (second.account.id, second.account.name, second.account.role) == (
        first.account.id,
        "Mara",
        Role.AUTHOR,
    )
    with db.read() as tx:
        assert account_of_password_link(tx, second.token).id == first.account.id
        with pytest.raises(Gone):
            account_of_password_link(tx, first.token)
    clock.forward(days=7, seconds=1)
    with db.read() as tx, pytest.raises(Gone):
        account_of_password_link(tx, second.token)


def test_an_existing_account_cannot_be_invited(db, newsroom, keys, mara):
    with pytest.raises(Invalid):
        invite(db, keys, newsroom.actor, ADDRESS, "Mara", Role.ADMIN)
    with pytest.raises(Forbidden):
        invite(db, keys, Actor.of(mara), "friend@example.org", "Friend", Role.ADMIN)
    assert mailed(newsroom, keys) == []


def test_an_invitation_to_a_refused_address_is_not_sent_and_reported(db, newsroom, keys):
    suppress_address(db, newsroom.actor, ADDRESS, "asked")
    invited = invite(db, keys, newsroom.actor, ADDRESS, "Mara", Role.AUTHOR)
    assert not invited.mailed and mailed(newsroom, keys) == []
    assert session_account(db, choose_password(db, invited.token, PASSWORD)).name == "Mara"


def test_a_new_password_by_mail_ends_every_session_and_link(db, newsroom, keys, mara):
    sessions = [log_in(db, ADDRESS, PASSWORD, "192.0.2.1") for _ in range(2)]
    link = make_login_link(db, newsroom.actor, ADDRESS)
    request_password_reset(db, keys, "MARA@example.org", "192.0.2.1")
    request_password_reset(db, keys, ADDRESS, "192.0.2.1")
    [(name, token), (_, other)] = mailed(newsroom, keys)
    assert name == "reset"
    session = choose_password(db, token, "another river of words")
    assert [session_account(db, one) for one in sessions] == [None, None]
    assert use_login_link(db, link) is None
    with pytest.raises(Gone):
        choose_password(db, other, PASSWORD)
    assert session_account(db, session).id == mara.id
    assert log_in(db, ADDRESS, PASSWORD, "192.0.2.1") is None


def test_a_reset_holds_for_half_an_hour(db, newsroom, keys, mara, clock):
    request_password_reset(db, keys, ADDRESS, "192.0.2.1")
    clock.forward(minutes=30, seconds=1)
    with pytest.raises(Gone):
        choose_password(db, mailed(newsroom, keys)[0][1], PASSWORD)


@pytest.mark.parametrize("address", [ADDRESS, "nobody@example.org"])
def test_an_address_that_is_asked_for_too_often_from_a_network_waits_known_or_not(
    db, newsroom, keys, mara, address
):
    for number in range(3):
        request_password_reset(db, keys, address, f"192.0.2.{number}")
    with pytest.raises(TooManyAttempts):
        request_password_reset(db, keys, address, "192.0.2.200")
    assert len(mailed(newsroom, keys)) == (3 if address == ADDRESS else 0)
    with db.read() as tx:
        assert find_recipient(tx, RecipientKind.MAIL, "nobody@example.org") is None, (
            "a guess is not written down"
        )


def test_an_address_gets_five_resets_a_day_whoever_asks_and_as_many_in_a_browser_that_it_used(
    db, newsroom, keys, mara, clock
):
    for number in range(7):
        request_password_reset(db, keys, ADDRESS, f"192.0.{number}.1")
        clock.forward(minutes=16)
    assert len(mailed(newsroom, keys)) == 5
    for _ in range(7):
        request_password_reset(db, keys, ADDRESS, "192.0.2.1", known_browser="b1")
        clock.forward(minutes=16)
    assert len(mailed(newsroom, keys)) == 10
    clock.forward(days=1)
    request_password_reset(db, keys, ADDRESS, "192.0.2.1")
    assert len(mailed(newsroom, keys)) == 11


def test_asking_for_a_reset_costs_the_same_statements_whoever_has_the_address(
    db, newsroom, keys, mara
):
    kinds: list[str] = []

    @event.listens_for(db.engine, "before_cursor_execute")
    def _note(connection, cursor, statement, *_):
        kinds.append(statement.split()[0])

    found = []
    for address in (ADDRESS, "nobody@example.org") * 2:
        kinds.clear()
        request_password_reset(db, keys, address, "192.0.2.1")
        found.append(
            Counter(kind for kind in kinds if kind in {"SELECT", "INSERT", "UPDATE", "DELETE"})
        )
    assert found[2] == found[3], "once the first mail has made a recipient"
    assert len(mailed(newsroom, keys)) == 2
    with db.read() as tx:
        assert tx.query(LoginLink).count() == 2, "nothing is left of what was taken back"


@pytest.mark.parametrize("password", ["short", PASSWORD])
def test_no_password_is_hashed_for_a_link_that_does_not_hold(db, monkeypatch, password):
    monkeypatch.setattr(accounts, "_hasher", None)
    with pytest.raises(Gone):
        choose_password(db, "A" * 32, password)


def test_the_last_admin_stays_one(db, newsroom, mara):
    admin = add_account(db, newsroom.actor, "op@example.org", "Op", Role.ADMIN)
    for change in (
        lambda: end_account(db, newsroom.actor, admin.id),
        lambda: change_role(db, newsroom.actor, admin.id, Role.EDITOR),
    ):
        with pytest.raises(Conflict):
            change()
    assert (
        find_account(db, "op@example.org").role,
        find_account(db, "op@example.org").ended_at,
    ) == (Role.ADMIN, None)
    change_role(db, newsroom.actor, mara.id, Role.ADMIN)
    end_account(db, Actor.of(admin), admin.id)
    with pytest.raises(Conflict):
        end_account(db, newsroom.actor, mara.id)


def test_an_ended_account_is_let_in_by_nothing_until_it_is_opened_again(db, newsroom, keys, mara):
    session = log_in(db, ADDRESS, PASSWORD, "192.0.2.1")
    links = {kind: make_login_link(db, newsroom.actor, ADDRESS, kind) for kind in LinkKind}
    entry = newsroom.post()
    end_account(db, newsroom.actor, mara.id)
    request_password_reset(db, keys, ADDRESS, "192.0.2.1")
    assert (
        session_account(db, session) is None and log_in(db, ADDRESS, PASSWORD, "192.0.2.1") is None
    )
    assert use_login_link(db, links[LinkKind.LOGIN]) is None and mailed(newsroom, keys) == []
    with pytest.raises(Gone):
        choose_password(db, links[LinkKind.RESET], PASSWORD)
    with db.read() as tx:
        assert tx.query(LoginLink).count() == 0
    reopen_account(db, newsroom.actor, mara.id)
    assert log_in(db, ADDRESS, PASSWORD, "192.0.2.1") is not None
    assert newsroom.entry(entry.uid).account_id == newsroom.actor.account_id


def test_only_an_admin_changes_accounts(db, newsroom, mara):
    for change in (end_account, reopen_account, lambda *of: change_role(*of, Role.ADMIN)):
        with pytest.raises(Forbidden):
            change(db, Actor.of(mara), mara.id)


def test_a_browser_is_written_down_once_an_hour(db, newsroom, mara, clock):
    token, began = log_in(db, ADDRESS, PASSWORD, "192.0.2.1", "Firefox on Linux"), clock.now

    def seen():
        with db.read() as tx:
            [session] = own_sessions(tx, Actor.of(mara))
            return session.browser, session.seen_at, tx.get(Account, mara.id).seen_at

    clock.forward(minutes=59)
    session_account(db, token)
    assert seen() == ("Firefox on Linux", began, began)
    later = clock.forward(minutes=1)
    session_account(db, token)
    assert seen() == ("Firefox on Linux", later, later)


def test_sessions_are_ended_by_their_owner_alone(db, newsroom, mara):
    other = add_account(db, newsroom.actor, "jon@example.org", "Jon", Role.ADMIN, password=PASSWORD)
    mine, second, third = (log_in(db, ADDRESS, PASSWORD, "192.0.2.1") for _ in range(3))
    theirs = log_in(db, "jon@example.org", PASSWORD, "192.0.2.1")
    with db.read() as tx:
        [foreign] = own_sessions(tx, Actor.of(other))
    end_own_session(db, Actor.of(mara), foreign.token_hash)
    assert session_account(db, theirs) is not None
    end_other_sessions(db, Actor.of(mara), mine)
    assert [session_account(db, one) is not None for one in (mine, second, third, theirs)] == [
        True,
        False,
        False,
        True,
    ]

"""Who may log in, how often they may try, and how they get out."""

import argon2
import pytest
from sqlalchemy import select

from models import Alert, Delivery, Recipient, Role
from models.accounts import accounts
from models.accounts.accounts import (
    add_account,
    change_own_password,
    list_accounts,
    log_in,
    make_login_link,
    set_password,
    use_login_link,
)
from models.accounts.invitations import choose_password, invite
from models.accounts.sessions import log_out, session_account
from models.accounts.staff import change_role, end_account, reopen_account
from models.membership.suppression import suppress_address
from models.tables.people import LinkKind, LoginSession
from models.text.actor import Actor
from models.text.errors import Forbidden, Invalid, NotFound, TooManyAttempts

PASSWORD = "a river of words"
SHIPPED = accounts._hasher  # before a fixture puts a quick one in its place


@pytest.fixture
def editor(newsroom, db):
    return add_account(
        db, newsroom.actor, "Mara@Example.org", "Mara Eskelund", Role.EDITOR, password=PASSWORD
    )


def test_a_password_opens_a_session_and_log_out_ends_it(db, editor):
    token = log_in(db, " mara@EXAMPLE.org", PASSWORD, "192.0.2.1")
    assert session_account(db, token).id == editor.id
    log_out(db, token)
    assert session_account(db, token) is None


def test_a_session_ends_by_age(db, editor, clock):
    token = log_in(db, editor.email, PASSWORD, "192.0.2.1")
    clock.forward(days=13)
    assert session_account(db, token) is not None
    clock.forward(days=2)
    assert session_account(db, token) is None


@pytest.mark.parametrize("password", ["wrong", "", "x" * 100_000, "\ud800", PASSWORD + " "])
def test_a_wrong_password_opens_nothing(db, editor, password):
    assert log_in(db, editor.email, password, "192.0.2.1") is None


@pytest.mark.parametrize("email", ["nobody@example.org", "", "\x00", "x" * 5000])
def test_an_unknown_address_opens_nothing(db, email):
    assert log_in(db, email, PASSWORD, "192.0.2.1") is None


def guess(db, email, times, network="192.0.2.1", **more):
    for _ in range(times):
        assert log_in(db, email, "wrong", network, **more) is None


def test_after_too_many_tries_from_a_network_even_the_right_password_waits_there(
    db, editor, clock, monkeypatch
):
    monkeypatch.setattr(accounts, "MAX_LOGIN_ATTEMPTS", 3)
    guess(db, editor.email, 3)
    with pytest.raises(TooManyAttempts) as caught:
        log_in(db, editor.email, PASSWORD, "192.0.2.1")
    assert caught.value.retry_after == 15 * 60
    assert log_in(db, editor.email, PASSWORD, "198.51.100.7") is not None, "the owner is elsewhere"
    clock.forward(minutes=15, seconds=1)
    assert log_in(db, editor.email, PASSWORD, "192.0.2.1") is not None


def test_guesses_from_many_networks_hold_up_unknown_browsers_and_no_known_one(
    db, editor, monkeypatch
):
    monkeypatch.setattr(accounts, "MAX_LOGIN_ATTEMPTS", 2)
    for number in range(20):
        guess(db, editor.email, 1, f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts):
        log_in(db, editor.email, PASSWORD, "203.0.113.9")
    assert log_in(db, editor.email, PASSWORD, "203.0.113.9", known_browser="b1") is not None
    guess(db, editor.email, 2, "203.0.113.9", known_browser="stolen")
    with pytest.raises(TooManyAttempts):
        log_in(db, editor.email, PASSWORD, "192.0.2.77", known_browser="stolen")
    assert log_in(db, editor.email, PASSWORD, "203.0.113.9", known_browser="b1") is not None


def end_it(db, newsroom, keys, editor):
    end_account(db, newsroom.actor, editor.id)


def set_it(db, newsroom, keys, editor):
    set_password(db, newsroom.actor, editor.email, "another river")


def change_it(db, newsroom, keys, editor):
    change_own_password(db, Actor.of(editor), "", PASSWORD, "another river")


def reset_it(db, newsroom, keys, editor):
    choose_password(
        db, make_login_link(db, newsroom.actor, editor.email, LinkKind.RESET), "another river"
    )


@pytest.mark.parametrize("change", [end_it, set_it, change_it, reset_it])
def test_a_log_in_under_way_does_not_outlive_what_logs_the_account_out(
    db, newsroom, keys, editor, monkeypatch, change
):
    matches = accounts._matches

    def slowly(hashed, password):
        right = matches(hashed, password)
        monkeypatch.setattr(accounts, "_matches", matches)
        change(db, newsroom, keys, editor)  # while the old password is being compared
        return right

    monkeypatch.setattr(accounts, "_matches", slowly)
    assert log_in(db, editor.email, PASSWORD, "192.0.2.1") is None
    with db.read() as tx:
        browsers = tx.scalars(select(LoginSession)).all()
    assert len(browsers) == (change is reset_it), "but for the session of the new password"


def test_a_right_password_forgives_earlier_slips(db, editor, monkeypatch):
    monkeypatch.setattr(accounts, "MAX_LOGIN_ATTEMPTS", 3)
    for _ in range(3):
        for _ in range(2):
            log_in(db, editor.email, "wrong", "192.0.2.1")
        assert log_in(db, editor.email, PASSWORD, "192.0.2.1") is not None


def test_a_network_that_tries_many_addresses_waits(db, newsroom, monkeypatch):
    monkeypatch.setattr(accounts, "MAX_LOGIN_ATTEMPTS", 1)
    for number in range(10):
        log_in(db, f"guess{number}@example.org", "wrong", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        log_in(db, "another@example.org", "wrong", "192.0.2.1")
    assert log_in(db, "a-third@example.org", "wrong", "192.0.2.2") is None


def test_the_addresses_that_one_customer_has_of_ipv6_are_one_network(db, newsroom, monkeypatch):
    monkeypatch.setattr(accounts, "MAX_LOGIN_ATTEMPTS", 1)
    for number in range(10):
        log_in(db, f"guess{number}@example.org", "wrong", f"2001:db8:1:2::{number}")
    with pytest.raises(TooManyAttempts):
        log_in(db, "another@example.org", "wrong", "2001:db8:1:2:ffff::1")
    assert log_in(db, "a-third@example.org", "wrong", "2001:db8:1:3::1") is None


def test_another_way_to_write_an_address_gives_no_more_tries(db, editor, monkeypatch):
    monkeypatch.setattr(accounts, "MAX_LOGIN_ATTEMPTS", 3)
    for written in ("mara@example.org", " MARA@example.org", "mara@ｅxample.org"):
        log_in(db, written, "wrong", "192.0.2.1")
    with pytest.raises(TooManyAttempts):
        log_in(db, "mara@eｘample.org", "wrong", "192.0.2.1")


def test_a_log_in_of_ones_own_does_not_clear_the_way_to_guess_at_others(db, editor, monkeypatch):
    monkeypatch.setattr(accounts, "MAX_LOGIN_ATTEMPTS", 1)
    for number in range(9):
        log_in(db, f"guess{number}@example.org", "wrong", "192.0.2.1")
    assert log_in(db, editor.email, PASSWORD, "192.0.2.1") is not None
    with pytest.raises(TooManyAttempts):
        log_in(db, "another@example.org", "wrong", "192.0.2.1")


def test_a_log_in_link_works_once_and_not_for_long(db, newsroom, editor, clock):
    link = make_login_link(db, newsroom.actor, editor.email)
    assert session_account(db, use_login_link(db, link)).id == editor.id
    assert use_login_link(db, link) is None
    late = make_login_link(db, newsroom.actor, editor.email)
    clock.forward(minutes=16)
    assert use_login_link(db, late) is None
    assert use_login_link(db, "forged") is None


def test_a_new_password_logs_out_everywhere(db, newsroom, editor):
    token = log_in(db, editor.email, PASSWORD, "192.0.2.1")
    link = make_login_link(db, newsroom.actor, editor.email)
    set_password(db, newsroom.actor, editor.email, "another river")
    assert session_account(db, token) is None
    assert use_login_link(db, link) is None
    assert log_in(db, editor.email, PASSWORD, "192.0.2.1") is None
    assert log_in(db, editor.email, "another river", "192.0.2.1") is not None


@pytest.mark.parametrize("change", [set_it, change_it, reset_it])
def test_a_new_password_is_announced_to_the_account_by_mail(db, newsroom, keys, editor, change):
    change(db, newsroom, keys, editor)
    with db.read() as tx:
        row = tx.execute(
            select(Alert.notice, Recipient.address)
            .join(Delivery, Delivery.alert_id == Alert.id)
            .join(Recipient)
        ).one()
    assert row == ({"name": "password", "values": {"account": "Mara Eskelund"}}, editor.email)


def test_a_first_password_and_an_address_that_refuses_mail_bring_no_mail(
    db, newsroom, keys, editor
):
    invited = invite(db, keys, newsroom.actor, "jon@example.org", "Jon", Role.AUTHOR)
    choose_password(db, invited.token, PASSWORD)
    suppress_address(db, newsroom.actor, editor.email, "asked")
    set_password(db, newsroom.actor, editor.email, "another river")
    with db.read() as tx:
        assert [notice["name"] for notice in tx.scalars(select(Alert.notice))] == ["invitation"]


def test_log_ins_failures_and_account_changes_are_logged_without_addresses(
    db, newsroom, keys, editor, caplog, monkeypatch
):
    monkeypatch.setattr(accounts, "MAX_LOGIN_ATTEMPTS", 2)
    caplog.set_level("INFO", "models")
    log_in(db, editor.email, PASSWORD, "192.0.2.1")
    guess(db, editor.email, 2, "2001:db8::1")
    guess(db, "nobody@example.org", 1, "192.0.2.9")
    with pytest.raises(TooManyAttempts):
        log_in(db, editor.email, "wrong", "2001:db8::1")
    use_login_link(db, make_login_link(db, newsroom.actor, editor.email))
    reset_it(db, newsroom, keys, editor)
    change_role(db, newsroom.actor, editor.id, Role.AUTHOR)
    end_account(db, newsroom.actor, editor.id)
    reopen_account(db, newsroom.actor, editor.id)
    admin = newsroom.actor.account_id
    assert [record.getMessage() for record in caplog.records] == [
        f"log-in of account {editor.id} from 192.0.2.1",
        *["log-in failed from 2001:db8::1"] * 2,
        "log-in failed from 192.0.2.9",
        "log-in refused from 2001:db8::1: too many tries",
        f"log-in of account {editor.id} by a link",
        f"account {editor.id} has a new password",
        f"account {editor.id} is author now, by account {admin}",
        f"account {editor.id} ended by account {admin}",
        f"account {editor.id} reopened by account {admin}",
    ]


def test_adding_an_account_again_changes_nothing(db, newsroom, editor):
    again = add_account(db, newsroom.actor, "mara@example.org", "Other", Role.ADMIN)
    assert (again.id, again.role, again.name) == (editor.id, Role.EDITOR, "Mara Eskelund")
    assert [account.email for account in list_accounts(db)] == ["mara@example.org"]


def test_only_admins_make_accounts_and_links(db, newsroom, editor):
    actor = newsroom.account(Role.EDITOR)
    with pytest.raises(Forbidden):
        add_account(db, actor, "x@example.org", "X", Role.ADMIN)
    with pytest.raises(Forbidden):
        make_login_link(db, actor, editor.email)
    with pytest.raises(Forbidden):
        set_password(db, actor, editor.email, "another river")
    with pytest.raises(NotFound):
        make_login_link(db, newsroom.actor, "nobody@example.org")


def test_passwords_are_stored_as_argon2id_at_the_recommended_cost():
    shipped = argon2.PasswordHasher()
    assert SHIPPED.type is argon2.Type.ID
    assert (SHIPPED.time_cost, SHIPPED.memory_cost) == (shipped.time_cost, shipped.memory_cost)
    assert SHIPPED.hash(PASSWORD).startswith("$argon2id$")


NO_ADDRESSES = (
    "",
    "no at sign",
    "a@b",
    "a@example.org\r\nBcc: x@example.org",
    "x" * 400 + "@example.org",
    '"q"@example.org',
)


@pytest.mark.parametrize("email", NO_ADDRESSES)
def test_an_address_that_is_none_is_refused(db, newsroom, email):
    with pytest.raises(Invalid):
        add_account(db, newsroom.actor, email, "X", Role.EDITOR)


def test_a_short_password_is_refused(db, newsroom):
    with pytest.raises(Invalid, match="use 10 to 1,000 characters"):
        add_account(db, newsroom.actor, "x@example.org", "X", Role.EDITOR, password="short")

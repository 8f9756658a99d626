"""Who is never mailed again, and of whom nothing is kept."""

import pytest
from sqlalchemy import select

from models import Alert, Delivery, Recipient, RecipientKind, RecipientState, Role, Subscription
from models.alerts.alerts import create_notice
from models.membership.importing import Row, import_subscribers
from models.membership.suppression import erase_address, lift_suppression, suppress_address
from models.recipients.audience import (
    add_subscriber,
    find_recipient,
    list_recipients,
    remove_recipient,
)
from models.text.errors import Conflict, Forbidden, Invalid, NotFound

ANN = "ann@example.org"


def found(db, address=ANN):
    with db.read() as tx:
        return find_recipient(tx, RecipientKind.MAIL, address)


def imported(db, newsroom):
    [part] = import_subscribers(db, newsroom.actor, [Row(2, ANN, consent="Form 7")])
    return {outcome.value: number for outcome, number in part.counts.items() if number}


def test_a_suppressed_address_returns_only_by_its_owner_or_by_lifting_the_suppression(db, newsroom):
    suppress_address(db, newsroom.actor, "Ann@Example.org", "wrote to us")
    assert (found(db).state, found(db).reason) == (RecipientState.SUPPRESSED, "wrote to us")
    with pytest.raises(Invalid, match="wrote to us"):
        add_subscriber(db, newsroom.actor, ANN)
    assert imported(db, newsroom) == {"suppressed": 1}
    remove_recipient(db, newsroom.actor, RecipientKind.MAIL, ANN, "removed")
    assert found(db).state is RecipientState.SUPPRESSED
    assert lift_suppression(db, newsroom.actor, found(db).uid).state is RecipientState.ENDED, (
        "it never asked for anything"
    )
    with pytest.raises(Conflict):
        lift_suppression(db, newsroom.actor, found(db).uid)
    add_subscriber(db, newsroom.actor, ANN)
    suppress_address(db, newsroom.actor, ANN, "550 by a broken server")
    assert lift_suppression(db, newsroom.actor, found(db).uid).state is RecipientState.CONFIRMED, (
        "its consent stands"
    )


def test_erasing_a_recipient_keeps_only_counts_and_allows_a_new_sign_up(db, newsroom):
    assert imported(db, newsroom) == {"added": 1}
    ann = found(db)
    assert ann.consent["said"] == "Form 7"
    with db.begin() as tx:
        create_notice(tx, ann, "confirm", {"story": "The strike", "confirm": ann.uid})
        told = tx.scalars(select(Delivery)).one()
        told.last_reply, told.settled_at = f"451 <{ANN}> later", told.created_at
    erase_address(db, newsroom.actor, ANN)
    with db.read() as tx:
        row = tx.get_one(Recipient, ann.id)
        assert ANN not in str([getattr(row, column.name) for column in Recipient.__table__.columns])
        assert (row.state, row.consent, row.domain) == (RecipientState.ENDED, None, "")
        assert tx.scalars(select(Delivery.last_reply)).all() == [None]
        assert tx.scalars(select(Alert.notice)).all() == [{"name": "confirm", "values": {}}], (
            "not even what they asked for"
        )
        assert tx.scalars(select(Subscription.ended_at)).one() is not None
        assert list_recipients(tx, RecipientKind.MAIL) == []
    with pytest.raises(NotFound):
        erase_address(db, newsroom.actor, ANN)
    assert imported(db, newsroom) == {"added": 1}
    assert found(db).id != ann.id


def test_a_hash_remains_of_an_erased_suppressed_address(db, newsroom):
    add_subscriber(db, newsroom.actor, ANN)
    suppress_address(db, newsroom.actor, ANN, f"550 5.1.1 <{ANN}> unknown")
    erase_address(db, newsroom.actor, ANN)
    row = found(db)
    assert row.address.startswith("sha256:") and row.reason == "550 5.1.1 <…> unknown"
    with pytest.raises(Invalid):
        add_subscriber(db, newsroom.actor, ANN)
    assert imported(db, newsroom) == {"suppressed": 1}
    lift_suppression(db, newsroom.actor, row.uid)
    assert imported(db, newsroom) == {"added": 1}


def test_only_an_admin_may(db, newsroom):
    editor = newsroom.account(Role.EDITOR)
    for change in (
        lambda: suppress_address(db, editor, ANN, "x"),
        lambda: lift_suppression(db, editor, "x"),
        lambda: erase_address(db, editor, ANN),
    ):
        with pytest.raises(Forbidden):
            change()
    with pytest.raises(Invalid):
        suppress_address(db, newsroom.actor, ANN, "")

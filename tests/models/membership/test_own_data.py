"""What only the owner of a mailbox may do."""

import json

import pytest
from sqlalchemy import select

from models import Alert, RecipientKind
from models.membership.own_data import (
    confirm_move,
    erase_own_data,
    export_own_data,
    request_move,
    require_owner,
    send_fresh_link,
)
from models.recipients.audience import (
    add_subscriber,
    find_recipient,
    recipient_with_subscriptions,
    unsubscribe,
)
from models.text.errors import Invalid
from models.text.tokens import ALL_STREAMS, unsubscribe_token

OLD, NEW = "hedda@post.example", "hedda@new.example"


def last_link(db):
    with db.read() as tx:
        link = tx.scalars(select(Alert.notice).order_by(Alert.id.desc())).first()["values"]["link"]
    return link.rpartition("/")[2]


def test_one_sees_moves_and_erases_what_is_stored(db, newsroom, keys):
    hedda = add_subscriber(db, newsroom.actor, OLD)
    unsubscribe(db, hedda.uid, newsroom.stream().uid)
    send_fresh_link(
        db, keys, unsubscribe_token(keys, hedda.uid, ALL_STREAMS), "203.0.113.7", "data"
    )
    fresh = last_link(db)
    with db.read() as tx:
        stored = json.loads(json.dumps(export_own_data(tx, require_owner(tx, keys, fresh))))
    assert (
        stored["recipient"]["address"],
        stored["follows"][0]["but_not"],
        stored["mails"][0]["what"],
    ) == (
        OLD,
        ["The floods"],
        "fresh-link",
    )
    request_move(db, keys, fresh, NEW, "203.0.113.7")
    assert confirm_move(db, keys, last_link(db), "203.0.113.7").id == hedda.id
    with db.read() as tx:
        moved = find_recipient(tx, RecipientKind.MAIL, NEW)
        assert (
            find_recipient(tx, RecipientKind.MAIL, OLD) is None
            and len(recipient_with_subscriptions(tx, moved.uid)[1]) == 1
        )
    send_fresh_link(
        db, keys, unsubscribe_token(keys, moved.uid, ALL_STREAMS), "203.0.113.7", "data"
    )
    erase_own_data(db, keys, last_link(db))
    with db.read() as tx:
        gone = recipient_with_subscriptions(tx, moved.uid)[0]
    assert gone.erased and gone.consent is None and NEW not in gone.address


def test_nothing_moves_to_a_domain_that_is_not_taken(db, newsroom, keys):
    hedda = add_subscriber(db, newsroom.actor, OLD)
    send_fresh_link(
        db, keys, unsubscribe_token(keys, hedda.uid, ALL_STREAMS), "203.0.113.7", "data"
    )
    with pytest.raises(Invalid):
        request_move(db, keys, last_link(db), NEW, "203.0.113.7", blocked=["new.example"])

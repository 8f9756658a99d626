"""The words by which providers say whether somebody wants mail."""

import pytest

from models import RecipientState
from models.recipients.list_columns import Columns, address_of, as_cell, of_cell
from models.text.errors import Invalid

CONFIRMED, PENDING, ENDED, SUPPRESSED = (
    RecipientState.CONFIRMED,
    RecipientState.PENDING,
    RecipientState.ENDED,
    RecipientState.SUPPRESSED,
)
GHOST = (
    "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,"
    "deleted_at,labels,tiers"
)
LISTMONK = "uuid,email,name,attributes,status,created_at,updated_at"
MAILCHIMP = (
    "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,LEID,EUID,NOTES,TAGS"
)
UNSUBSCRIBED = (
    f"{MAILCHIMP},UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER"
)
CLEANED = f"{MAILCHIMP},CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID"
BUTTONDOWN = "email_address,notes,metadata,tags,type,creation_date,unsubscription_date"
OURS = "email,state,language,timezone,follows,confirmed_at,consent"


def wanted(header: str, **cells: str) -> RecipientState:
    columns = Columns.of(header.split(","))
    return columns.wanted(columns.cells([cells.get(name, "") for name in columns.names])).state


@pytest.mark.parametrize(
    ("header", "cells", "state"),
    [
        (GHOST, {"subscribed_to_emails": "true"}, CONFIRMED),
        (GHOST, {"subscribed_to_emails": "FALSE"}, ENDED),
        (GHOST, {"subscribed_to_emails": "true", "deleted_at": "2026-01-01T00:00:00.000Z"}, ENDED),
        (LISTMONK, {"status": "enabled"}, CONFIRMED),
        (LISTMONK, {"status": "disabled"}, ENDED),
        (LISTMONK, {"status": "blocklisted"}, SUPPRESSED),
        (
            f"{LISTMONK},subscription_status",
            {"status": "enabled", "subscription_status": "unconfirmed"},
            PENDING,
        ),
        (
            f"{LISTMONK},subscription_status",
            {"status": "enabled", "subscription_status": "unsubscribed"},
            ENDED,
        ),
        (MAILCHIMP, {"member_rating": "2"}, CONFIRMED),
        (UNSUBSCRIBED, {"unsub_time": "2024-01-01 10:00:00"}, ENDED),
        (UNSUBSCRIBED, {"unsub_reason": "NORMAL"}, ENDED),
        (CLEANED, {"clean_time": "2024-01-01 10:00:00"}, SUPPRESSED),
        (f"{MAILCHIMP},Status", {"status": "Subscribed"}, CONFIRMED),
        (
            f"{MAILCHIMP},Email Marketing Status",
            {"email_marketing_status": "Non-subscribed"},
            PENDING,
        ),
        (f"{MAILCHIMP},Status", {"status": "cleaned"}, SUPPRESSED),
        *(
            (BUTTONDOWN, {"type": word}, CONFIRMED)
            for word in ("regular", "premium", "trialed", "unpaid", "gifted", "past_due")
        ),
        (BUTTONDOWN, {"type": "unactivated"}, PENDING),
        (BUTTONDOWN, {"type": "unsubscribed"}, ENDED),
        (BUTTONDOWN, {"type": "removed"}, ENDED),
        (BUTTONDOWN, {"type": "spammy"}, SUPPRESSED),
        (BUTTONDOWN, {"type": "regular", "unsubscription_date": "2026-01-01"}, ENDED),
        *((OURS, {"state": state.value}, state) for state in RecipientState),
        ("email,state", {"state": "ended"}, ENDED),
        ("email,state", {"state": "Texas"}, CONFIRMED),
        ("email,type", {"type": "press"}, CONFIRMED),
        ("email,unsubscribed", {"unsubscribed": "yes"}, ENDED),
    ],
)
def test_the_status_of_each_provider_is_obeyed(header, cells, state):
    assert wanted(header, **cells) is state


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (GHOST, {"subscribed_to_emails": ""}),
        (GHOST, {"subscribed_to_emails": "maybe"}),
        (LISTMONK, {"status": ""}),
        (LISTMONK, {"status": "aktiv"}),
        (BUTTONDOWN, {"type": "something new"}),
        (OURS, {"state": "confirmd"}),
    ],
)
def test_an_unknown_status_word_subscribes_nobody(header, cells):
    with pytest.raises(Invalid, match="or remove the row"):
        wanted(header, **cells)


@pytest.mark.parametrize("text", ["=1+1", "'=1+1", "''x", "+a@example.org", "ann@example.org", "'"])
def test_a_cell_is_read_back_as_it_was(text):
    assert of_cell(as_cell(text)) == text


@pytest.mark.parametrize(
    ("cell", "address"),
    [
        ("'+a@example.org", "+a@example.org"),
        ("''a@example.org", "'a@example.org"),
        ("MAILTO:a%2Bb@example.org?subject=x", "a+b@example.org"),
        ("Li <'a'> <a@example.org>", "Li <'a'> <a@example.org>"),
        ("\u2068a@example.org\u2069\u00ad", "a@example.org"),
    ],
)
def test_an_address_is_found_in_its_cell(cell, address):
    assert address_of(cell) == address

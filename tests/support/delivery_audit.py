"""What a fault cost: the ledger's word held against what arrived."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from models import Delivery, DeliveryState, Recipient
from models.db.database import Database

UNFINISHED = {DeliveryState.QUEUED, DeliveryState.CLAIMED}


@dataclass(frozen=True)
class DeliveryAudit:
    """How many were owed and in which state they are; addresses that are lost; how many copies came
    beyond the first.

    Lost: the ledger says sent and nothing arrived, or it is still to be sent although all came to
    rest.
    """

    owed: int
    states: Counter[DeliveryState]
    lost: list[str]
    doubled: int

    @property
    def sent(self) -> int:
        """What the ledger calls sent."""
        return self.states[DeliveryState.SENT]

    def __str__(self) -> str:
        rest = [
            f", {state.value} {self.states[state]}"
            for state in DeliveryState
            if state is not DeliveryState.SENT and self.states[state]
        ]
        return (
            f"owed {self.owed}, sent {self.sent}{''.join(rest)}, lost {len(self.lost)}, doubled"
            f" {self.doubled}"
        )


def audit_deliveries(
    db: Database, arrived: Iterable[tuple[str, str]], *, resting: Iterable[DeliveryState] = ()
) -> DeliveryAudit:
    """``arrived``: address (or a channel's name) and delivery of each message, as its Message-ID or
    header names it.

    Whatever came must be of the ledger, for that address, and not be called skipped there.
    ``resting``: unfinished states that are right at this moment.
    """
    query = select(Delivery.uid, Recipient.address, Delivery.state).join(
        Recipient, Recipient.id == Delivery.recipient_id
    )
    with db.read() as tx:
        rows = {(address, uid): state for uid, address, state in tx.execute(query)}
    copies = Counter(arrived)
    assert copies.keys() <= rows.keys(), "something came that the ledger does not know"
    assert not [row for row in copies if rows[row] is DeliveryState.SKIPPED], (
        "something came that the ledger calls skipped"
    )
    bad = UNFINISHED - set(resting)
    lost = [
        row[0]
        for row, state in rows.items()
        if state in bad or (state is DeliveryState.SENT and row not in copies)
    ]
    return DeliveryAudit(len(rows), Counter(rows.values()), lost, copies.total() - len(copies))

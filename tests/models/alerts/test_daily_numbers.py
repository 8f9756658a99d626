"""Numbers by day."""

from datetime import timedelta

from models import Lane, TallyKind
from models.alerts.alerts import create_notice
from models.alerts.daily_numbers import DayNumbers, last_days, note_day
from models.db.tallies import add_to_tallies
from models.recipients.audience import find_recipient
from models.tables.ledger import RecipientKind


def test_an_evening_is_noted_once_and_days_are_the_difference_of_two(db, newsroom, clock):
    def sent(number: int) -> None:
        with db.begin() as tx:
            add_to_tallies(tx, {(alert.id, Lane.BULK, TallyKind.SENT): number})

    first = clock.now.date()
    assert (note_day(db), note_day(db)) == (True, False)
    addresses = newsroom.subscribe_many(3)
    with db.begin() as tx:
        alert = create_notice(
            tx, find_recipient(tx, RecipientKind.MAIL, addresses[0]), "healed", {}
        )
    sent(5)
    clock.forward(days=1)
    assert note_day(db)
    sent(-2)
    clock.forward(days=2)  # nobody noted one evening
    assert note_day(db)
    sent(4)
    with db.read() as tx:
        assert last_days(tx, 5) == [
            DayNumbers(first - timedelta(days=1), None, None, 0),
            DayNumbers(first, 5, 0, 3),
            DayNumbers(first + timedelta(days=1), None, None, None),
            DayNumbers(first + timedelta(days=2), None, None, 3),
            DayNumbers(first + timedelta(days=3), 4, 0, 3),
        ]

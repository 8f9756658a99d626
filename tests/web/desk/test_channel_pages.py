"""Channels on the desk: every way in, what is refused at the door, and one channel's page."""

from datetime import time

from sqlalchemy import select, update

from config.keys import Keys
from models import Alert, Cadence, Delivery, DeliveryState, Importance, Recipient
from models.membership.channels import list_channels, preferences_of
from models.recipients.audience import ChannelTarget, add_channel, decrypt_target, signing_secret
from models.tables.ledger import AlertKind
from notifier.content.entry import Notice
from notifier.content.render import Sender, notice_to_channel
from notifier.services import SERVICES
from notifier.transport.service_catalogue import catalogue
from tests.support.newsroom import Newsroom
from tests.support.web_person import Person

SECRET = "T00000000/B00000000/" + "s" * 24
SLACK = f"https://hooks.slack.com/services/{SECRET}"
HOOK = "jsons://hooks.example.org/path"
PARTS = {
    "telegram": {
        "bot_token": "123456789:AAabcdefghijklmnopqrstuvwxyz012345678",
        "targets": "-1001234567",
    },
    "matrix": {
        "token": "syt_secret_def",
        "host": "https://matrix.example.org/",
        "targets": "!room:example.org",
    },
    "mattermost": {"host": "chat.example.org:8443", "token": "abcdefghijklmnopqrstuvwxyz"},
    "rocketchat": {"host": "chat.example.org", "webhook": "64f0a1b2c3d4e5f6a7b8c9d0/" + "a" * 60},
    "gotify": {"host": "push.example.org", "token": "AbCdEf123456789"},
    "zulip": {
        "botname": "news-bot",
        "organization": "courier",
        "token": "a" * 32,
        "targets": "news",
    },
    "pushover": {"user_key": "u" * 30, "token": "a" * 30},
    "ntfy": {"host": "ntfy.example.org", "targets": "courier-tarrow"},
}
PASTED = {
    "slack": SLACK,
    "discord": "https://discord.com/api/webhooks/123456789012345678/" + "s" * 60,
    "teams": (
        "https://x.logic.azure.com/workflows/"
        + "a" * 32
        + "/triggers/manual/paths/invoke?api-version=1&sp=x&sv=1&sig="
        + "s" * 43
    ),
    "google-chat": (
        "https://chat.googleapis.com/v1/spaces/AAAA/messages?key=kkkkkkkk&token=tttttttt"
    ),
    "webex": "https://webexapis.com/v1/webhooks/incoming/" + "a" * 80,
    "webhook": "https://hooks.example.org/path",
}


def channels(newsroom: Newsroom) -> list[Recipient]:
    with newsroom.db.read() as tx:
        return list(list_channels(tx))


def add(newsroom: Newsroom, keys: Keys, name: str = "Room", url: str = HOOK) -> Recipient:
    return add_channel(
        newsroom.db,
        newsroom.actor,
        keys,
        name,
        ChannelTarget(url, "webhook", "JSON webhook hooks.example.org …"),
    )


def test_each_service_has_a_form_that_makes_its_url(
    admin: Person, newsroom: Newsroom, keys: Keys
) -> None:
    assert set(catalogue()) == PARTS.keys() | PASTED.keys()
    for name, offer in catalogue().items():
        assert set(PARTS.get(name, ())) == {part.name for part in offer.parts}
        assert SERVICES[name].template in ("", *SERVICES[name].plugin.templates)
        page = admin.get(f"/desk/channels/new/{name}")
        assert offer.setup_url in page.text
        added = admin.send(
            page, "/desk/channels", name=name, **PARTS.get(name, {"url": PASTED.get(name, "")})
        )
        assert added.status_code == 303, added.text
        assert admin.get(added.location).status_code == 200
    found = {channel.address: channel.service for channel in channels(newsroom)}
    assert found == {name: name for name in catalogue()} | {"telegram": "telegram-group"}
    shown = admin.get("/desk/channels").text
    hook = next(channel for channel in channels(newsroom) if channel.service == "webhook")
    assert signing_secret(keys, hook.uid) in admin.get(f"/desk/channels/{hook.uid}").text, (
        "its receiver needs it"
    )
    assert not [
        one for one in channels(newsroom) if "ssssss" in (one.sealed_url or "") + one.masked_url
    ]
    assert not [
        text for text in ("ssssss", "syt_secret", "AbCdEf123456789", "uuuuuu") if text in shown
    ]
    assert admin.get("/desk/channels/new/nothing").status_code == 404


BAD = [
    f"{HOOK}?{name}"
    for name in ("attach=/etc/passwd", "redirect=yes", "verify=no", "optional=yes", "retry=10")
]
BAD += [
    "jsons://10.0.0.1/hook",
    "jsons://2130706433/hook",
    "jsons://[::ffff:127.0.0.1]/hook",
    "dbus://",
    "syslog://",
]


def test_what_would_loosen_a_check_or_stay_inside_is_refused_at_the_door(
    admin: Person, newsroom: Newsroom, keys: Keys
) -> None:
    room = add(newsroom, keys)
    pages = admin.get("/desk/channels"), admin.get(f"/desk/channels/{room.uid}")
    for url in BAD:
        for page in pages:
            refused = admin.send(page, page.request.path, name="Newsroom", url=url)
            assert refused.status_code == 422, url
            assert 'id="url-w"' in refused.text, url
    fields = {"name": "Newsroom", "url": SLACK, "stream": ""}
    odd = {
        "url": ["", "\x00", "https://" + "x" * 1_000_000, "mailto://user:hidden@example.org"],
        "name": ["", "a\x00b", "Room"],
        "stream": ["nothing"],
    }
    for field, value in [(field, value) for field, values in odd.items() for value in values]:
        refused = admin.send(pages[0], "/desk/channels", **(fields | {field: value}))
        assert refused.status_code == 422, value[:40]
        assert f'id="{field}-w"' in refused.text, value[:40]
        assert SECRET not in refused.text and "hidden@" not in refused.text
    assert [decrypt_target(keys, channel.sealed_url) for channel in channels(newsroom)] == [HOOK]


def test_a_refused_form_gives_back_what_is_no_secret(admin: Person) -> None:
    refused = admin.send(
        admin.get("/desk/channels/new/gotify"),
        "/desk/channels",
        name="Push",
        host="10.0.0.1",
        token="AbCdEf123456789",
    )
    assert refused.status_code == 422
    assert (
        'value="10.0.0.1"' in refused.text
        and 'value="Push"' in refused.text
        and "AbCdEf" not in refused.text
    )
    assert (
        "Application token is missing"
        in admin.send(refused, "/desk/channels", host="push.example.org").text
    )


def test_a_channel_gets_the_alerts_that_its_page_states(
    admin: Person, newsroom: Newsroom, keys: Keys
) -> None:
    newsroom.stream("drought")
    room = add(newsroom, keys)
    path = f"/desk/channels/{room.uid}"
    fields = admin.form(admin.get(path), path)[1] | {
        "name": "Water room", "stream": "floods", "tags": "River Level, dykes",
        "least": "key", "kinds": "new",
        "cadence": "daily", "at": "18:30", "sooner": "breaking", "quiet_from": "22:00",
        "quiet_until": "06:00", "timezone": "Europe/Kyiv",
    }  # fmt: skip
    assert admin.post(path, fields).status_code == 303
    with newsroom.db.read() as tx:
        [channel] = list_channels(tx)
        wanted = preferences_of(tx, channel)
    [follow] = wanted.follows
    assert (channel.address, channel.timezone, channel.quiet_from, channel.quiet_until) == (
        "Water room",
        "Europe/Kyiv",
        time(22),
        time(6),
    )
    assert (set(follow.tags), follow.least_importance, follow.corrections) == (
        {"dykes", "river-level"},
        Importance.KEY,
        False,
    )
    assert (follow.rhythm.cadence, follow.rhythm.digest_time, follow.rhythm.at_once_from) == (
        Cadence.DAILY,
        time(18, 30),
        Importance.BREAKING,
    )
    assert decrypt_target(keys, channel.sealed_url) == HOOK
    shown = admin.form(admin.get(path), path)[1]
    assert {
        name: shown[name] for name in fields if name not in {"csrf_token", "tags", "stream"}
    } == {name: fields[name] for name in fields if name not in {"csrf_token", "tags", "stream"}}
    for field, wrong in [
        ("timezone", {"timezone": "Mars/Olympus"}), ("quiet hours", {"quiet_until": ""}),
        ("kinds", {"kinds": ""}),
        ("stream", {"stream": ""}),
        ("stream", {"stream": "nothing"}), ("name", {"name": ""}), ("at", {"at": "25:00"}),
        ("minutes", {"cadence": "interval", "minutes": "1"}),
    ]:  # fmt: skip
        answer = admin.post(
            path,
            {
                name: value
                for name, value in (fields | wrong).items()
                if value or name not in {"stream"}
            },
        )
        assert answer.status_code == 422, field
        assert "is-wrong" in answer.text or 'class="wrong"' in answer.text, field
    add(newsroom, keys, "Other")
    assert admin.post(path, fields | {"name": "Other"}).status_code == 422


def test_a_test_is_marked_as_one_and_its_end_is_shown(
    admin: Person, newsroom: Newsroom, keys: Keys, rings: list[None]
) -> None:
    newsroom.post(title="River rising", dek="At the bridge")
    room = add(newsroom, keys)
    path = f"/desk/channels/{room.uid}"
    assert admin.send(admin.get(path), f"{path}/test").status_code == 303
    assert rings
    page = admin.get(path).text
    assert "Sending test…" in page and 'http-equiv="refresh"' in page
    assert admin.send(admin.get(path), f"{path}/test").status_code == 409, "one at a time"
    with newsroom.db.begin() as tx:
        notice = tx.scalars(select(Alert.notice).where(Alert.kind == AlertKind.NOTICE)).one()
        ended = {
            "state": DeliveryState.FAILED,
            "last_reply": "404 no such hook",
            "settled_at": room.created_at,
        }
        tx.execute(update(Delivery).values(ended))
    sender = Sender(name="Courier", base_url="https://news.example.org", imprint="", mail_from="")
    told = notice_to_channel(Notice("test", notice["values"]), sender, "u1")
    assert (told.event, told.headline, told.dek) == ("test", "Test: River rising", "At the bridge")
    assert told.url.startswith("https://news.example.org/streams/floods/entries/")
    page = admin.get(path).text
    assert "Test failed" in page and "“404 no such hook”" in page and "refresh" not in page


def test_a_failing_channel_shows_its_reason_and_can_be_retried(
    admin: Person, newsroom: Newsroom, keys: Keys
) -> None:
    room = add(newsroom, keys)
    with newsroom.db.begin() as tx:
        later = room.created_at.replace(year=2030)
        tx.execute(
            update(Recipient).values(
                sick_since=room.created_at, next_at=later, reason="410 gone", refusals=3
            )
        )
    path = f"/desk/channels/{room.uid}"
    assert all("410 gone" in admin.get(page).text for page in (path, "/desk/channels"))
    assert admin.send(admin.get(path), f"{path}/again").status_code == 303
    with newsroom.db.read() as tx:
        assert tx.scalars(select(Recipient.next_at)).one() is None
        assert len(tx.scalars(select(Delivery)).all()) == 1, "a test, since nothing else waits"
    assert admin.send(admin.get(path), f"{path}/remove").location == "/desk/channels"
    assert channels(newsroom) == []
    assert admin.get(path).status_code == 404

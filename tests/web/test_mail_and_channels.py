"""The demo's caught mail, and channels."""

from pathlib import Path

import pytest

from config.settings import Settings
from models.audience import list_recipients
from models.ledger import RecipientKind
from notifier.caught import store
from tests.conftest import Newsroom
from tests.web.conftest import Person

HTML = "<html><head><style>p{color:red}</style></head><body><p onclick='x()'>Hello</p><script>alert(1)</script></body></html>"
MAIL = (
    "Subject: =?utf-8?q?Fl=C3=B6d?= <b>\r\nFrom: The Courier <c@example.org>\r\nTo: r@example.org\r\nX-Odd: <script>\r\n"
    'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
    "Read on: https://news.example.org/x <script>\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + HTML + "\r\n--b--\r\n"
).encode()
SECRET = "T00000000/B00000000/" + "s" * 24
SLACK = f"https://hooks.slack.com/services/{SECRET}"


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.data_dir / "caught"


def test_mail_is_shown_only_where_it_is_caught(admin: Person, folder: Path) -> None:
    assert "/desk/caught" not in admin.get("/desk").text
    assert admin.get("/desk/caught").status_code == 404
    folder.mkdir()
    assert "/desk/caught" in admin.get("/desk").text
    assert "None yet" in admin.get("/desk/caught").text


def test_a_mail_is_shown_in_all_its_parts_and_can_do_nothing(admin: Person, folder: Path) -> None:
    mail_id = store(folder, "c@example.org", ["r@example.org"], MAIL)
    assert "Flöd &lt;b&gt;" in admin.get("/desk/caught").text
    page = admin.get(f"/desk/caught/{mail_id}").text
    assert f'src="/desk/caught/{mail_id}/html"' in page and 'sandbox="allow-popups' in page
    assert 'href="https://news.example.org/x"' in page and "X-Odd" in page
    assert "<script>" not in page
    frame = admin.get(f"/desk/caught/{mail_id}/html")
    policy = frame.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "sandbox" in policy and "allow-scripts" not in policy and "frame-ancestors 'self'" in policy
    assert "Hello" in frame.text


def test_many_mails_have_pages(admin: Person, folder: Path) -> None:
    for number in range(51):
        store(folder, "c@example.org", ["r@example.org"], f"Subject: Mail {number}\r\n\r\nText".encode())
    first = admin.get("/desk/caught").text
    assert "Mail 50" in first and ">Mail 0<" not in first
    assert ">Mail 0<" in admin.get("/desk/caught?after=50").text


def test_a_channel_is_added_and_its_url_never_shown(admin: Person, newsroom: Newsroom) -> None:
    added = admin.send(admin.get("/desk/channels"), name="Newsroom", url=SLACK, stream="floods")
    assert added.status_code == 303
    page = admin.get("/desk/channels").text
    assert "Newsroom" in page and "Slack" in page
    assert SECRET not in page and "s" * 24 not in page
    with newsroom.db.read() as tx:
        channel = list_recipients(tx, RecipientKind.CHANNEL)[0]
    assert SECRET not in (channel.sealed_url or "") + channel.masked_url


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("url", {"url": "mailto://user:pass@example.org"}),
        ("url", {"url": "jsons://127.0.0.1/hook"}),
        ("url", {"url": "json://169.254.169.254/latest"}),
        ("url", {"url": ""}),
        ("url", {"url": "\x00"}),
        ("url", {"url": "https://" + "x" * 1_000_000}),
        ("name", {"name": ""}),
        ("name", {"name": "a\x00b"}),
        ("stream", {"stream": "nothing"}),
    ],
)
def test_a_channel_that_cannot_be_told_is_refused_in_one_sentence(
    field: str, fields: dict[str, str], admin: Person, newsroom: Newsroom
) -> None:
    refused = admin.send(admin.get("/desk/channels"), **({"name": "Newsroom", "url": SLACK} | fields))
    assert refused.status_code == 422
    assert f'id="{field}-w"' in refused.text
    assert SECRET not in refused.text and "pass" not in refused.text.replace("password", "")
    with newsroom.db.read() as tx:
        assert not list_recipients(tx, RecipientKind.CHANNEL)


def test_a_name_is_given_once(admin: Person) -> None:
    for status in (303, 422):
        assert admin.send(admin.get("/desk/channels"), name="Newsroom", url=SLACK).status_code == status

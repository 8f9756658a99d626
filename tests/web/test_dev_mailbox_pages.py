"""The demo's caught mail."""

from pathlib import Path

import pytest

from config.settings import Settings
from tests.support.web_person import Person
from web.dev_mailbox import store

HTML = (
    "<html><head><style>p{color:red}</style></head><body><p"
    " onclick='x()'>Hello</p><script>alert(1)</script></body></html>"
)
MAIL = (
    "Subject: =?utf-8?q?Fl=C3=B6d?= <b>\r\nFrom: The Courier <c@example.org>\r\nTo:"
    " r@example.org\r\nX-Odd: <script>\r\nContent-Type: multipart/alternative;"
    ' boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nRead on:'
    " https://news.example.org/x <script>\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    + HTML
    + "\r\n--b--\r\n"
).encode()


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.data_dir / "caught"


def test_mail_is_shown_only_where_it_is_caught(admin: Person, folder: Path) -> None:
    assert "/desk/caught" not in admin.get("/desk").text
    assert admin.get("/desk/caught").status_code == 404
    folder.mkdir()
    assert "/desk/caught" in admin.get("/desk").text
    assert "No e-mails yet" in admin.get("/desk/caught").text


def test_a_mail_is_shown_in_all_its_parts_and_can_do_nothing(admin: Person, folder: Path) -> None:
    mail_id = store(folder, "c@example.org", ["r@example.org"], MAIL)
    assert "Flöd &lt;b&gt;" in admin.get("/desk/caught").text
    page = admin.get(f"/desk/caught/{mail_id}").text
    assert f'src="/desk/caught/{mail_id}/html"' in page and 'sandbox="allow-popups' in page
    assert 'href="https://news.example.org/x"' in page and "X-Odd" in page
    assert "<script>" not in page
    frame = admin.get(f"/desk/caught/{mail_id}/html")
    policy = frame.headers["Content-Security-Policy"]
    assert (
        "default-src 'none'" in policy
        and "sandbox" in policy
        and "allow-scripts" not in policy
        and "frame-ancestors 'self'" in policy
    )
    assert "Hello" in frame.text


def test_many_mails_have_pages(admin: Person, folder: Path) -> None:
    for number in range(51):
        store(
            folder,
            "c@example.org",
            ["r@example.org"],
            f"Subject: Mail {number}\r\n\r\nText".encode(),
        )
    first = admin.get("/desk/caught").text
    assert "Mail 50" in first and ">Mail 0<" not in first
    assert ">Mail 0<" in admin.get("/desk/caught?after=50").text

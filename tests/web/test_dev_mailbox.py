from datetime import UTC, datetime, timedelta

import pytest

from models.text.errors import NotFound
from web.dev_mailbox import caught, read_caught, store

NOON = datetime(2026, 3, 14, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def keep(tmp_path):
    def keep(content, minutes=0, recipients=("reader@example.org",)):
        return store(
            tmp_path,
            "bounce@example.org",
            recipients,
            content,
            now=NOON + timedelta(minutes=minutes),
        )

    return keep


@pytest.fixture
def read(tmp_path, keep):
    return lambda content: read_caught(tmp_path, keep(content))


def test_the_list_is_paged_newest_first(tmp_path, keep):
    for number in (2, 0, 4, 1, 3):
        keep(b"Subject: mail %d\r\n\r\n" % number, minutes=number)
    assert [mail.subject for mail in caught(tmp_path, limit=2)] == ["mail 4", "mail 3"]
    assert [mail.subject for mail in caught(tmp_path, limit=2, offset=2)] == ["mail 2", "mail 1"]
    assert [mail.subject for mail in caught(tmp_path, limit=2, offset=4)] == ["mail 0"]
    assert caught(tmp_path, offset=5) == []


def test_nothing_caught_yet_is_an_empty_list(tmp_path):
    assert caught(tmp_path / "none") == []


def test_the_list_knows_envelope_and_time(tmp_path, keep):
    mail_id = keep(
        b"X-Envelope-To: forged@example.org\r\nSubject: hi\r\n\r\n",
        recipients=("a@example.org", "b@example.org"),
    )
    (mail,) = caught(tmp_path)
    assert (mail.id, mail.caught_at, mail.envelope_from) == (mail_id, NOON, "bounce@example.org")
    assert mail.envelope_to == ("a@example.org", "b@example.org")


def test_only_whole_mails_are_listed(tmp_path, keep):
    name = keep(b"Subject: whole\r\n\r\n")
    (tmp_path / f"{name[:-1]}x.tmp").write_bytes(b"X-Envel")
    (tmp_path / "notes.eml").write_bytes(b"mine")
    assert [mail.id for mail in caught(tmp_path)] == [name]


def test_caught_mail_is_readable_only_by_its_owner(tmp_path, keep):
    keep(b"\r\nhttps://news.example.org/login/secret")
    assert [oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == ["0o600"]


NOT_OURS = [
    *("", ".", "..", "../secret", "/etc/passwd", "a\0b"),
    *(
        "20260314T120000250000-0123456",
        "٢٠260314T120000250000-01234567",
        "20260314T120000250000-01234567\n",
    ),
]


@pytest.mark.parametrize("mail_id", NOT_OURS)
def test_an_id_that_is_not_one_of_ours_is_not_found(tmp_path, mail_id):
    (tmp_path / "caught").mkdir()
    (tmp_path / "secret.eml").write_bytes(b"Subject: secret\r\n\r\n")
    with pytest.raises(NotFound):
        read_caught(tmp_path / "caught", mail_id)


def test_an_id_of_no_mail_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        read_caught(tmp_path, "20260314T120000250000-01234567")


def test_a_whole_mail_is_read_into_values(read):
    message = read(
        b"From: =?utf-8?q?Tarrow_Valley_C=C3=B6urier?= <news@example.org>\r\nTo:"
        b" reader@example.org\r\nSubject: River\r\n rising\r\nDate: Sat, 14 Mar 2026 12:00:00"
        b" +0000\r\nX-Two: 1\r\nX-Two: 2\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;"
        b' boundary="x"\r\n\r\n--x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment;'
        b' filename="a.txt"\r\n\r\nnot the text\r\n--x\r\nContent-Type: text/plain;'
        b" charset=iso-8859-1\r\nContent-Transfer-Encoding:"
        b" quoted-printable\r\n\r\nh=F6her\r\n--x\r\nContent-Type: text/html;"
        b" charset=utf-8\r\nContent-Transfer-Encoding:"
        b" base64\r\n\r\nPGI+aMO2aGVyPC9iPg==\r\n--x--\r\n"
    )
    assert (message.sender, message.to) == (
        "Tarrow Valley Cöurier <news@example.org>",
        "reader@example.org",
    )
    assert (message.subject, message.date) == ("River rising", "Sat, 14 Mar 2026 12:00:00 +0000")
    assert (message.text, message.html) == ("höher", "<b>höher</b>")
    assert [value for name, value in message.headers if name == "X-Two"] == ["1", "2"]
    assert not [name for name, _ in message.headers if name.startswith("X-Envelope")]


@pytest.mark.parametrize(
    ("content", "subject", "text"),
    [
        (b"", "", ""),
        (b"no headers at all", "", "no headers at all"),
        (b"Subject: =?no-such-charset?q?abc?=\r\n\r\nx", "=?no-such-charset?q?abc?=", "x"),
        (b"Subject: =?utf-8?b?A?=\r\n\r\nx", "=?utf-8?b?A?=", "x"),
        (b"Subject: \xff\xfe\r\n\r\nx", "\ufffd\ufffd", "x"),
        (b"Content-Type: text/plain; charset=no-such\r\n\r\n\xc3\xbc\xff", "", "ü\ufffd"),
        (b'Content-Type: text/plain; charset="a\0b"\r\n\r\nx', "", "x"),
        (b"Content-Type: multipart/mixed; boundary=missing\r\n\r\nx", "", None),
        (b"To: a@b, <<<, =?x\r\nSubject: s\r\n\r\nx", "s", "x"),
    ],
)
def test_a_broken_mail_is_shown_as_far_as_it_goes(read, content, subject, text):
    message = read(content)
    assert (message.subject, message.text, message.html) == (subject, text, None)


@pytest.mark.parametrize(
    "content",
    [
        b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-\r\n",
        b"Subject: =?unicode_escape?q?=5Cud800?=\r\n\r\nx",
        b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
            for n in range(2000)
        ),
    ],
    ids=["a lone surrogate", "a lone surrogate in a header", "parts in parts in parts"],
)
def test_no_mail_keeps_the_others_from_being_seen(tmp_path, keep, read, content):
    mail = read(content)
    keep(b"Subject: another\r\n\r\n", minutes=1)
    shown = [
        mail.text or "",
        mail.subject,
        *(value for _, value in mail.headers),
        *(one.subject for one in caught(tmp_path)),
    ]
    assert "".join(shown).encode()
    assert "another" in shown

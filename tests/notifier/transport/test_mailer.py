"""Mail through Apprise to a real SMTP server, read back by the standard library's parser."""

import email
import email.policy
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from hypothesis import given
from hypothesis import strategies as st

from notifier.message.send_errors import Refused, SendError, Sent, Unavailable, Unknown
from notifier.transport import smtp
from notifier.transport.mailer import Mailer
from notifier.transport.mime import MARK, BadJob, MailBatch, MailJob, render, wire_address
from tests.support.bare_server import BareServer
from tests.support.certificate import Certificate
from tests.support.examples import examples
from tests.support.inbox import DROP, Inbox

FROM = "Storywire <news@example.org>"


def batch(**changed: object) -> MailBatch:
    values: dict[str, object] = {
        "subject": "Breaking: річка вийшла з берегів",
        "html": '<p>Rain — <a href="https://news.example.org/u/{token}">stop</a></p>',
        "text": "Rain.\n\nRead on: https://news.example.org/streams/storm\nStop: https://news.example.org/u/{token}\n",
        "list_id": "storm.news.example.org",
        "references": ("stream-storm@example.org", "<entry-1@example.org>"),
        "unsubscribe_url": "https://news.example.org/u/{token}",
        "unsubscribe_mailto": "stop@example.org?subject={token}",
    }
    return MailBatch(**{**values, **changed})  # type: ignore[arg-type]


def job(name: str = "ann", token: str = "tok.ann") -> MailJob:
    return MailJob(f"uid-{name}", f"{name}@example.net", token)


def read(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def parts(mail: EmailMessage) -> tuple[str, str]:
    """Text and HTML as a reader sees them."""
    text, html = mail.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    return text.get_content().replace("\r\n", "\n"), html.get_content().replace("\r\n", "\n")


class Ledger:
    """Collects outcomes in order, and answers whether the lease still holds."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Sent | SendError]] = []

    def settle(self, job: MailJob, outcome: Sent | SendError) -> None:
        self.rows.append((job.address, outcome))

    def send(self, mailer: Mailer, *jobs: MailJob, **changed: object) -> list[Sent | SendError]:
        before = len(self.rows)
        mailer.send(batch(**changed), jobs, self.settle, lambda job: True)
        return [outcome for _, outcome in self.rows[before:]]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_a_batch_reaches_each_reader_with_a_token_of_their_own(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    outcomes = ledger.send(mailer, job("ann", "aaa.AAA-1"), job("bo", "bbb_BBB~2"))

    assert outcomes == [Sent("250 2.0.0 stored"), Sent("250 2.0.0 stored")]
    assert inbox.addresses == ["ann@example.net", "bo@example.net"]
    for mail, name, token in zip(
        inbox.mails, ("ann", "bo"), ("aaa.AAA-1", "bbb_BBB~2"), strict=True
    ):
        assert mail["To"] == f"{name}@example.net"
        assert mail["Message-ID"] == f"<uid-{name}@example.org>"
        text, html = parts(mail)
        assert (
            text
            == f"Rain.\n\nRead on: https://news.example.org/streams/storm\nStop: https://news.example.org/u/{token}\n"
        )
        assert f'<a href="https://news.example.org/u/{token}">stop</a>' in html
        assert (
            mail["List-Unsubscribe"]
            == f"<https://news.example.org/u/{token}>, <mailto:stop@example.org?subject={token}>"
        )
    assert len(inbox.sessions) == 1


def test_the_headers_are_those_that_readers_and_servers_look_for(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    ledger.send(mailer, job())

    mail = inbox.mails[0]
    assert mail["Subject"] == "Breaking: річка вийшла з берегів"
    assert mail["From"] == FROM
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == "<storm.news.example.org>"
    assert mail["In-Reply-To"] == "<entry-1@example.org>"
    assert mail["References"] == "<stream-storm@example.org> <entry-1@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert abs((mail["Date"].datetime - datetime.now(UTC)).total_seconds()) < 60
    for name in (
        "Message-ID",
        "Subject",
        "From",
        "To",
        "Date",
        "MIME-Version",
        "Content-Type",
        "List-Unsubscribe",
    ):
        assert len(mail.get_all(name)) == 1, name
    assert inbox.envelopes[0].mail_from == "news@example.org"
    assert max(len(line) for line in inbox.envelopes[0].content.splitlines()) <= 100


def test_a_mailbox_that_several_people_read_is_promised_no_one_click(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    ledger.send(mailer, replace(job(), one_click=False))
    assert (
        inbox.mails[0]["List-Unsubscribe"] is not None
        and inbox.mails[0]["List-Unsubscribe-Post"] is None
    )


def test_a_personal_notice_has_no_list_headers(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    ledger.send(mailer, job(), list_id="", unsubscribe_url="", unsubscribe_mailto="", references=())
    assert not {
        "List-Id",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "References",
        "In-Reply-To",
    } & set(inbox.mails[0].keys())


def test_a_second_try_carries_the_same_message_id(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.replies["data"] = [DROP]
    ledger.send(mailer, job())
    ledger.send(mailer, job())
    assert [mail["Message-ID"] for mail in inbox.mails] == ["<uid-ann@example.org>"] * 2


@examples(60)
@given(padding=st.integers(0, 160), token=st.text("abcXYZ019._~-", min_size=1, max_size=200))
def test_a_token_survives_wherever_quoted_printable_wraps(padding: int, token: str) -> None:
    form = render(
        batch(
            text="ö" * padding + "{token}" + "é" * 40 + "\n", html="x" * padding + "{token}{token}"
        ),
        FROM,
    )
    raw = form.fill(MailJob("u", "a@example.org", token), "a@example.org")
    assert parts(read(raw)) == (
        "ö" * padding + token + "é" * 40 + "\n",
        "x" * padding + token * 2 + "\n",
    )
    assert MARK.encode() not in raw
    assert max(len(line) for line in raw.partition(b"\r\n\r\n")[2].split(b"\r\n")) <= 76


@given(
    subject=st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=300).filter(
        lambda text: text.strip(" ")
    )
)
def test_any_subject_arrives_as_written(subject: str) -> None:
    raw = render(batch(subject=subject), FROM).fill(job(), "a@example.org")
    assert re.search(rb"(?m)^Subject: ", raw)
    mail = read(raw)
    assert " ".join(mail["Subject"].split()) == " ".join(subject.split())
    assert len(mail.get_all("Subject")) == 1


def test_a_line_of_one_dot_does_not_end_the_mail(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    ledger.send(mailer, job(token="." * 150), text="before\n.\n..\n{token}\nafter\n")
    assert parts(inbox.mails[0])[0] == "before\n.\n..\n" + "." * 150 + "\nafter\n"


@pytest.mark.parametrize(
    "field", ["subject", "from_", "list_id", "unsubscribe_url", "unsubscribe_mailto"]
)
@pytest.mark.parametrize("evil", ["a\r\nBcc: all@example.org", "a\nb", "a\rb", "a\x00b"])
def test_a_line_break_in_a_header_is_refused(field: str, evil: str) -> None:
    with pytest.raises(ValueError, match="header"):
        batch(**{field: evil})


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(ValueError, match="Unicode"):
        batch(text="\ud800")


@pytest.mark.parametrize(
    "bad",
    [
        MailJob("uid", "ann@example.net\r\nRCPT TO:<all@example.org>", "t"),
        MailJob("uid", "ann@example.net>", "t"),
        MailJob("uid", "no address", "t"),
        MailJob("uid", "ann@" + "x" * 260, "t"),
        MailJob("u\r\nX: y", "ann@example.net", "t"),
        MailJob("uid", "ann@example.net", "a b"),
        MailJob("uid", "ann@example.net", "a\r\nb"),
    ],
)
def test_a_bad_row_is_refused_and_the_next_one_sent(
    bad: MailJob, mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    outcomes = ledger.send(mailer, bad, job("bo"))
    assert isinstance(outcomes[0], Refused)
    assert not outcomes[0].ends_address
    assert inbox.addresses == ["bo@example.net"]


def test_an_international_domain_goes_out_as_punycode(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    ledger.send(mailer, MailJob("uid", "ann@bücher.example", "t"))
    assert inbox.addresses == ["ann@xn--bcher-kva.example"]
    assert inbox.mails[0]["To"] == "ann@xn--bcher-kva.example"


def test_an_international_local_part_goes_out_where_the_server_takes_it(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    assert isinstance(ledger.send(mailer, MailJob("uid", "аня@bücher.example", "t"))[0], Sent)
    assert inbox.addresses == ["аня@xn--bcher-kva.example"]
    assert "SMTPUTF8" in inbox.envelopes[0].mail_options
    assert "To: аня@xn--bcher-kva.example\r\n".encode() in inbox.envelopes[0].content


def test_an_international_local_part_is_refused_where_the_server_does_not(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.SMTP_kwargs["enable_SMTPUTF8"] = False
    outcomes = ledger.send(mailer, MailJob("uid", "аня@example.net", "t"), job("bo"))
    assert isinstance(outcomes[0], Refused)
    assert not outcomes[0].ends_address
    assert inbox.addresses == ["bo@example.net"]


def test_only_what_looks_like_an_address_goes_on_the_wire() -> None:
    assert wire_address("ann+storm@localhost") == "ann+storm@localhost"
    for bad in ("", "@", "a@", "@b", "a@b@c", "a b@c", "a@-b", "ann@example.org.\n"):
        with pytest.raises(BadJob):
            wire_address(bad)


def test_each_message_is_settled_before_the_next_is_asked_for(mailer: Mailer, inbox: Inbox) -> None:
    log: list[str] = []

    def may_send(job: MailJob) -> bool:
        log.append(f"may {job.uid} with {len(inbox.envelopes)} stored")
        return True

    def settle(job: MailJob, outcome: Sent | SendError) -> None:
        log.append(f"settled {job.uid} with {len(inbox.envelopes)} stored")

    mailer.send(batch(), [job("ann"), job("bo")], settle, may_send)
    assert log == [
        "may uid-ann with 0 stored",
        "settled uid-ann with 1 stored",
        "may uid-bo with 1 stored",
        "settled uid-bo with 2 stored",
    ]


def test_a_lost_lease_stops_the_batch(mailer: Mailer, inbox: Inbox, ledger: Ledger) -> None:
    mailer.send(batch(), [job("ann"), job("bo")], ledger.settle, lambda job: job.uid == "uid-ann")
    assert inbox.addresses == ["ann@example.net"]
    assert len(ledger.rows) == 1


def test_an_exception_of_the_ledger_comes_through_apprise(mailer: Mailer, inbox: Inbox) -> None:
    def settle(job: MailJob, outcome: Sent | SendError) -> None:
        raise LookupError("database gone")

    with pytest.raises(LookupError, match="database gone"):
        mailer.send(batch(), [job("ann"), job("bo")], settle, lambda job: True)
    assert inbox.addresses == ["ann@example.net"]


def test_an_unknown_recipient_ends_that_address_and_the_rest_is_sent(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.replies["rcpt"] = ["550 5.1.1 no such user"]
    refused, sent = ledger.send(mailer, job("gone"), job("bo"))
    assert isinstance(refused, Refused)
    assert refused.ends_address
    assert (refused.stage, refused.code, refused.enhanced, refused.reason) == (
        "rcpt",
        550,
        "5.1.1",
        "550 5.1.1 no such user",
    )
    assert isinstance(sent, Sent)
    assert len(inbox.sessions) == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_a_reply_of_the_400s_at_any_stage_waits_and_the_rest_is_sent(
    stage: str, mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.replies[stage] = ["451 4.3.0 later"]
    waits, sent = ledger.send(mailer, job("ann"), job("bo"))
    assert isinstance(waits, Unavailable)
    assert (waits.stage, waits.code, waits.enhanced) == (stage, 451, "4.3.0")
    assert isinstance(sent, Sent)


@pytest.mark.parametrize("stage", ["mail", "data"])
def test_a_final_refusal_of_sender_or_content_fails_the_row(
    stage: str, mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.replies[stage] = ["554 5.6.0 not like this"]
    refused, _ = ledger.send(mailer, job("ann"), job("bo"))
    assert isinstance(refused, Refused)
    assert not refused.ends_address
    assert refused.stage == stage


def test_after_421_the_next_message_finds_a_new_connection(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.replies["rcpt"] = ["421 4.3.2 shutting down"]
    waits, sent = ledger.send(mailer, job("ann"), job("bo"))
    assert isinstance(waits, Unavailable)
    assert isinstance(sent, Sent)
    assert len(inbox.sessions) == 2


@pytest.mark.parametrize("stage", ["rcpt", "mail"])
def test_a_drop_before_the_message_was_handed_over_is_tried_again_later(
    stage: str, mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.replies[stage] = [DROP]
    waits, sent = ledger.send(mailer, job("ann"), job("bo"))
    assert isinstance(waits, Unavailable)
    assert waits.stage == stage
    assert isinstance(sent, Sent)


def test_a_drop_after_the_message_was_handed_over_is_unknown(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.replies["data"] = [DROP]
    unknown, sent = ledger.send(mailer, job("ann"), job("bo"))
    assert isinstance(unknown, Unknown)
    assert isinstance(sent, Sent)


@pytest.mark.parametrize(
    ("reply", "means"),
    [("200 taken", Sent), ("259 taken", Sent), ("taken", Unknown), ("354 go on", Unknown)],
)
def test_any_reply_to_a_whole_message_that_is_no_refusal_may_mean_that_it_was_taken(
    reply: str, means: type, mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.replies["data"] = [reply]
    outcome, sent = ledger.send(mailer, job("ann"), job("bo"))
    assert isinstance(outcome, means)
    assert isinstance(sent, Sent)


def test_a_kept_connection_that_died_costs_no_attempt(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    ledger.send(mailer, job("ann"))
    inbox.replies["mail"] = [DROP]
    assert isinstance(ledger.send(mailer, job("bo"))[0], Sent)
    assert len(inbox.sessions) == 2


@pytest.mark.parametrize("rcpt", ["250 ok", "550 5.1.1 no such user"])
def test_a_server_that_takes_several_commands_at_once_gets_them_in_one_packet(
    rcpt: str, bare_server: Callable[..., BareServer], ledger: Ledger
) -> None:
    seen: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        for reply in (
            "220 hello",
            "250-hello\r\n250 PIPELINING",
            f"250 ok\r\n{rcpt}\r\n354 go on",
            "250 stored",
            "221 bye",
        ):
            connection.sendall(f"{reply}\r\n".encode())
            seen.append(connection.recv(100_000))

    server = bare_server(talk)
    mailer = Mailer(f"smtp://127.0.0.1:{server.port}", FROM, timeout=5)
    [outcome] = ledger.send(mailer, job("ann"))
    mailer.close()
    assert seen[1] == b"MAIL FROM:<news@example.org>\r\nRCPT TO:<ann@example.net>\r\nDATA\r\n"
    if rcpt.startswith("250"):
        assert isinstance(outcome, Sent)
        assert seen[2].endswith(b"\r\n.\r\n")
    else:
        assert isinstance(outcome, Refused)
        assert outcome.ends_address
        # the server waits for a message nonetheless (RFC 2920), and gets none
        assert seen[2] == b".\r\n"


def test_two_lost_connections_running_stop_the_batch(
    mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    inbox.replies["rcpt"] = [DROP, DROP, DROP]
    outcomes = ledger.send(mailer, job("ann"), job("bo"), job("cy"))
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]


def test_without_a_server_the_first_waits_and_the_rest_is_untried(ledger: Ledger) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    mailer = Mailer(f"smtp://127.0.0.1:{port}", FROM)
    (outcome,) = ledger.send(mailer, job("ann"), job("bo"))
    assert isinstance(outcome, Unavailable)
    assert (outcome.stage, outcome.ours) == ("connect", False)


def test_a_greeting_that_turns_us_away_is_ours(
    bare_server: Callable[..., BareServer], ledger: Ledger
) -> None:
    server = bare_server(
        lambda connection: connection.sendall(b"554 5.7.1 your address is listed\r\n")
    )
    (outcome,) = ledger.send(Mailer(f"smtp://127.0.0.1:{server.port}", FROM), job("ann"), job("bo"))
    assert isinstance(outcome, Unavailable)
    assert (outcome.stage, outcome.code, outcome.ours) == ("connect", 554, True)


def test_a_server_without_starttls_gets_no_mail_in_clear(inbox: Inbox, ledger: Ledger) -> None:
    mailer = Mailer(f"smtp+starttls://127.0.0.1:{inbox.port}", FROM)
    (outcome,) = ledger.send(mailer, job("ann"))
    assert isinstance(outcome, Unavailable)
    assert outcome.ours
    assert inbox.envelopes == []


def accept(
    server: object, session: object, envelope: object, mechanism: str, data: LoginPassword
) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"ann", b"p/w"), handled=False)


@pytest.fixture(params=["smtps", "smtp+starttls"])
def tls_inbox(
    request: pytest.FixtureRequest, certificate: Certificate
) -> Iterator[tuple[str, Inbox]]:
    """The scheme, and an inbox that talks so and asks for a log-in."""
    if request.param == "smtps":
        # it counts STARTTLS alone
        inbox = Inbox(authenticator=accept, ssl_context=certificate.server, auth_require_tls=False)
    else:
        inbox = Inbox(
            authenticator=accept,
            tls_context=certificate.server,
            require_starttls=True,
            auth_required=True,
        )
    inbox.start()
    yield request.param, inbox
    inbox.stop()


def test_tls_and_log_in_come_before_any_mail(
    tls_inbox: tuple[str, Inbox],
    certificate: Certificate,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheme, inbox = tls_inbox
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    mailer = Mailer(f"{scheme}://ann:p%2Fw@localhost:{inbox.port}", FROM)
    assert isinstance(ledger.send(mailer, job())[0], Sent)
    mailer.close()
    assert inbox.sessions[-1].authenticated
    assert inbox.sessions[-1].ssl or scheme == "smtps"


def test_a_refused_log_in_is_ours_and_stops_the_batch(
    tls_inbox: tuple[str, Inbox],
    certificate: Certificate,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scheme, inbox = tls_inbox
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    (outcome,) = ledger.send(
        Mailer(f"{scheme}://ann:wrong@localhost:{inbox.port}", FROM), job("ann"), job("bo")
    )
    assert isinstance(outcome, Unavailable)
    assert (outcome.stage, outcome.code, outcome.ours) == ("connect", 535, True)
    assert "wrong" not in outcome.reason


def test_a_server_with_an_untrusted_certificate_gets_no_mail(
    tls_inbox: tuple[str, Inbox], ledger: Ledger
) -> None:
    scheme, inbox = tls_inbox
    (outcome,) = ledger.send(
        Mailer(f"{scheme}://ann:p%2Fw@localhost:{inbox.port}", FROM), job("ann"), job("bo")
    )
    assert isinstance(outcome, Unavailable)
    assert "certificate" in outcome.reason
    assert inbox.envelopes == []


def test_batches_share_a_connection_until_it_is_used_up_or_idle(
    mailer: Mailer, inbox: Inbox, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "MAX_MESSAGES", 3)
    ledger.send(mailer, job("a"), job("b"))
    ledger.send(mailer, job("c"))
    assert len(inbox.sessions) == 1
    ledger.send(mailer, job("d"))
    assert len(inbox.sessions) == 2
    later = time.monotonic() + smtp.MAX_IDLE_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    ledger.send(mailer, job("e"))
    assert len(inbox.sessions) == 3
    assert len(inbox.envelopes) == 5


def test_plain_smtp_loads_no_certificates(
    mailer: Mailer, inbox: Inbox, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*args: object, **kwargs: object) -> ssl.SSLContext:
        raise AssertionError("a TLS context was made for plain SMTP")

    monkeypatch.setattr(ssl, "create_default_context", load)
    assert isinstance(ledger.send(mailer, job())[0], Sent)


def test_the_guard_of_web_requests_leaves_the_mail_server_alone(
    allow: Callable[..., None], mailer: Mailer, inbox: Inbox, ledger: Ledger
) -> None:
    allow()  # no private host is allowed, and the inbox is on loopback
    assert isinstance(ledger.send(mailer, job())[0], Sent)


def test_a_mail_from_that_is_no_address_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="MAIL_FROM"):
        Mailer("smtp://127.0.0.1", "nobody")

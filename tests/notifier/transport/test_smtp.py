"""MAIL_URL, and what a mail server's replies mean."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.mail import MailServer, parse_mail_url
from notifier.message.send_errors import Refused, Unavailable
from notifier.transport.smtp import judge


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", MailServer("mail.example.org", 25, "plain")),
        ("smtps://mail.example.org", MailServer("mail.example.org", 465, "tls")),
        ("smtp+starttls://mail.example.org:2587", MailServer("mail.example.org", 2587, "starttls")),
        (
            "smtp://ann%40example.org:p%2Fw%3A@mail.example.org",
            MailServer("mail.example.org", 25, "plain", "ann@example.org", "p/w:"),
        ),
        ("smtp://[::1]:25", MailServer("::1", 25, "plain")),
    ],
)
def test_a_mail_url_says_host_port_security_and_log_in(url: str, server: MailServer) -> None:
    assert parse_mail_url(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://h:99999",
        "smtp://h:x",
        "smtp://u@h",
        "smtp://h/path",
        "smtp://h?a=b",
    ],
)
def test_a_bad_mail_url_is_one_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"MAIL_URL.*\.$"):
        parse_mail_url(url)


def test_a_password_is_neither_in_an_error_nor_in_a_repr() -> None:
    for url in (
        "smtp://ann:hunter22@mail.example.org/extra",
        "smtp://ann:hunter22@a℀b.example",
        "smtp://ann:hunter22@[",
    ):
        with pytest.raises(ValueError, match="MAIL_URL") as caught:
            parse_mail_url(url)
        assert "hunter22" not in str(caught.value)
    assert "hunter22" not in repr(parse_mail_url("smtp://ann:hunter22@mail.example.org"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (550, "5.1.1 <x@example.org>: no such user"),
        (550, "5.1.2 bad destination system"),
        (511, "5.1.10 null MX"),
        (550, "No such user here"),
        (553, "sorry, no mailbox here by that name"),
        (550, "Invalid recipient"),
    ],
)
def test_a_reply_that_names_the_mailbox_at_rcpt_ends_the_address(code: int, words: str) -> None:
    outcome = judge("rcpt", code, words)
    assert isinstance(outcome, Refused)
    assert outcome.ends_address
    assert (outcome.stage, outcome.code) == ("rcpt", code)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (550, "5.2.1 mailbox disabled"),
        (552, "5.2.2 mailbox full"),
        (550, "mailbox full, quota exceeded"),
        (554, "no such user"),
        (550, "go away"),
    ],
)
def test_another_refusal_at_rcpt_fails_the_message_but_not_the_address(
    code: int, words: str
) -> None:
    outcome = judge("rcpt", code, words)
    assert isinstance(outcome, Refused)
    assert not outcome.ends_address


@pytest.mark.parametrize(
    "words",
    [
        "5.7.1 blocked by policy",
        "5.3.4 message too big for system",
        "5.1.8 sender domain not found",
        "5.1.7 bad sender",
    ],
)
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_policy_system_and_sender_faults_are_ours_and_may_pass(stage: str, words: str) -> None:
    outcome = judge(stage, 550, words)  # type: ignore[arg-type]
    assert isinstance(outcome, Unavailable)
    assert outcome.ours
    assert outcome.enhanced == words.split()[0]


ROWS = (Path(__file__).parent / "smtp_replies.txt").read_text("utf-8").splitlines()[1:]
REPLIES = [row.replace("\\n", "\n").split("\t") for row in ROWS]


def meaning(outcome: object) -> str:
    if isinstance(outcome, Unavailable):
        return "our problem" if outcome.ours else "wait"
    assert isinstance(outcome, Refused)
    return "ends address" if outcome.ends_address else "fails message"


@pytest.mark.parametrize(("means", "who", "code", "lines"), REPLIES)
def test_what_real_servers_say_at_rcpt_means_what_it_speaks_of(
    means: str, who: str, code: str, lines: str
) -> None:
    assert meaning(judge("rcpt", int(code), lines)) == means, who
    assert meaning(judge("rcpt", int(code), lines.replace("\n", "\r\n"))) == means
    assert meaning(judge("data", int(code), lines)) == means.replace(
        "ends address", "fails message"
    )


@given(
    st.sampled_from(REPLIES).filter(lambda row: row[0] == "our problem"), st.sampled_from(REPLIES)
)
def test_no_reply_with_words_about_us_on_any_line_ends_an_address(
    ours: list[str], other: list[str]
) -> None:
    for lines in (f"{ours[3]}\n{other[3]}", f"{other[3]}\n{ours[3]}"):
        assert meaning(judge("rcpt", 550, lines)) != "ends address"


@pytest.mark.parametrize("stage", ["mail", "data"])
def test_a_missing_mailbox_named_outside_rcpt_ends_no_address(stage: str) -> None:
    outcome = judge(stage, 550, "5.1.1 no such user")  # type: ignore[arg-type]
    assert isinstance(outcome, Refused)
    assert not outcome.ends_address


def test_a_reply_of_the_400s_waits() -> None:
    outcome = judge("rcpt", 451, "4.7.1 greylisted,\r\ncome back later")
    assert isinstance(outcome, Unavailable)
    assert not outcome.ours
    assert (outcome.code, outcome.enhanced, outcome.reason) == (
        451,
        "4.7.1",
        "451 4.7.1 greylisted, come back later",
    )

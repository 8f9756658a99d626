import os
import smtplib
import subprocess
import sys
from email.message import EmailMessage

import pytest

from cli.process.listener import VARIABLE, listen
from cli.process.mail_catcher import MAX_MESSAGE_BYTES
from web.dev_mailbox import caught, read_caught

pytestmark = pytest.mark.processes


class Catcher:
    def __init__(self, folder):
        self.folder = folder
        # open from now on, so a sender can come before the process is up
        with listen("127.0.0.1", 0) as listener:
            self.port = listener.getsockname()[1]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.process.mail_catcher", str(folder)],
                env=os.environ | {VARIABLE: str(listener.fileno())},
                pass_fds=[listener.fileno()],
            )

    def connect(self):
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="localhost", timeout=20)


@pytest.fixture
def start_catcher(tmp_path):
    started = []

    def start(folder=tmp_path / "caught"):
        started.append(Catcher(folder))
        return started[-1]

    yield start
    for catcher in started:
        catcher.process.kill()
        catcher.process.wait()


def mail(subject="River rising"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "Courier <news@example.org>",
        "reader@example.org",
        subject,
    )
    message.set_content("The river rises.\n.\n..dots\n")
    message.add_alternative("<p>The river <b>rises</b>.</p>", subtype="html")
    return message


def test_a_message_is_on_disk_when_the_sender_receives_250(start_catcher):
    catcher = start_catcher()
    with catcher.connect() as smtp:
        smtp.send_message(
            mail(), "bounce@example.org", ["reader@example.org", "hidden@example.org"]
        )
        catcher.process.kill()
    (line,) = caught(catcher.folder)
    message = read_caught(catcher.folder, line.id)
    assert (line.subject, line.envelope_from) == ("River rising", "bounce@example.org")
    assert message.envelope_to == ("reader@example.org", "hidden@example.org")
    assert message.text.splitlines() == ["The river rises.", ".", "..dots"]
    assert "<b>rises</b>" in message.html


def test_mail_caught_before_a_crash_survives_and_more_can_arrive(start_catcher):
    for subject in ("one", "two"):
        catcher = start_catcher()
        with catcher.connect() as smtp:
            smtp.send_message(mail(subject))
            catcher.process.kill()
    assert [line.subject for line in caught(catcher.folder)] == ["two", "one"]
    assert {path.suffix for path in catcher.folder.iterdir()} == {".eml"}


def test_addresses_and_headers_may_be_utf8(start_catcher):
    catcher = start_catcher()
    with catcher.connect() as smtp:
        smtp.ehlo()
        assert {"smtputf8", "8bitmime"} <= smtp.esmtp_features.keys()
        content = "Subject: Hochwasser – Überblick\r\n\r\nÜ".encode()
        smtp.sendmail(
            "redaktion@example.org", ["leser@exämple.org"], content, ["SMTPUTF8", "BODY=8BITMIME"]
        )
    (line,) = caught(catcher.folder)
    assert (line.subject, line.envelope_to) == ("Hochwasser – Überblick", ("leser@exämple.org",))
    assert read_caught(catcher.folder, line.id).text == "Ü\r\n"


def test_too_much_is_refused_for_good_and_the_connection_stays(start_catcher):
    catcher = start_catcher()
    with catcher.connect() as smtp:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            smtp.sendmail("a@example.org", ["b@example.org"], b"x" * (MAX_MESSAGE_BYTES + 1))
        assert refused.value.smtp_code == 552
        smtp.send_message(mail())
    assert len(caught(catcher.folder)) == 1


def test_a_folder_that_cannot_be_written_is_a_reason_to_come_again(start_catcher):
    catcher = start_catcher()
    with catcher.connect() as smtp:
        catcher.folder.rmdir()
        catcher.folder.touch()
        with pytest.raises(smtplib.SMTPDataError) as refused:
            smtp.send_message(mail())
    assert refused.value.smtp_code == 451


def test_sigterm_ends_it_cleanly(start_catcher):
    catcher = start_catcher()
    with catcher.connect() as smtp:
        smtp.send_message(mail())
        catcher.process.terminate()
        assert catcher.process.wait(20) == 0

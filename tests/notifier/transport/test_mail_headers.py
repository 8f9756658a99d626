"""Headers with texts of any script and length, read back by both of Python's parsers."""

import email
import re
import unicodedata
from email import policy
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text.shortening import clusters
from notifier.transport.mail_headers import from_, subject
from notifier.transport.mime import MailBatch, MailJob, render
from tests.support.examples import examples

WHOLE = [
    "👩\u200d👩\u200d👧\u200d👦",  # a family, joined by ZWJ
    "👍🏽",  # a skin tone
    "🇩🇪",  # two letters are a flag
    "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # Scotland, by tags
    "❤\ufe0f",  # a variation selector
    "e\u0301",
    "ก\u0e33",
    "\u1112\u1161\u11ab",  # a Hangul syllable of three parts
    "क्षि",
    "நி",
]
SCRIPTS = (
    'abc xyz, "q" <t> (c) [b] \\ ; : . @ =?=_ äöüß éàç ŁŻść Ελλη Київ Москва עברית العربية فارسی'
    " हिन्दी বাংলা தமிழ் ไทย 漢字 かな 한국어 😀"
)
BIDI = "\u202a\u202e\u202c\u2066\u2069\u200f"
titles = st.lists(
    st.one_of(
        st.sampled_from(SCRIPTS),
        st.sampled_from(WHOLE),
        st.sampled_from(BIDI),
        st.characters(exclude_categories=["Cs", "Cc"]),
        st.sampled_from(["a" * 80, "ä" * 60, "\u0301" * 90, "word " * 12]),
    ),
    max_size=60,
).map("".join)


def shown(text: str) -> str:
    """What of a title is to arrive: on one line, and nothing that turns what stands behind it."""
    text = re.sub("[ \u2028\u2029]+", " ", text)
    kept = "".join(
        c
        for c in text
        if unicodedata.bidirectional(c)
        not in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    )
    return re.sub(" +", " ", kept).strip(" ")


def must_hold(header: str) -> None:
    """The limits of RFC 5322 section 2.1.1 and RFC 2047 section 2, and no character parted between
    two words.
    """
    assert header.isascii()
    words = []
    for line in header.split("\r\n"):
        assert len(line) <= 78
        assert line.strip() == line or line.startswith(" ")
        found = re.findall(r"=\?utf-8\?[bq]\?[^?\s]*\?=", line)
        assert all(len(word) <= 75 for word in found)
        assert not found or len(line) <= 76
        words += found
    # each by itself is whole UTF-8
    texts = [str(make_header(decode_header(word))) for word in words]
    assert sum(len(list(clusters(text))) for text in texts) == len(
        list(clusters("".join(texts)))
    ) or any(len(cluster.encode()) > 20 for cluster in clusters("".join(texts)))


@examples(150)
@given(titles)
def test_any_title_arrives_as_written_within_the_limits_of_mail(title: str) -> None:
    header = subject(title)
    must_hold(header)
    raw = f"{header}\r\n\r\n"
    assert email.message_from_string(raw, policy=policy.default)["Subject"] == shown(title)
    legacy = email.message_from_string(raw, policy=policy.compat32)["Subject"]
    unfolded = legacy.replace("\r\n", "").replace("\n", "")
    assert str(make_header(decode_header(unfolded))) == shown(title)


@examples(150)
@given(titles)
def test_any_name_arrives_as_written_and_is_never_taken_for_an_address(name: str) -> None:
    header = from_(name, "news@example.org")
    must_hold(header)
    raw = f"{header}\r\n\r\n"
    [modern] = email.message_from_string(raw, policy=policy.default)["From"].addresses
    # Within a name Python keeps a space between encoded words, against RFC 2047 section 6.2.
    assert modern.display_name.replace(" ", "") == shown(name).replace(" ", "")
    assert modern.addr_spec == "news@example.org"
    legacy = (
        email.message_from_string(raw, policy=policy.compat32)["From"]
        .replace("\r\n", "")
        .replace("\n", "")
    )
    read, address = parseaddr(legacy)
    assert (str(make_header(decode_header(read))), address) == (shown(name), "news@example.org")


@examples(30)
@given(titles, titles, st.text(st.sampled_from("ab-"), min_size=1, max_size=500))
def test_no_line_of_a_mail_is_longer_than_mail_may_be(title: str, text: str, token: str) -> None:
    batch = MailBatch(
        subject=title,
        html=f"<p>{text} {{token}}</p>" * 3,
        text=f"{text}\n.{text} {{token}}" * 3,
        list_id="a" * 80 + ".news.example.org",
        references=("stream-1@example.org", "entry-2@example.org"),
        unsubscribe_url="https://news.example.org/" + "p" * 400 + "/u/{token}",
        unsubscribe_mailto="leave@example.org?subject={token}",
    )
    mail = render(batch, f'"{"N" * 60}" <news@example.org>').fill(
        MailJob("u" * 32, "a@example.org", token), "a@example.org"
    )
    assert mail.isascii()
    head, body = mail.split(b"\r\n\r\n", 1)
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert max(map(len, body.split(b"\r\n"))) <= 76
    parsed = email.message_from_bytes(mail, policy=policy.default)
    assert parsed["Subject"] == shown(title)
    assert parsed.defects == []


@pytest.mark.parametrize("cluster", WHOLE)
def test_no_encoded_word_ends_within_a_character(cluster: str) -> None:
    header = subject("x" + cluster * 40)
    words = [str(make_header(decode_header(word))) for word in header.split()[1:]]
    assert len(words) > 1
    assert all(word.removeprefix("x").replace(cluster, "") == "" for word in words)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("", "From: <news@example.org>"),
        ("Courier", "From: Courier <news@example.org>"),
        ("Smith, Ann", 'From: "Smith, Ann" <news@example.org>'),
        ("Zoë", "From: =?utf-8?q?Zo=C3=AB?= <news@example.org>"),
        ("=?utf-8?q?x?=", "From: =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <news@example.org>"),
    ],
)
def test_a_name_is_quoted_or_encoded_only_where_it_must_be(name: str, header: str) -> None:
    assert from_(name, "news@example.org") == header

"""Nothing that an editor may type makes a feed invalid: every address in it keeps the grammar of
RFC 3986.
"""

import json
import re
from xml.etree import ElementTree  # expat: another parser than the one that writes

import lxml.html
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feeds.cache.renderer import Renderer
from feeds.document.entry_content import for_readers
from feeds.document.feed_document import Format, Image, Person, Tag, Thumbnail
from models.text.errors import Invalid
from models.text.markdown import to_html
from models.text.texts import EntryText, slugify, web_link
from models.text.uris import to_uri
from tests.support.examples import examples

render = Renderer()
PAGE = "https://news.example/streams/flood/entries/e1"

# RFC 3986 appendix A.
_PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)"
_AUTHORITY = rf"(?:(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{{2}})*@)?{_HOST}(?::[0-9]*)?"
_PATH = (
    rf"(?://{_AUTHORITY}(?:/{_PCHAR}*)*|/(?:{_PCHAR}+(?:/{_PCHAR}*)*)?|{_PCHAR}+(?:/{_PCHAR}*)*|)"
)
URI = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*:{_PATH}(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"
)

PIECES = [
    *"[]{}|^`\\\"<>% #?&:@/'().,;*_~-", "%zz", "%41",
    "https://", "HTTPS://", "http:", "//", "mailto:", "tel:", "javascript:", "x.example", "[::1]",
    "münchen.example", "例え.jp", "℀", "ﬁ", "\u3002", ":80", ":0", ":99999", "نهر", "👩‍🚒",
    "a b", "\xa0", "\x85",
    "]]>", "&amp;", "/a?b[]=1", "..",
]  # fmt: skip
text = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8).map("".join)
link = st.one_of(
    text,
    text.map("https://x.example/".__add__),
    text.map("https://".__add__),
    text.map("HTTPS://x.example?".__add__),
)
address = st.one_of(link, text)


def addresses_in(body, fmt):
    """Every address that a document names outside and inside its texts."""
    if fmt is Format.JSON:
        feed = json.loads(body)
        yield from strings(
            feed,
            lambda key: key == "url" or key.endswith("_url") or key in {"image", "icon", "favicon"},
        )
        texts = [item.get("content_html", "") for item in feed["items"]]
    else:
        root = ElementTree.fromstring(body)
        for element in root.iter():
            yield from (
                value
                for name, value in element.attrib.items()
                if name in {"href", "url", "uri", "scheme", "domain"}
            )
            if (
                element.tag.rpartition("}")[2] in {"id", "uri", "icon", "logo", "url", "guid"}
                or element.tag == "link"
            ):
                yield element.text
        texts = [
            element.text or ""
            for element in root.iter()
            if element.tag.rpartition("}")[2] in {"content", "encoded", "description"}
        ]
    for html in texts:
        tree = lxml.html.fromstring(f"<div>{html}</div>")
        yield from (
            value
            for element in tree.iter()
            for name, value in element.items()
            if name in {"href", "src"}
        )


def strings(value, wanted):
    if isinstance(value, dict):
        for key, part in value.items():
            yield from [part] if isinstance(part, str) and wanted(key) else strings(part, wanted)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part, wanted)


@given(link=link, target=address, name=text, tag=text, url=link)
@example(
    link="https://x.example/?a[]=1",
    target="/?a[]=1",
    name="A [b]",
    tag="c d",
    url="https://x.example/100%",
)
@example(link="HTTPS://X.example/", target="//[::1", name="", tag="C#", url="")
@examples(60)
def test_every_address_in_every_format_is_a_uri(
    make_document, make_entry, link, target, name, tag, url
):
    try:
        taken = EntryText(
            "River",
            body=f"[there]({target}) <{target}> https://x.example/{target}",
            tags=(tag,),
            link=link,
        ).cleaned()
        html = for_readers(to_html(taken.body), PAGE)
    except Invalid:  # what cannot be one is refused, and says so
        taken, html = EntryText("River"), ""
    try:
        person = Person("Ines", web_link("url", url) or None)
    except Invalid:
        person = Person("Ines")
    tags = tuple(Tag(slugify(tag) or "x", tag, "https://news.example/tags/x") for tag in taken.tags)
    image = Image(
        "https://news.example/media/a.png",
        "image/png",
        1,
        1,
        1,
        name,
        name,
        Thumbnail("https://news.example/media/a.png", 1, 1),
    )
    entry = make_entry(
        content_html=html,
        link=taken.link or None,
        authors=(person,),
        tags=tags,
        images=(image, image),
    )
    old = make_entry("e2", link=link)  # as it was stored before the door made a URI of it
    for fmt in Format:
        for found in addresses_in(
            render(make_document(entry, old, title=f"Flood {name}", contributors=(person,)), fmt),
            fmt,
        ):
            assert URI.fullmatch(found), f"{found!r} in {fmt}"


@given(address=address)
@example(address="Https://example.org/x")
@example(address="https://example.org/%zz")
@examples(200)
def test_a_uri_stays_as_it_is(address):
    uri = to_uri(address)
    if uri is not None:
        assert URI.fullmatch(uri)
        assert to_uri(uri) == uri
    elif URI.fullmatch(address):
        assert not address.lower().startswith("https://x.example/")


@pytest.mark.parametrize(
    ("typed", "uri"),
    [
        ("Https://example.org/x", "https://example.org/x"),  # RFC 3986 section 3.1
        ("HTTP://EXAMPLE.ORG/Z", "http://example.org/Z"),
        ("https://example.org/a|b", "https://example.org/a%7Cb"),
        ("https://example.org/{id}", "https://example.org/%7Bid%7D"),
        ("https://example.org/a^b`c", "https://example.org/a%5Eb%60c"),
        ("https://example.org/%zz", "https://example.org/%25zz"),
        ("https://example.org/100%", "https://example.org/100%25"),
        ("https://example.org/<b>", "https://example.org/%3Cb%3E"),
        ('https://example.org/"q"', "https://example.org/%22q%22"),
        ("https://x.example/?a[]=1", "https://x.example/?a%5B%5D=1"),
        # RFC 3987 section 3.1
        ("https://x.example/ä?ö#ü", "https://x.example/%C3%A4?%C3%B6#%C3%BC"),
        ("https://Bücher.example/", "https://xn--bcher-kva.example/"),  # RFC 3492
        ("https://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443/"),
        (
            "https://user:pass@x.example./a%2Fb;c=1,2?d=%20&e#f",
            "https://user:pass@x.example./a%2Fb;c=1,2?d=%20&e#f",
        ),
    ],
)
def test_an_address_becomes_the_uri_that_it_means(typed, uri):
    assert web_link("link", typed) == uri


@pytest.mark.parametrize(
    "typed",
    ["example.org", "//example.org/", "https://", "https:///x", "https://[::1",
     "https://exa mple.org/", "https://x.example:0/",
     "https://x.example:65536/", "https://℀.example/", "https://exa|mple.org/", "https://a..b/",
     "ftp://x.example/", "javascript:alert(1)",
     "https://x.example\\@y.example/", f"https://{'a' * 64}.example/"],
)  # fmt: skip
def test_what_cannot_be_a_web_address_is_refused_with_a_sentence(typed):
    with pytest.raises(Invalid, match=r"enter a complete web address, like"):
        web_link("link", typed)


@pytest.mark.parametrize(
    ("body", "levels"),
    [
        ("# A\n## B\n### C", "345"),
        ("## A\n### B", "34"),
        ("### A", "3"),
        ("# A\n\n###### B", "35"),
        ("no heading", ""),
    ],
)
def test_headings_are_below_the_level_of_the_entry_title(body, levels):
    html = for_readers(to_html(body), PAGE)
    assert "".join(re.findall(r"<h(\d)>", html)) == "".join(re.findall(r"</h(\d)>", html)) == levels

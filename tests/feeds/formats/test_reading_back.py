"""What readers find in our feeds: feedparser for Atom and RSS, a JSON parser for JSON Feed."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from feeds.cache.renderer import Renderer
from feeds.document.entry_content import for_readers
from feeds.document.feed_document import Format, Note, Person, Tag

render = Renderer()

XML = [Format.ATOM, Format.RSS]
EARLY = datetime(2026, 3, 14, 8, 31, 5, tzinfo=UTC)
LATE = datetime(2026, 3, 14, 9, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize("fmt", XML)
def test_dates_are_read_back_in_utc(make_document, make_entry, parsed, fmt):
    kyiv = timezone(timedelta(hours=2))
    entry = make_entry(published=EARLY.astimezone(kyiv), updated=LATE.replace(microsecond=999_999))
    found = parsed(make_document(entry, updated=LATE), fmt)
    assert datetime(*found.entries[0].published_parsed[:6], tzinfo=UTC) == EARLY
    assert datetime(*found.entries[0].updated_parsed[:6], tzinfo=UTC) == LATE
    assert datetime(*found.feed.updated_parsed[:6], tzinfo=UTC) == LATE


def test_json_dates_are_whole_seconds_of_utc(make_document, make_entry):
    entry = make_entry(
        published=EARLY.astimezone(timezone(timedelta(hours=2))),
        updated=LATE.replace(microsecond=999_999),
    )
    item = json.loads(render(make_document(entry), Format.JSON))["items"][0]
    assert (item["date_published"], item["date_modified"]) == (
        "2026-03-14T08:31:05+00:00",
        "2026-03-14T09:10:00+00:00",
    )


@pytest.mark.parametrize("fmt", list(Format))
def test_a_naive_date_is_refused_since_it_could_be_hours_off(make_document, make_entry, fmt):
    with pytest.raises(ValueError, match="no time zone"):
        render(make_document(make_entry(published=EARLY.replace(tzinfo=None))), fmt)


@pytest.mark.parametrize("fmt", XML)
def test_every_author_is_read_back_and_none_has_an_address(make_document, make_entry, parsed, fmt):
    entry = make_entry(
        authors=(
            Person("Ines Ölander", "https://news.example/contributors/ines"),
            Person("Jory & Co"),
        )
    )
    document = make_document(entry)
    assert [author.name for author in parsed(document, fmt).entries[0].authors] == [
        "Ines Ölander",
        "Jory & Co",
    ]
    assert b"<email>" not in render(document, fmt)
    assert b"<author>Ines" not in render(document, fmt)


def test_atom_authors_carry_their_pages(make_document, make_entry, parsed):
    entry = make_entry(authors=(Person("Ines", "https://news.example/contributors/ines"),))
    assert (
        parsed(make_document(entry), Format.ATOM).entries[0].authors[0].href
        == "https://news.example/contributors/ines"
    )


def test_an_entry_without_byline_is_the_site_s_never_the_contributors(
    make_document, make_entry, parsed
):
    document = make_document(make_entry(), contributors=(Person("Ines"), Person("Jory")))
    atom = parsed(document, Format.ATOM)
    assert [person.name for person in atom.feed.contributors] == ["Ines", "Jory"]
    assert atom.feed.author_detail.name == "News"
    feed = json.loads(render(document, Format.JSON))
    assert [author["name"] for author in feed["authors"]] == ["Ines", "Jory"]
    assert feed["items"][0]["authors"] == [{"name": "News", "url": "https://news.example/"}]
    assert [person["name"] for person in parsed(document, Format.RSS).feed.contributors] == [
        "Ines",
        "Jory",
    ]


@pytest.mark.parametrize("fmt", XML)
def test_links_lead_to_the_pages_and_say_what_they_are(make_document, make_entry, parsed, fmt):
    found = parsed(
        make_document(
            make_entry(dek="Dek", link="https://elsewhere.example/?a=1&b=2"),
            hubs=("https://hub.example/",),
        ),
        fmt,
    )
    assert found.feed.link == "https://news.example/streams/flood"
    links = {link.rel: link for link in found.feed.links}
    assert links["self"].href == f"https://news.example/streams/flood/{fmt.file_name}"
    assert links["self"].type == fmt.media_type
    assert links["hub"].href == "https://hub.example/"
    assert found.entries[0].link == "https://news.example/streams/flood/entries/e1"
    assert 'href="https://elsewhere.example/?a=1&amp;b=2"' in found.entries[0].content[0].value


def test_an_atom_entry_has_one_alternate_and_names_the_related_page(
    make_document, make_entry, parsed
):
    entry = parsed(
        make_document(make_entry(link="https://elsewhere.example/")), Format.ATOM
    ).entries[0]
    assert [(link.rel, link.href) for link in entry.links] == [
        ("alternate", "https://news.example/streams/flood/entries/e1"),
        ("related", "https://elsewhere.example/"),
    ]
    assert entry.links[0].type == "text/html"


@pytest.mark.parametrize("fmt", list(Format))
@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "//elsewhere.example", ""]
)
def test_a_link_that_is_no_web_address_appears_nowhere(make_document, make_entry, fmt, link):
    document = make_document(make_entry(link=link))
    assert render(document, fmt) == render(make_document(make_entry(link=None)), fmt)


def test_a_json_item_has_its_links(make_document, make_entry):
    feed = json.loads(
        render(
            make_document(
                make_entry(link="https://elsewhere.example/"), hubs=("https://hub.example/",)
            ),
            Format.JSON,
        )
    )
    assert feed["feed_url"] == "https://news.example/streams/flood/feed.json"
    assert feed["home_page_url"] == "https://news.example/streams/flood"
    assert feed["hubs"] == [{"type": "WebSub", "url": "https://hub.example/"}]
    assert feed["items"][0]["url"] == "https://news.example/streams/flood/entries/e1"
    assert feed["items"][0]["external_url"] == "https://elsewhere.example/"


def test_tags_and_importance_are_distinguishable(make_document, make_entry, parsed):
    document = make_document(
        make_entry(
            tags=(Tag("key", "Key facts", "https://news.example/tags/key"),), importance="key"
        )
    )
    atom = parsed(document, Format.ATOM).entries[0].tags
    assert [(tag.term, tag.scheme, tag.label) for tag in atom] == [
        ("Key facts", "https://news.example/tags/", "Key facts"),
        ("key", "urn:x-storywire:importance", None),
    ]
    rss = parsed(document, Format.RSS).entries[0].tags
    assert [(tag.term, tag.scheme) for tag in rss] == [
        ("Key facts", "https://news.example/tags/"),
        ("key", "urn:x-storywire:importance"),
    ]
    item = json.loads(render(document, Format.JSON))["items"][0]
    assert item["tags"] == ["Key facts", "key"]
    assert item["_storywire"] == {"importance": "key"}


@pytest.mark.parametrize("fmt", list(Format))
def test_normal_importance_is_not_mentioned(make_document, make_entry, fmt):
    assert b"importance" not in render(make_document(make_entry()), fmt)


def test_ids_are_handed_on_as_they_are_and_rss_does_not_take_them_for_links(
    make_document, make_entry, parsed
):
    document = make_document(make_entry("e7"))
    assert parsed(document, Format.ATOM).entries[0].id == "tag:news.example,2026:e7"
    rss = parsed(document, Format.RSS).entries[0]
    assert (rss.id, rss.guidislink) == ("tag:news.example,2026:e7", False)
    assert json.loads(render(document, Format.JSON))["items"][0]["id"] == "tag:news.example,2026:e7"


@pytest.mark.parametrize("fmt", XML)
def test_dek_is_the_summary_and_body_the_content(make_document, make_entry, parsed, fmt):
    entry = parsed(
        make_document(
            make_entry(dek="Less < more & more", content_html="<p>First.</p><ul><li>Two</li></ul>")
        ),
        fmt,
    ).entries[0]
    assert (entry.summary_detail.type, entry.summary) == ("text/html", "Less &lt; more &amp; more")
    assert [(part.type, part.value) for part in entry.content] == [
        ("text/html", "<p>First.</p><ul><li>Two</li></ul>")
    ]


def test_a_json_item_has_dek_as_text_and_body_as_html(make_document, make_entry):
    entry = make_entry(dek="Less < more & more", content_html="<p>First.</p>")
    item = json.loads(render(make_document(entry), Format.JSON))["items"][0]
    assert (item["summary"], item["content_html"]) == ("Less < more & more", "<p>First.</p>")


@pytest.mark.parametrize("fmt", XML)
def test_without_a_body_the_dek_is_the_content(make_document, make_entry, parsed, fmt):
    assert (
        parsed(make_document(make_entry(dek="1 < 2")), fmt).entries[0].content[0].value
        == "<p>1 &lt; 2</p>"
    )


@pytest.mark.parametrize("fmt", list(Format))
def test_a_correction_is_at_the_top_of_the_content(make_document, make_entry, parsed, fmt):
    document = make_document(
        make_entry(content_html="<p>Fourteen run.</p>", notes=(Note("Correction", "Not <forty>."),))
    )
    wanted = "<p><strong>Correction:</strong> Not &lt;forty&gt;.</p>\n<p>Fourteen run.</p>"
    if fmt is Format.JSON:
        assert json.loads(render(document, fmt))["items"][0]["content_html"] == wanted
    else:
        # A lone content is RSS's description (feedgen writes content:encoded only beside a
        # summary).
        entry = parsed(document, fmt).entries[0]
        assert (entry.content[0].value if "content" in entry else entry.summary) == wanted


@pytest.mark.parametrize("fmt", XML)
def test_an_entry_in_another_language_is_marked(make_document, make_entry, fmt):
    body = render(
        make_document(
            make_entry("e1", language="pl"), make_entry("e2", language="uk"), language="pl"
        ),
        fmt,
    ).decode()
    if fmt is Format.ATOM:
        assert body.count("xml:lang=") == 2
        assert '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="pl">' in body
        assert '<entry xml:lang="uk">' in body
    else:
        assert "<language>pl</language>" in body
        assert body.count("<dc:language>uk</dc:language>") == 1


def test_a_json_item_in_another_language_is_marked(make_document, make_entry):
    feed = json.loads(
        render(
            make_document(
                make_entry("e1", language="pl"), make_entry("e2", language="uk"), language="pl"
            ),
            Format.JSON,
        )
    )
    assert (feed["language"], feed["items"][0].get("language"), feed["items"][1]["language"]) == (
        "pl",
        None,
        "uk",
    )


@pytest.mark.parametrize("fmt", XML)
def test_entries_keep_their_order(make_document, make_entry, parsed, fmt):
    found = parsed(
        make_document(make_entry("newest"), make_entry("older"), make_entry("oldest")), fmt
    )
    assert [entry.id.rsplit(":", 1)[1] for entry in found.entries] == ["newest", "older", "oldest"]


@pytest.mark.parametrize("fmt", XML)
def test_an_empty_stream_is_a_valid_feed(make_document, parsed, fmt):
    found = parsed(make_document(), fmt)
    assert (found.feed.title, found.entries) == ("Flood", [])
    assert found.feed.subtitle == "Flood"  # RSS demands a description


def test_an_empty_stream_is_a_valid_json_feed(make_document):
    feed = json.loads(render(make_document(), Format.JSON))
    assert (feed["version"], feed["title"], feed["items"]) == (
        "https://jsonfeed.org/version/1.1",
        "Flood",
        [],
    )


def test_an_entry_of_a_title_alone_is_valid_everywhere(make_document, make_entry, parsed):
    document = make_document(make_entry())
    assert parsed(document, Format.ATOM).entries[0].title == "River rising"
    assert parsed(document, Format.RSS).entries[0].title == "River rising"
    item = json.loads(render(document, Format.JSON))["items"][0]
    assert item["content_text"] == ""
    assert "content_html" not in item


@pytest.mark.parametrize(
    ("seconds", "ttl", "period"),
    [(0, 1, ("hourly", "3600")), (60, 1, ("hourly", "60")), (900, 15, ("hourly", "4")),
     (86_400, 1440, ("daily", "1")),
     (30 * 86_400, 43_200, ("monthly", "1")), (800 * 86_400, 1_152_000, ("yearly", "1"))],
)  # fmt: skip
def test_rss_states_its_time_to_live(make_document, parsed, seconds, ttl, period):
    feed = parsed(make_document(max_age=seconds), Format.RSS).feed
    assert (feed.ttl, (feed.sy_updateperiod, feed.sy_updatefrequency)) == (str(ttl), period)


@pytest.mark.parametrize("fmt", XML)
def test_pictures_are_listed_and_the_first_is_in_the_text(documents, parsed, fmt):
    entry = parsed(documents["full"], fmt).entries[0]
    assert entry.id == "tag:news.example,2026:e3"
    assert [(image["url"], image["filesize"], image["width"]) for image in entry.media_content] == [
        ("https://news.example/media/a.jpeg", "81234", "1200"),
        ("https://news.example/media/b.png?a=1&b=2", "0", "1"),
    ]
    enclosures = [(image.href, image.length, image.type) for image in entry.enclosures]
    assert enclosures[0] == ("https://news.example/media/a.jpeg", "81234", "image/jpeg")
    assert len(enclosures) == (2 if fmt is Format.ATOM else 1)
    body = render(documents["full"], fmt).decode()
    assert '<media:description type="plain">The "old" bridge</media:description>' in body
    assert body.count("<media:credit>Ines &amp; &lt;Co&gt;</media:credit>") == 1
    assert entry.content[0].value.startswith(
        '<figure><img alt="The &quot;old&quot; bridge" height="800"'
        ' src="https://news.example/media/a'
    )


def test_a_json_item_names_its_pictures(documents):
    item = json.loads(render(documents["full"], Format.JSON))["items"][0]
    assert item["image"] == "https://news.example/media/a.jpeg"
    assert item["attachments"] == [
        {
            "url": item["image"],
            "mime_type": "image/jpeg",
            "size_in_bytes": 81_234,
            "title": 'The "old" bridge',
        }
        | {"_storywire": {"credit": "Ines & <Co>"}},
        {"url": "https://news.example/media/b.png?a=1&b=2", "mime_type": "image/png"},
    ]
    assert item["content_html"].startswith(
        '<figure><img src="https://news.example/media/a.jpeg" alt="The &quot;old&quot; bridge"'
        ' width="1200" height="800"><figcaption>Ines &amp;'
        " &lt;Co&gt;</figcaption></figure>\n<p>First"
    )


@pytest.mark.parametrize("fmt", XML)
def test_archives_are_chained(documents, parsed, fmt):
    archive = parsed(documents["archive"], fmt)
    older = f"https://news.example/streams/flood/archive/50-1/{fmt.file_name}"
    assert {
        link.rel: link.href for link in archive.feed.links if link.rel not in {"alternate", "self"}
    } == {
        "next": older,
        "prev-archive": older,
        "current": f"https://news.example/streams/flood/{fmt.file_name}",
    }
    for name in ("archive", "complete"):
        assert [
            which for which in documents if f"fh_{name}" in parsed(documents[which], fmt).feed
        ] == [name]


def test_json_archives_are_chained(documents):
    archive, complete = (
        json.loads(render(documents[which], Format.JSON)) for which in ("archive", "complete")
    )
    assert archive["next_url"] == "https://news.example/streams/flood/archive/50-1/feed.json"
    assert archive["_storywire"] == {
        "archive": True,
        "current_url": "https://news.example/streams/flood/feed.json",
    }
    assert ("next_url" in complete, complete["_storywire"]) == (False, {"complete": True})


def test_withdrawals_are_in_atom_and_json(documents):
    feed = etree.fromstring(render(documents["withdrawn"], Format.ATOM))
    at = "{http://purl.org/atompub/tombstones/1.0}"
    gone = [
        (found.get("ref"), found.get("when"), found.findtext(f"{at}comment"))
        for found in feed.iter(f"{at}deleted-entry")
    ]
    when = "2026-03-14T12:00:00+00:00"
    assert gone == [
        ("tag:news.example,2026:e9", when, "Wrong <place>"),
        ("tag:news.example,2026:e8", when, None),
    ]
    withdrawn = json.loads(render(documents["withdrawn"], Format.JSON))["_storywire"]["withdrawn"]
    assert [(found["id"], found["when"], found.get("comment")) for found in withdrawn] == gone


def test_an_entry_of_a_mixed_feed_names_its_source(documents, parsed):
    atom, other = parsed(documents["full"], Format.ATOM).entries[:2]
    assert (atom.source.id, atom.source.title, atom.source.link) == (
        "tag:news.example,2026:flood",
        "Flood & fire",
        "https://news.example/streams/flood",
    )
    assert "source" not in other
    rss = parsed(documents["full"], Format.RSS).entries[0].source
    assert (rss.title, rss.href) == ("Flood & fire", "https://news.example/streams/flood/rss.xml")
    items = json.loads(render(documents["full"], Format.JSON))["items"]
    assert items[0]["_source"]["feed_url"] == "https://news.example/streams/flood/feed.json"
    assert "_source" not in items[1]


@pytest.mark.parametrize("fmt", XML)
def test_no_base_is_named_as_no_link_is_relative(make_document, fmt):
    root = etree.fromstring(render(make_document(), fmt))
    assert root.get("{http://www.w3.org/XML/1998/namespace}base") is None, (
        "W3C: SameDocumentReference"
    )


@pytest.mark.parametrize("fmt", list(Format))
def test_a_feed_opened_as_text_explains_how_to_follow(make_document, fmt):
    assert (
        "To follow it, copy its address into a feed reader."
        in render(make_document(), fmt).decode()
    )
    assert (
        "Um ihm zu folgen, kopieren Sie seine Adresse"
        in render(make_document(language="de-AT"), fmt).decode()
    )


@pytest.mark.parametrize(
    ("fmt", "content_type"),
    [
        ("atom", "application/atom+xml; charset=utf-8"),
        ("rss", "application/rss+xml; charset=utf-8"),
        ("json", "application/feed+json; charset=utf-8"),
    ],
)
def test_each_format_has_its_content_type(fmt, content_type):
    assert Format(fmt).content_type == content_type


@pytest.mark.parametrize(
    ("address", "absolute"),
    [
        ("/maps?a=1&amp;b=2", "https://news.example/maps?a=1&amp;b=2"),
        ("#part", "https://news.example/streams/flood/entries/e1#part"),
        ("//elsewhere.example/", "https://elsewhere.example/"),
        ("https://elsewhere.example/?a=1&amp;b=2", "https://elsewhere.example/?a=1&amp;b=2"),
        ("mailto:desk@news.example", "mailto:desk@news.example"),
    ],
)
def test_links_in_the_body_lead_somewhere_from_any_reader(address, absolute):
    html = '<p><code>&lt;a href="/x"&gt;</code> <a href="{}" rel="noopener">a</a></p>'
    assert for_readers(
        html.format(address), "https://news.example/streams/flood/entries/e1"
    ) == html.format(absolute)
    assert for_readers('<a href="//[::1">a</a>', "https://news.example/") == "<a>a</a>", (
        "no browser could follow it either"
    )

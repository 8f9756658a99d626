"""Pages in German: nothing left out of the catalog, nothing left English."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.frontend import CommandLineInterface
from babel.messages.pofile import read_po

from config.keys import Keys
from config.languages import FOLDER
from models.recipients.audience import add_subscriber
from models.recipients.preferences import Follow, Preferences, set_preferences
from models.tables.ledger import Recipient
from models.tables.stories import Importance
from models.text.tokens import ALL_STREAMS, unsubscribe_token
from tests.support.newsroom import Newsroom
from tests.support.web_person import Person

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "web" / "templates").rglob("*.html"))


def messages(path: Path) -> dict[tuple[object, str | None], Message]:
    with path.open("rb") as file:
        return {
            (message.id, message.context): message
            for message in read_po(file, locale="de")
            if message.id
        }


def test_the_german_catalogue_is_complete_and_as_make_strings_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    recipe = (ROOT / "Makefile").read_text().replace("\\\n", "")
    extract = re.search(r"pybabel (-q extract .*?) -o \S+ \.$", recipe, re.M)
    update = re.search(r"pybabel (-q update .*?) -i \S+ -d \S+ (.*)$", recipe, re.M)
    assert extract and update
    template = str(tmp_path / "now.pot")
    CommandLineInterface().run(["pybabel", *extract[1].split(), "-o", template, "."])
    copy = tmp_path / "translations"
    shutil.copytree(FOLDER, copy)
    into = ["-i", template, "-d", str(copy)]
    CommandLineInterface().run(["pybabel", *update[1].split(), *into, *update[2].split()])
    path = Path("de", "LC_MESSAGES", "messages.po")
    assert (copy / path).read_text("utf-8") == (FOLDER / path).read_text("utf-8"), (
        "run `make strings`, and translate what is new"
    )
    german = messages(FOLDER / path)
    assert len(german) > 200
    for message in german.values():
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(strings) and not message.fuzzy, message.id
        places = set(re.findall(r"%\((\w+)\)s", str(message.id)))
        assert set(re.findall(r"%\((\w+)\)s", str(strings))) <= places, message.id


NAMES = {
    "OPML",
    "Slack",
    "Storywire",
    "storywire",
    "account",
    "reset",
    "link",
    "subscriber",
    "import",
    "streams",
}
"""Words that no language translates: products, paths and two commands."""
LITERAL = r'"(?:[^"\\]|\\.)*"'


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_word_of_a_page_is_marked(path: Path) -> None:
    source = re.sub(r"{% (block focus|macro attrs).*?{% end(block|macro) %}", "", path.read_text())
    text = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", source, flags=re.S)
    assert set(re.findall(r"\w{2,}", re.sub(r"<[^>]*>", " ", text))) <= NAMES
    spoken = " ".join(re.findall(r'(?:aria-label|alt|placeholder|title|content)="([^"]*)"', text))
    assert not re.findall(
        r"\w{2,}",
        re.sub(r"noindex|Markdown|width=device-width, initial-scale=1|light dark", "", spoken),
    )


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_literal_of_a_template_that_begins_like_a_sentence_is_marked(path: Path) -> None:
    code = " ".join(re.findall(r"{%.*?%}|{{.*?}}", path.read_text(), flags=re.S))
    unmarked = re.sub(rf"\b(?:_|n?gettext|pgettext)\((?:{LITERAL}(?:, )?)+", "", code)
    assert set(re.findall(r'"([A-Z“][^"]*)"', unmarked)) <= {"English", "Deutsch"}


@pytest.mark.parametrize(
    "accepted, language, words",
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de", "Neuer Beitrag"),
        ("en-US,en;q=0.9,de;q=0.8", "en", "New entry"),
        ("fr,de;q=0.5", "de", "Neuer Beitrag"),
        ("", "en", "New entry"),
    ],
)
def test_the_desk_uses_the_browsers_language(
    accepted: str, language: str, words: str, editor: Person
) -> None:
    for path in ("/desk", "/desk/post", "/desk/streams/new", "/desk/account"):
        page = editor.get(path, headers={"Accept-Language": accepted}).text
        assert f'<html lang="{language}" dir="ltr">' in page, path
        assert words in page, path


def test_a_stream_uses_its_language_and_the_index_the_sites(
    newsroom: Newsroom, reader: Person, change_settings: Callable[..., None]
) -> None:
    newsroom.stream(
        "hochwasser",
        title="Hochwasser",
        language="de-AT",
        timezone="Europe/Vienna",
        contributors=("Anna", "Bert"),
    )
    newsroom.post("hochwasser", "Pegel steigt", importance=Importance.BREAKING)
    story = reader.get("/streams/hochwasser", headers={"Accept-Language": "en"}).text
    for words in (
        "1 Meldung<",
        "Es berichten",
        "</a> und <a",
        "Samstag, 14. März 2026",
        "Zeiten: Wien (MEZ)",
        "Eilmeldung",
        "Stand: <time",
    ):
        assert words in story, words
    newsroom.post("hochwasser", "Pegel fällt")
    assert "2 Meldungen<" in reader.get("/streams/hochwasser").text
    assert "Diesem Thema folgen" in reader.get("/streams/hochwasser/follow").text
    assert "updates" in reader.get("/", headers={"Accept-Language": "de"}).text
    newsroom.stream("crue", title="La crue", language="fr")
    assert "No updates yet" in reader.get("/streams/crue").text
    change_settings(site_language="de")
    assert "Laufende Themen" in reader.get("/").text
    assert "Noch keine Meldungen" in reader.get("/streams/crue").text, (
        "where the story's is not ours, the site's is spoken"
    )
    assert "Diese Seite gibt es nicht." in reader.get("/nowhere").text
    assert "Dieses Thema gibt es nicht." in reader.get("/streams/nowhere").text
    assert "Follow this story" in reader.get("/streams/floods").text


def test_the_desk_speaks_english(
    editor: Person, newsroom: Newsroom, change_settings: Callable[..., None]
) -> None:
    newsroom.post(importance=Importance.BREAKING)
    change_settings(site_language="de")
    page = editor.get("/desk").text
    assert "Mar" in page and "März" not in page and "Eilmeldung" not in page


def test_a_recipient_is_spoken_to_in_their_language_also_of_what_is_wrong(
    newsroom: Newsroom, reader: Person, keys: Keys
) -> None:
    add_subscriber(newsroom.db, newsroom.actor, "hedda@example.org")
    with newsroom.db.read() as tx:
        uid = tx.query(Recipient).one().uid
    set_preferences(
        newsroom.db, uid, Preferences(follows=(Follow(),), language="de", timezone="Europe/Berlin")
    )
    token = unsubscribe_token(keys, uid, ALL_STREAMS)
    page = reader.get(f"/p/{token}")
    assert "Ihre E-Mail-Einstellungen" in page.text and "Montag" in page.text
    again = reader.send(page, f"/p/{token}", quiet_from="22:00", quiet_until="")
    assert "Ruhezeit: geben Sie Anfang und Ende an." in again.text
    assert "erhält keine E-Mails von The Courier mehr." in reader.get(f"/u/{token}").text


def test_a_wrong_address_is_refused_in_the_language_of_the_story(
    newsroom: Newsroom, reader: Person
) -> None:
    newsroom.stream("hochwasser", language="de")
    sent = {"stream": "hochwasser", "email": "nobody@", "choice": "all"}
    assert "&#39;nobody@&#39; ist keine E-Mail-Adresse." in reader.post("/subscribe", sent).text
    assert (
        "Sehen Sie in Ihr Postfach"
        in reader.post("/subscribe", sent | {"email": "anna@example.org"}).text
    )

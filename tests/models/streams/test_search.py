"""The search finds the same on both databases, whatever is typed."""

from datetime import timedelta
from importlib import import_module
from pkgutil import iter_modules

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sqlalchemy import event, text

from models import Entry, EntryState, RevisionKind, StreamState
from models.db.database import Database
from models.migrations import versions
from models.publishing.posting import Release
from models.publishing.revising import Change, retract, revise
from models.streams.search import RESULTS_PER_PAGE, search
from models.streams.streams import get_stream, set_stream_state
from models.text.normalize import normalized_words, parse_query
from models.text.search_index import index_all_entries, write_words
from models.text.texts import EntryText, PictureText
from tests.support.examples import examples
from tests.support.newsroom import Newsroom


def found(newsroom: Newsroom, typed: str, **where) -> list[str]:
    with newsroom.db.read() as tx:
        stream = get_stream(tx, where.pop("slug")) if "slug" in where else None
        return [entry.title for entry in search(tx, typed, stream=stream, **where).entries]


ENTRIES = {
    "River rising": {
        "dek": "The Größe of it",
        "byline": ("Ann Ångström",),
        "tags": ("Flood watch",),
    },
    "Zürich café İstanbul": {
        "body": "It **rose** by [two metres](https://example.org/secretlink), it's well-known."
    },
    "洪水警報が出た": {"body": "हिन्दी में बाढ़"},
    "Ελλάς ПОТОП": {"body": "the river is rising slowly"},
}


@pytest.mark.parametrize(
    ("typed", "titles"),
    [
        ("RIVER", ["Ελλάς ПОТОП", "River rising"]),
        ("river rising", ["Ελλάς ПОТОП", "River rising"]),
        ('"river rising"', ["River rising"]),
        ('"river ris"', []),
        ('"rising the"', ["River rising"]),  # a phrase goes on from the title into the dek
        ("riv", ["Ελλάς ПОТОП", "River rising"]),
        ("riv rising", []),  # only the last word may be unfinished
        ("r", []),
        ("grosse", ["River rising"]),
        ("angstrom", ["River rising"]),
        ("flood WATCH river", ["River rising"]),
        ("zurich CAFE istanbul", ["Zürich café İstanbul"]),
        ("well-known", ["Zürich café İstanbul"]),
        ("two metres it's", ["Zürich café İstanbul"]),
        ("secretlink", []),
        ("警報", ["洪水警報が出た"]),
        ("報警", []),
        ("हिन्दी", ["洪水警報が出た"]),
        ("ελλασ", ["Ελλάς ПОТОП"]),
        ("потоп", ["Ελλάς ПОТОП"]),
        ("river nowhere", []),
        ("", []),
        ("?! ...", []),
    ],
)
def test_words_are_found_however_they_are_written(newsroom, typed, titles):
    for title, more in ENTRIES.items():
        newsroom.post(title=title, **more)
    assert found(newsroom, typed) == titles


# What somebody types, by the title that it must find: as PostgreSQL's `unaccent` folds, or within a
# script without spaces.
FOLDED = {
    "Wahl in Łódź": ["Lodz", "lodz", "łódź"],
    "Fire in Tromsø": ["Tromso", "TROMSØ"],
    "Đà Nẵng floods": ["Da Nang", "đà nẵng"],
    "Işık kesildi": ["ışık", "isik", "IŞIK"],
    "Æsir and þorn, Ðuro": ["aesir", "thorn", "duro"],
    "œuvre of Hawaiʻi": ["oeuvre", "OEUVRE", "Hawai'i"],
    "Ħal Għaxaq, Ŋgoma": ["hal ghaxaq", "ngoma"],
    "ᾳδης": ["αδης"],
    "น้ำท่วมหนักในเชียงใหม่วันนี้": ["เชียงใหม่", "น้ำท่วม"],
    "ខ្មែរទឹកជំនន់": ["ទឹកជំនន់"],
    "မြန်မာရေကြီး": ["ရေကြီး"],
    "ນ້ຳຖ້ວມຢູ່ວຽງຈັນ": ["ວຽງຈັນ"],
    "大阪で洪水警報": ["洪水", "警報"],
}


def test_letters_are_found_by_plain_ones_and_words_within_scripts_without_spaces(newsroom):
    for title in FOLDED:
        newsroom.post(title=title)
    for title, queries in FOLDED.items():
        assert [found(newsroom, typed) for typed in queries] == [[title]] * len(queries)
    for absent in ("ใหม่เชียง", "警洪", "ကြီးရေ", "Lodzx", "aesirs"):
        assert found(newsroom, absent) == []


@pytest.mark.parametrize(
    ("letters", "plain"),
    [  # unaccent.rules of PostgreSQL 15
        (
            "øđħıłŧŋƀɓƈɖɗƌƒɠɨɩƙƚɲƞƥƫƭʈʋƴƶǥȡȥȴȵȶⱥȼⱦȿɀɇɉɍɏ",
            "odhiltnbbcdddfgiikl" + "nnptttvyzgdzlntactszejry",
        ),
        ("ØĐĦŁŦŊƁɃƇƉƊƋƑƓƗƘȽƝƤƬƮƲƳƵǤȺȻȾɆɈɌɎ", "odhltnbbcdddfgiklnpttvyzgactejry"),
        ("ĸɛɡʉðÐÆæŒœÞþßẞﬁĳǆ", "qegud" + "daeaeoeoeththssssfiijdz"),
        ("äéñçşžğőůẵệơưåÅ", "aencszgouaeouaa"),
    ],
)
def test_letters_are_folded_as_unaccent_folds_them(letters, plain):
    assert normalized_words(letters) == [plain]


def test_an_entry_is_found_by_the_numbers_of_its_lists(newsroom):
    newsroom.post(title="Dyke", body="12. April: *broken*")
    assert found(newsroom, '"12 April broken"') == ["Dyke"]


HOSTILE = [
    "'", '"', '"""', "\\", "' OR 1=1 --", "'); DROP TABLE entry;--", "NOT", "a AND",
    "NEAR(a b, 2)", "words:river", "river*", "-river",
    "^river", "(river", "river)", "a & | !b", "a <-> b", ":*", "%s", "%(x)s", ":wanted", "?",
    "\x00", "\ud800", "\u202e", "ﷺ" * 200,
    "x" * 5000, '" ' * 300, "{river}", "+", "river AND NOT rising", "\u0301\u0301", "1e5 -7.2",
    "<b>", "¹²", "_", "a_b",
]  # fmt: skip


@examples(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.text(max_size=40), st.text(alphabet="ab \"'*:&|!()<>-^+\\%_{}\x00", max_size=30))
)
def test_whatever_is_typed_is_answered(newsroom, typed):
    for public in (True, False):
        found(newsroom, typed, public=public)


def test_signs_of_a_query_language_are_no_more_than_signs(newsroom):
    newsroom.post()
    for typed in HOSTILE:
        assert found(newsroom, typed) in ([], ["River rising"]), typed


def test_every_text_of_an_entry_is_searchable(newsroom):
    for typed in (
        one for one in HOSTILE if one not in {"\x00", "\ud800", "\u202e"} and len(one) < 300
    ):
        entry = newsroom.post(title=f"Ends with {typed}", body=typed * 20)
        words = " ".join(normalized_words(entry.title))
        assert found(newsroom, f'"{words}"')[:1] == [entry.title]


def test_a_text_of_the_greatest_length_is_stored(newsroom):
    body = " ".join(chr(0x1D400 + n % 50) * 3 + "ﷺ" + str(n) for n in range(11_000))
    newsroom.post(title="Long", body=body[:100_000])
    assert found(newsroom, "long") == ["Long"]


def test_readers_find_what_is_out_and_the_desk_finds_all(newsroom):
    newsroom.stream("other")
    states = {
        EntryState.DRAFT: newsroom.post(title="river draft", release=None),
        EntryState.SCHEDULED: newsroom.post(
            title="river scheduled", release=Release(delay=timedelta(hours=1))
        ),
        EntryState.PUBLISHED: newsroom.post(title="river published"),
        EntryState.RETRACTED: newsroom.post(title="river retracted"),
    }
    gone = states[EntryState.RETRACTED]
    retract(newsroom.db, newsroom.actor, gone.uid, gone.version, Change(RevisionKind.RETRACTION))
    newsroom.post("other", title="river other")
    assert found(newsroom, "river") == ["river other", "river published"]
    assert found(newsroom, "river", slug="floods") == ["river published"]
    assert len(found(newsroom, "river", public=False)) == 5
    for state in (StreamState.HIDDEN, StreamState.DELETED):
        set_stream_state(newsroom.db, newsroom.actor, "other", state)
        assert found(newsroom, "river") == ["river published"]


def test_an_entry_is_found_by_its_current_text(newsroom):
    entry = newsroom.post(title="River rising", tags=("Harbour",), byline=("Ann B",))
    revise(
        newsroom.db,
        newsroom.actor,
        entry.uid,
        entry.version,
        EntryText("Lake calm"),
        Change(RevisionKind.SILENT),
    )
    assert [found(newsroom, typed) for typed in ("river", "harbour", "ann", "lake")] == [
        [],
        [],
        [],
        ["Lake calm"],
    ]


def test_pages_follow_each_other_without_a_gap(newsroom):
    for number in range(2 * RESULTS_PER_PAGE + 1):
        newsroom.post(title=f"River {number}")
    pages, before = [], None
    with newsroom.db.read() as tx:
        for _ in range(3):
            page = search(tx, "river", before=before)
            pages.append([entry.title for entry in page.entries])
            before = page.older
    assert before is None and [len(page) for page in pages] == [
        RESULTS_PER_PAGE,
        RESULTS_PER_PAGE,
        1,
    ]
    assert [title for page in pages for title in page] == [
        f"River {number}" for number in range(2 * RESULTS_PER_PAGE, -1, -1)
    ]


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=60))
def test_the_short_way_for_plain_letters_finds_what_the_long_one_does(typed):
    assert [*normalized_words(typed), "e"] == normalized_words(f"{typed} é")


def test_a_query_is_cut_and_its_last_word_begun():
    assert parse_query('"a b" river ri')[0].words == ("a", "b")
    assert [term.begun for term in parse_query('"a b" river ri')] == [False, False, True]
    assert not parse_query('river "ri')[-1].begun and not parse_query("a")[0].begun
    assert len(parse_query("word " * 100)) == 12


def test_a_page_asks_the_index_and_reads_no_table_through(newsroom: Newsroom, db: Database):
    """With enough rows that PostgreSQL would rather not read them all."""
    entry = newsroom.post(title="Needle")
    with db.begin() as tx:
        columns = ", ".join(
            one.name
            for one in Entry.__table__.columns
            if one.name not in {"id", "uid", "guid", "request_key"}
        )
        tail = "CAST(n AS text)"
        copies = (
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n <"
            " 5000)"
        )
        tx.execute(
            text(
                f"INSERT INTO entry (uid, guid, {columns}) {copies} SELECT {tail}, {tail},"
                f" {columns} FROM numbers, entry"
            )
        )
        ids = tx.scalars(text(f"SELECT id FROM entry WHERE id <> {entry.id}")).all()
        write_words(
            tx.connection(), [(id_, [f"hay{n}" for n in range(id_ % 40, 60)]) for id_ in ids]
        )
    if not db.embedded:
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    asked = []
    with db.read() as tx:
        event.listen(db.engine, "before_cursor_execute", lambda *of: asked.append(of[2:4]))
        assert [entry.title for entry in search(tx, "needle").entries] == ["Needle"]
        [(statement, values)] = [one for one in asked if "entry_search" in one[0]]
        explain = "EXPLAIN QUERY PLAN " if db.embedded else "EXPLAIN "
        plan = "\n".join(
            str(row) for row in tx.connection().exec_driver_sql(explain + statement, values)
        )
    if db.embedded:
        assert "SCAN entry_search VIRTUAL TABLE INDEX" in plan
        assert "SCAN entry " not in plan and "TEMP B-TREE" not in plan, plan
    else:
        assert "ix_entry_search_words" in plan and "pk_entry" in plan, plan
        assert "Seq Scan on entry" not in plan and "Backward" not in plan and "Merge" not in plan, (
            plan
        )


def test_entries_from_before_the_search_are_found_after_the_migration_by_all_their_words(
    newsroom: Newsroom, db: Database
):
    picture = PictureText(newsroom.picture(), "The weir at Low Mill", "Hedda Voss")
    newsroom.post(
        title="Six metres",
        byline=("Zoe", "Ann"),
        tags=("Weir", "Dykes"),
        pictures=(picture,),
        body="Water rises.",
    )
    for title, more in ENTRIES.items():
        newsroom.post(title=title, **more)
    query = f"SELECT {'rowid' if db.embedded else 'entry_id'}, words FROM entry_search ORDER BY 1"
    with db.engine.begin() as connection:
        before = connection.exec_driver_sql(query).all()
        connection.exec_driver_sql("DELETE FROM entry_search")
    assert len(before) == len(ENTRIES) + 1 and found(newsroom, "river") == []
    with db.engine.begin() as connection:
        index_all_entries(connection)
        assert connection.exec_driver_sql(query).all() == before
    assert found(newsroom, "river") == ["Ελλάς ПОТОП", "River rising"]
    assert found(newsroom, "low mill") == ["Six metres"]


def test_an_upgrade_lets_the_search_find_earlier_entries_anew(newsroom: Newsroom, db: Database):
    newsroom.post(title="Wahl in Łódź")
    with db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entry_search")
    [name] = [
        module.name
        for module in iter_modules(versions.__path__)
        if module.name.endswith("search_of_all_scripts")
    ]
    with (
        db.engine.begin() as connection,
        Operations.context(MigrationContext.configure(connection)),
    ):
        import_module(f"{versions.__name__}.{name}").upgrade()
    assert found(newsroom, "lodz") == ["Wahl in Łódź"]

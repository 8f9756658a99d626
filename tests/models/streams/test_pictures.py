"""Pictures: kept once, shown by entries and stories, removed when nothing shows them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from models import Autosave, Picture, PictureFile, RevisionKind, Role
from models.db.clock import now
from models.publishing.posting import Release, post_draft, save_draft
from models.publishing.purging import purge_pictures
from models.publishing.revising import Change, apply_due, restore, retract, revise, text_of_revision
from models.streams.pictures import (
    UNUSED_PICTURE_LIFE,
    add_picture,
    delete_unused_pictures,
    get_picture_file,
)
from models.streams.streams import StreamText, edit_stream, get_stream
from models.text.errors import Conflict, Forbidden, Invalid, NotFound
from models.text.texts import EntryText, PictureText
from tests.support.clock import StandingClock
from tests.support.newsroom import Newsroom
from tests.support.picture_files import photo


def kept(newsroom: Newsroom) -> list[str]:
    with newsroom.db.read() as tx:
        return list(tx.scalars(select(Picture.sha256).order_by(Picture.id)))


def shown(newsroom: Newsroom, uid: str) -> tuple[PictureText, ...]:
    return EntryText.of(newsroom.entry(uid)).pictures


def test_a_picture_uploaded_twice_is_stored_once(newsroom: Newsroom) -> None:
    sent = photo(2000, 1000)
    first, again = (add_picture(newsroom.db, newsroom.actor, sent) for _ in range(2))
    assert first.id == again.id and kept(newsroom) == [first.sha256]
    assert [(file.width, file.media_type) for file in again.files] == [
        (480, "image/jpeg"),
        (960, "image/jpeg"),
        (1920, "image/jpeg"),
    ]
    with newsroom.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(PictureFile)) == 3


def test_concurrent_uploads_of_one_picture_are_stored_once(newsroom: Newsroom) -> None:
    sent = photo()
    with ThreadPoolExecutor(4) as senders:
        found = list(
            senders.map(lambda _: add_picture(newsroom.db, newsroom.actor, sent).id, range(4))
        )
    assert len(set(found)) == len(kept(newsroom)) == 1


def test_a_size_of_one_picture_may_be_another_picture(newsroom: Newsroom) -> None:
    large = add_picture(newsroom.db, newsroom.actor, photo(960, 640, "PNG"))
    with newsroom.db.read() as tx:
        small = get_picture_file(tx, large.files[0].sha256, "png").data
    assert add_picture(newsroom.db, newsroom.actor, small).sha256 == large.files[0].sha256
    assert len(kept(newsroom)) == 2


def test_an_author_may_send_pictures(newsroom: Newsroom) -> None:
    author = newsroom.account(Role.AUTHOR)
    assert add_picture(newsroom.db, author, photo()).account_id == author.account_id


def test_an_entry_shows_its_pictures_in_order_and_each_revision_keeps_its_own(
    newsroom: Newsroom,
) -> None:
    a, b = (
        PictureText(newsroom.picture(photo(form="PNG", ground=colour)), f"A {colour} wall", "Mara")
        for colour in ("blue", "green")
    )
    entry = newsroom.post(pictures=(b, a, b))
    assert shown(newsroom, entry.uid) == (b, a)
    changed = EntryText("Changed", pictures=(PictureText(a.sha256, "Another word"),))
    first = revise(newsroom.db, newsroom.actor, entry.uid, 2, changed, Change())
    assert shown(newsroom, entry.uid) == changed.pictures
    assert first.content["pictures"] == [{"sha256": a.sha256, "alt": "Another word", "credit": ""}]
    revise(
        newsroom.db,
        newsroom.actor,
        entry.uid,
        3,
        EntryText("Changed"),
        Change(RevisionKind.UPDATE, delay=timedelta(0)),
    )
    assert shown(newsroom, entry.uid) == ()


def test_a_revision_of_before_there_were_pictures_can_still_be_applied(
    newsroom: Newsroom, clock: StandingClock
) -> None:
    entry = newsroom.post(pictures=(PictureText(newsroom.picture(), "A wall"),))
    change = Change(RevisionKind.UPDATE, delay=timedelta(seconds=10))
    waiting = revise(newsroom.db, newsroom.actor, entry.uid, 2, EntryText("Changed"), change)
    with newsroom.db.begin() as tx:
        tx.add(waiting)
        waiting.content = {
            name: value for name, value in waiting.content.items() if name != "pictures"
        }
    clock.forward(seconds=10)
    assert apply_due(newsroom.db) == 1
    assert newsroom.entry(entry.uid).title == "Changed" and shown(newsroom, entry.uid) == ()


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (lambda room: PictureText(room.picture(), " "), "add alt text for picture 1"),
        (
            lambda room: PictureText("0" * 64, "A wall"),
            "upload the picture again: it is no longer here",
        ),
        (lambda room: PictureText("../etc", "A wall"), "upload the picture again"),
        (lambda room: PictureText(room.picture(), "a" * 1001), "too long: 1,001 of at most 1,000"),
        (lambda room: PictureText(room.picture(), "a", "c" * 201), "too long: 201 of at most 200"),
        (lambda room: PictureText(room.picture(), "bell \x07"), "U\\+0007"),
    ],
)
def test_a_picture_that_cannot_be_shown_is_refused(newsroom: Newsroom, picture, says) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        newsroom.post(pictures=(picture(newsroom),))
    assert caught.value.field == "picture"


def test_an_entry_shows_ten_pictures_at_most() -> None:
    with pytest.raises(Invalid, match="at most 10"):
        EntryText(
            "T", pictures=tuple(PictureText(f"{n:064x}", "A wall") for n in range(11))
        ).cleaned()


def test_a_story_has_a_picture_with_its_words(newsroom: Newsroom) -> None:
    text = StreamText("The floods", picture=newsroom.picture(), picture_alt="A wall")
    edit_stream(newsroom.db, newsroom.actor, "floods", text)
    with newsroom.db.read() as tx:
        stream = get_stream(tx, "floods")
    assert (
        StreamText.of(stream) == text
        and stream.picture is not None
        and stream.picture.largest.width == 480
    )
    with pytest.raises(Invalid, match="add alt text"):
        edit_stream(
            newsroom.db, newsroom.actor, "floods", StreamText("The floods", picture=text.picture)
        )
    edit_stream(newsroom.db, newsroom.actor, "floods", StreamText("The floods"))
    with newsroom.db.read() as tx:
        assert get_stream(tx, "floods").picture is None


def test_a_picture_that_nothing_shows_is_removed_after_a_week(
    newsroom: Newsroom, clock: StandingClock
) -> None:
    newsroom.picture()
    clock.forward(seconds=UNUSED_PICTURE_LIFE.total_seconds())
    assert delete_unused_pictures(newsroom.db) == 0
    clock.forward(seconds=1)
    assert delete_unused_pictures(newsroom.db) == 1
    assert kept(newsroom) == []
    with newsroom.db.read() as tx:
        assert tx.scalar(select(func.count()).select_from(PictureFile)) == 0


def test_one_that_anything_may_still_show_stays(newsroom: Newsroom, clock: StandingClock) -> None:
    names = [
        newsroom.picture(photo(form="PNG", ground=colour))
        for colour in ("blue", "green", "black", "white", "yellow")
    ]
    of_entry, of_story, of_revision, of_form, of_draft = names
    newsroom.post(pictures=(PictureText(of_entry, "A"),))
    edit_stream(
        newsroom.db,
        newsroom.actor,
        "floods",
        StreamText("The floods", picture=of_story, picture_alt="A"),
    )
    entry = newsroom.post(pictures=(PictureText(of_revision, "A"),))
    revise(newsroom.db, newsroom.actor, entry.uid, 2, EntryText("Without"), Change())
    newsroom.post(release=None, pictures=(PictureText(of_draft, "A"),))
    with newsroom.db.begin() as tx:
        tx.add(
            Autosave(
                account_id=newsroom.actor.account_id,
                place="k",
                fields={"picture": of_form},
                saved_at=now(tx),
            )
        )
    for _ in range(3):
        clock.forward(days=8)
        assert delete_unused_pictures(newsroom.db) == 0
    assert kept(newsroom) == names


def test_one_that_is_sent_or_used_again_gets_its_week_anew(
    newsroom: Newsroom, clock: StandingClock
) -> None:
    sent, used = newsroom.picture(), newsroom.picture(photo(form="PNG", ground="green"))
    draft = newsroom.post(release=None, pictures=(PictureText(used, "A"),))
    clock.forward(days=6)
    assert newsroom.picture() == sent
    save_draft(newsroom.db, newsroom.actor, draft.uid, draft.version, EntryText("Without"))
    post_draft(
        newsroom.db,
        newsroom.actor,
        draft.uid,
        draft.version + 1,
        EntryText("With", pictures=(PictureText(used, "A"),)),
        Release(),
    )
    clock.forward(days=6)
    assert delete_unused_pictures(newsroom.db) == 0 and kept(newsroom) == [sent, used]


def test_a_picture_that_is_used_while_it_is_judged_stays(
    newsroom: Newsroom, clock: StandingClock, monkeypatch
) -> None:
    name = newsroom.picture()
    clock.forward(days=8)

    def used_meanwhile(tx, picture) -> bool:
        tx.close()
        newsroom.post(pictures=(PictureText(name, "A"),))
        return False

    monkeypatch.setattr("models.streams.pictures._is_used", used_meanwhile)
    assert delete_unused_pictures(newsroom.db) == 0
    assert kept(newsroom) == [name]


def test_a_file_is_found_by_its_whole_name_only(newsroom: Newsroom) -> None:
    name = newsroom.picture()
    with newsroom.db.read() as tx:
        assert get_picture_file(tx, name, "jpg").width == 480
        for sha256, extension in ((name, "png"), ("0" * 64, "jpg")):
            with pytest.raises(NotFound):
                get_picture_file(tx, sha256, extension)


def test_all_pictures_that_a_retracted_entry_ever_showed_can_be_deleted_for_good(
    newsroom: Newsroom, clock: StandingClock
) -> None:
    first, second, shared = (
        newsroom.picture(photo(ground=colour)) for colour in ("blue", "green", "white")
    )
    newsroom.post(title="Other", pictures=(PictureText(shared, "A wall"),))
    entry = newsroom.post(pictures=(PictureText(first, "Blue"), PictureText(shared, "A wall")))
    now_shown = EntryText("River rising", pictures=(PictureText(second, "Green"),))
    revise(newsroom.db, newsroom.actor, entry.uid, entry.version, now_shown, Change())
    with pytest.raises(Conflict, match="Retract this entry first"):
        purge_pictures(newsroom.db, newsroom.actor, entry.uid)
    retract(
        newsroom.db,
        newsroom.actor,
        entry.uid,
        newsroom.entry(entry.uid).version,
        Change(RevisionKind.RETRACTION),
    )
    with pytest.raises(Forbidden):
        purge_pictures(newsroom.db, newsroom.account(Role.EDITOR), entry.uid)
    before = newsroom.entry(entry.uid).version
    assert purge_pictures(newsroom.db, newsroom.actor, entry.uid) == sorted([first, second])
    assert purge_pictures(newsroom.db, newsroom.actor, entry.uid) == []
    assert kept(newsroom) == [shared]
    with newsroom.db.read() as tx:
        assert not tx.scalars(
            select(PictureFile.sha256).where(PictureFile.sha256.in_([first, second]))
        ).all()
    found = newsroom.entry(entry.uid)
    assert shown(newsroom, entry.uid) == () and found.version > before
    restore(newsroom.db, newsroom.actor, entry.uid, found.version, Change(RevisionKind.RESTORE))
    with newsroom.db.read() as tx:
        assert text_of_revision(tx, newsroom.entry(entry.uid), 1).pictures == (
            PictureText(shared, "A wall"),
        )

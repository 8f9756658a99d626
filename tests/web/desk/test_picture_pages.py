"""Pictures on the desk: sent ahead of the text or with its form, kept through every detour, shown
in the end.
"""

from io import BytesIO
from typing import Any

import lxml.html
import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from models import EntryState
from models.publishing.revising import Change, revise
from models.streams.streams import get_stream
from models.tables.media import MAX_PICTURE_BYTES
from models.text.texts import EntryText, PictureText
from tests.support.newsroom import Newsroom
from tests.support.picture_files import bomb, photo
from tests.support.web_person import BASE_URL, SAME_ORIGIN, Person, titles

BLUE, GREEN = photo(ground="blue"), photo(ground="green")


def fields(person: Person, path: str = "/desk/post", **changed: Any) -> dict[str, Any]:
    """Of the form of that page as it comes, without pictures."""
    found = person.form(person.get(path))[1]
    return {
        name: found[name]
        for name in found
        if name not in {"file", "first", "drop", "picture", "alt", "credit"}
    } | changed


def file(data: bytes) -> FileStorage:
    return FileStorage(BytesIO(data), "a.jpg")


def post(person: Person, path: str, sent: dict[str, Any], **options: Any) -> Any:
    """Send a form with a file; made here, since the client would leave the temporary file of a
    large one open.
    """
    boundary, body = encode_multipart(sent)
    content_type = f'multipart/form-data; boundary="{boundary}"'
    return person.client.post(
        path,
        data=body,
        content_type=content_type,
        base_url=BASE_URL,
        **{"headers": SAME_ORIGIN} | options,
    )


def pictures(newsroom: Newsroom, uid: str) -> tuple[PictureText, ...]:
    return EntryText.of(newsroom.entry(uid)).pictures


def upload(person: Person, data: bytes, **options: Any) -> Any:
    token = person.form(person.get("/desk/post"))[1]["csrf_token"]
    return post(person, "/desk/pictures", {"csrf_token": token, "file": file(data)}, **options)


def test_a_picture_that_is_sent_ahead_is_answered_by_its_name(
    author: Person, newsroom: Newsroom
) -> None:
    answer = upload(author, BLUE)
    assert (answer.status_code, answer.json) == (201, {"picture": newsroom.picture(BLUE)})
    shown = author.get(f"/desk/pictures/{answer.json['picture']}", follow_redirects=True)
    assert shown.content_type == "image/jpeg"
    assert author.get(f"/desk/pictures/{'0' * 64}").status_code == 404


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "Upload a JPEG"),
        (b"<!DOCTYPE html><script>alert(1)</script>", "Upload a JPEG"),
        (bomb(10_000, 10_000), "limit is 25 megapixels"),
        (BLUE[: len(BLUE) // 2], "damaged"),
        (bytes(MAX_PICTURE_BYTES + 1), "Too large: "),
    ],
    ids=["svg", "html", "bomb", "cut off", "too large"],
)
def test_what_is_no_picture_is_refused_in_a_sentence(
    data: bytes, says: str, author: Person
) -> None:
    answer = upload(author, data)
    assert answer.status_code == 422 and says in answer.json["problem"]


def test_only_forms_that_bring_pictures_may_be_large(editor: Person) -> None:
    large = {"csrf_token": fields(editor)["csrf_token"], "file": file(bytes(5 * 2**20))}
    statuses = {}
    for path in (
        "/desk/pictures",
        "/desk/post",
        "/desk/entries/abc/draft",
        "/desk/account/name",
        "/login",
        "/desk/pictures/x",
    ):
        large["file"] = file(bytes(5 * 2**20))
        statuses[path] = post(editor, path, large).status_code
    assert (
        statuses["/desk/pictures"] == 422
        and statuses["/desk/post"] == 422
        and statuses["/desk/entries/abc/draft"] == 404
    )
    assert statuses["/desk/account/name"] == statuses["/login"] == 413
    large["file"] = file(bytes(17 * 2**20))
    assert post(editor, "/desk/post", large).status_code == 413


def test_without_script_a_picture_comes_with_the_form(editor: Person, newsroom: Newsroom) -> None:
    sent = fields(
        editor,
        title="A",
        stream="floods",
        file=file(BLUE),
        alt="A blue wall",
        credit="Mara",
        do="post",
    )
    uid = editor.uid(post(editor, "/desk/post", sent))
    assert pictures(newsroom, uid) == (PictureText(newsroom.picture(BLUE), "A blue wall", "Mara"),)
    editor.send(editor.get(f"/desk/entries/{uid}"), f"/desk/entries/{uid}/undo")
    sent = fields(editor, f"/desk/entries/{uid}/edit", file=file(GREEN), do="draft")
    sent |= {
        "picture": newsroom.picture(BLUE),
        "alt": ["A blue wall", "A green wall"],
        "credit": ["Mara", ""],
    }
    assert post(editor, f"/desk/entries/{uid}/draft", sent).status_code == 303
    assert [shown.alt for shown in pictures(newsroom, uid)] == ["A blue wall", "A green wall"]


def test_a_picture_without_description_is_kept_and_the_form_asks_for_one(
    editor: Person, newsroom: Newsroom
) -> None:
    sent = fields(
        editor, title="A", body="Written.", stream="floods", file=file(BLUE), alt="", do="post"
    )
    answer = post(editor, "/desk/post", sent)
    assert (
        answer.status_code == 422
        and "Add alt text for picture 1" in answer.text
        and "Written." in answer.text
    )
    assert titles(newsroom) == []
    (image,) = lxml.html.fromstring(answer.text).xpath("//fieldset[@id='picture']/ol//img")
    assert image.get("src") == f"/desk/pictures/{newsroom.picture(BLUE)}"
    uid = editor.uid(editor.send(answer, alt="A blue wall", do="post"))
    assert [shown.alt for shown in pictures(newsroom, uid)] == ["A blue wall"]


def test_a_file_that_is_refused_loses_no_text(editor: Person) -> None:
    answer = editor.post(
        "/desk/post",
        fields(
            editor,
            title="A",
            body="Written.",
            stream="floods",
            file=file(b"<svg/>"),
            alt="A wall",
            do="post",
        ),
    )
    assert answer.status_code == 422 and "Upload a JPEG" in answer.text
    assert "Written." in answer.text and 'value="A wall"' in answer.text


def test_pictures_are_put_in_front_and_removed_by_the_form(
    editor: Person, newsroom: Newsroom
) -> None:
    names = [newsroom.picture(data) for data in (BLUE, GREEN, photo())]
    uid = newsroom.post(
        release=None, pictures=tuple(PictureText(name, f"Wall {n}") for n, name in enumerate(names))
    ).uid
    sent = fields(
        editor,
        f"/desk/entries/{uid}/edit",
        do="draft",
        picture=names,
        alt=["0", "1", "2", ""],
        credit=["", "b", "", ""],
    )
    assert (
        post(
            editor, f"/desk/entries/{uid}/draft", sent | {"first": names[2], "drop": names[0]}
        ).status_code
        == 303
    )
    assert pictures(newsroom, uid) == (PictureText(names[2], "2"), PictureText(names[1], "1", "b"))


def test_pictures_survive_a_log_out(editor: Person, newsroom: Newsroom) -> None:
    names = [newsroom.picture(data) for data in (BLUE, GREEN)]
    sent = fields(
        editor,
        title="A",
        stream="floods",
        picture=names,
        alt=["A blue wall", "A green wall", ""],
        credit=["", "Mara", ""],
        do="draft",
    )
    editor.post("/logout", {})
    kept = lxml.html.fromstring(post(editor, "/desk/post", sent).text)
    assert kept.xpath("//input[@name='kept.picture']/@value") == ["\n".join(names)]
    assert kept.xpath("//input[@name='kept.alt']/@value") == ["A blue wall\nA green wall\n"]


def test_pictures_survive_the_confirmation_of_a_large_alert(
    editor: Person, newsroom: Newsroom
) -> None:
    newsroom.subscribe_many(1)
    names = [newsroom.picture(data) for data in (BLUE, GREEN)]
    sent = fields(
        editor,
        title="A",
        stream="floods",
        importance="breaking",
        picture=names,
        alt=["A", "B", ""],
        credit=["K", "M", ""],
        do="post",
    )
    question = post(editor, "/desk/post", sent)
    assert "Alert 1 recipient" in question.text
    uid = editor.uid(editor.send(question, do="post"))
    assert pictures(newsroom, uid) == (
        PictureText(names[0], "A", "K"),
        PictureText(names[1], "B", "M"),
    )


def test_a_stale_save_shows_both_words_of_a_picture(editor: Person, newsroom: Newsroom) -> None:
    entry = newsroom.post(pictures=(PictureText(newsroom.picture(BLUE), "A blue wall"),))
    page = editor.get(f"/desk/entries/{entry.uid}/edit")
    theirs = editor.get(f"/desk/entries/{entry.uid}/edit")
    assert editor.send(theirs, alt="A wall of the brickworks", do="save").status_code == 303
    answer = editor.send(page, alt="A blue door", do="save")
    assert answer.status_code == 409
    marked = lxml.html.fromstring(answer.text).xpath("//div[@class='diff']/p[span='Alt text']")
    assert "brickworks" in marked[0].text_content() and "door" in marked[0].text_content()


def test_the_preview_and_the_desk_show_pictures(editor: Person, newsroom: Newsroom) -> None:
    name = newsroom.picture(BLUE)
    sent = fields(
        editor,
        title="A",
        stream="floods",
        picture=name,
        alt="A <blue> wall",
        credit="Mara",
        do="preview",
    )
    root = lxml.html.fromstring(post(editor, "/desk/post", sent).text)
    assert (
        root.xpath("//article//figure/img/@alt") == ["A <blue> wall"]
        and root.xpath("//article//figcaption")[0].text == "Mara"
    )
    uid = newsroom.post(pictures=(PictureText(name, "A <blue> wall"),)).uid
    assert lxml.html.fromstring(editor.get(f"/desk/entries/{uid}").text).xpath(
        "//figure/img/@src"
    ) == [f"/media/{name}.jpg"]


def test_an_author_posts_with_a_picture(author: Person, newsroom: Newsroom) -> None:
    sent = fields(author, title="A", stream="floods", file=file(BLUE), alt="A blue wall", do="post")
    assert (
        newsroom.entry(author.uid(post(author, "/desk/post", sent))).state is EntryState.SUBMITTED
    )


def test_a_story_gets_a_picture_and_loses_it_again(editor: Person, newsroom: Newsroom) -> None:
    def sent(**changed: Any) -> dict[str, Any]:
        found = editor.form(editor.get("/desk/streams/floods/edit"))[1]
        return {
            name: value for name, value in found.items() if name not in {"file", "drop"}
        } | changed

    refused = post(editor, "/desk/streams/floods/edit", sent(file=file(BLUE), dek="Kept."))
    assert (
        refused.status_code == 422
        and "Add alt text for picture 1" in refused.text
        and "Kept." in refused.text
    )
    assert editor.send(refused, picture_alt="The valley").status_code == 303
    with newsroom.db.read() as tx:
        stream = get_stream(tx, "floods")
    assert stream.picture is not None and (stream.picture.sha256, stream.picture_alt) == (
        newsroom.picture(BLUE),
        "The valley",
    )
    assert post(editor, "/desk/streams/floods/edit", sent()).status_code == 303
    with newsroom.db.read() as tx:
        assert get_stream(tx, "floods").picture is not None
    assert post(editor, "/desk/streams/floods/edit", sent(drop="x")).status_code == 303
    with newsroom.db.read() as tx:
        assert get_stream(tx, "floods").picture is None


def test_pictures_from_logged_out_clients_or_other_sites_are_refused(
    reader: Person, author: Person, newsroom: Newsroom
) -> None:
    token = fields(author)["csrf_token"]
    assert (
        post(reader, "/desk/pictures", {"csrf_token": token, "file": file(BLUE)}).status_code == 401
    )
    elsewhere = SAME_ORIGIN | {"Sec-Fetch-Site": "cross-site"}
    answer = post(
        author, "/desk/pictures", {"csrf_token": token, "file": file(BLUE)}, headers=elsewhere
    )
    assert answer.status_code == 403


def test_pictures_are_autosaved_and_described_in_the_preview(
    editor: Person, newsroom: Newsroom
) -> None:
    newsroom.subscribe_many(1)
    names = [newsroom.picture(data) for data in (BLUE, GREEN)]
    said = {
        "picture": "\r\n".join(names),
        "alt": "A blue wall\r\nA green wall",
        "credit": "\r\nMara",
    }
    sent = fields(editor, title="A", stream="floods", typed="yes", **said)
    live = editor.post("/desk/preview", sent)
    assert lxml.html.fromstring(live.text).xpath("//figure/img/@alt") == [
        "A blue wall",
        "A green wall",
    ]
    mail = editor.get(f"/desk/kept/{sent['request_key']}/mail").text
    assert "Picture: A blue wall" in mail and "Picture: A green wall (Mara)" in mail
    root = lxml.html.fromstring(editor.get(f"/desk/post?kept={sent['request_key']}").text)
    assert root.xpath("//fieldset[@id='picture']/ol//input[@name='picture']/@value") == names
    assert root.xpath("//fieldset[@id='picture']/ol//input[@name='alt']/@value") == [
        "A blue wall",
        "A green wall",
    ]
    assert root.xpath("//fieldset[@id='picture']/ol//input[@name='credit']/@value") == ["", "Mara"]


def test_a_former_text_comes_back_with_its_pictures(editor: Person, newsroom: Newsroom) -> None:
    shown = PictureText(newsroom.picture(BLUE), "A blue wall", "Mara")
    entry = newsroom.post(pictures=(shown,))
    revise(newsroom.db, newsroom.actor, entry.uid, entry.version, EntryText("Without"), Change())
    page = editor.get(f"/desk/entries/{entry.uid}/edit?from=1")
    assert editor.send(page, do="save").status_code == 303
    assert pictures(newsroom, entry.uid) == (shown,)

"""Pictures as they are served."""

from models.streams.pictures import get_picture_file
from tests.support.newsroom import Newsroom
from tests.support.picture_files import photo
from tests.support.web_person import Person


def test_a_picture_is_served_for_good_with_its_type_and_without_a_cookie(
    newsroom: Newsroom, reader: Person, editor: Person
) -> None:
    name = newsroom.picture()
    with newsroom.db.read() as tx:
        data = get_picture_file(tx, name, "jpg").data
    for person in (reader, editor):
        answer = person.get(f"/media/{name}.jpg")
        assert (answer.status_code, answer.data) == (200, data)
        assert (
            answer.content_type == "image/jpeg"
            and answer.headers["X-Content-Type-Options"] == "nosniff"
        )
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Set-Cookie" not in answer.headers and "Vary" not in answer.headers
        assert answer.headers["ETag"] == f'"{name}"'


def test_head_has_the_length_and_no_body(newsroom: Newsroom, reader: Person) -> None:
    path = f"/media/{newsroom.picture()}.jpg"
    answer = reader.client.head(path, base_url="https://news.example.org")
    assert answer.status_code == 200 and answer.data == b""
    assert answer.content_length == len(reader.get(path).data)


def test_a_cached_picture_gets_304(newsroom: Newsroom, reader: Person) -> None:
    path = f"/media/{newsroom.picture()}.jpg"
    tag = reader.get(path).headers["ETag"]
    answer = reader.get(path, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (answer.status_code, answer.data) == (304, b"")
    assert answer.headers["ETag"] == tag and "immutable" in answer.headers["Cache-Control"]
    assert reader.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_any_other_name_is_not_found(newsroom: Newsroom, reader: Person) -> None:
    name = newsroom.picture(photo(form="PNG"))
    assert reader.get(f"/media/{name}.png").status_code == 200
    for path in (
        f"{name}.jpg",
        f"{name}.html",
        f"{name}",
        f"{name[:-1]}.png",
        f"{'0' * 64}.png",
        f"{name.upper()}.png",
        f"{name}.png.js",
    ):
        assert reader.get(f"/media/{path}").status_code == 404, path
        assert reader.get(f"/media/{path}", headers={"If-None-Match": "*"}).status_code == 404, path

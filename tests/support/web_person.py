"""A person who uses the pages by their forms."""

from typing import Any

import lxml.html
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models import EntryState
from models.streams.entries import list_entries
from tests.support.newsroom import Newsroom

BASE_URL = "https://news.example.org"


SECRET = "a secret for tests that is long enough"


SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


class Person:
    """Somebody with a browser: fills in forms as the pages give them."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, base_url=BASE_URL, **options)

    def post(self, path: str, fields: dict[str, str], **options: Any) -> TestResponse:
        """Send fields as they are."""
        return self.client.post(
            path, data=fields, base_url=BASE_URL, headers=SAME_ORIGIN, **options
        )

    def form(self, page: TestResponse, action: str | None = None) -> tuple[str, dict[str, Any]]:
        """Where a page's form leads and what it holds: the one of that action, else the last."""
        root = lxml.html.fromstring(page.text)
        forms = [
            form
            for form in root.forms
            if form.action != "/logout" and (action is None or form.action == action)
        ]
        assert forms, f"{page.request.path} has no form for {action}"
        form = forms[-1]
        values = {name: value or "" for name, value in form.fields.items()}
        # Boxes of one name are what is ticked of them.
        read = {
            name: value.removeprefix("\n") if isinstance(value, str) else list(value)
            for name, value in values.items()
        }
        return form.action or page.request.path, read

    def send(self, page: TestResponse, action: str | None = None, **changed: str) -> TestResponse:
        """Press a button of a page's form (``do``), with some fields changed."""
        path, fields = self.form(page, action)
        return self.post(path, fields | changed)

    def write(self, do: str = "post", **fields: str) -> TestResponse:
        """Fill in the form of a new entry and press a button."""
        return self.send(
            self.get("/desk/post"),
            **{"stream": "floods", "title": "River rising", "do": do} | fields,
        )

    def uid(self, response: TestResponse) -> str:
        """The entry that a form led to."""
        assert response.status_code == 303, response.text
        return response.location.split("/")[3]


def titles(newsroom: Newsroom, *states: EntryState) -> list[str]:
    """Of all entries, or those in these states, the last changed first."""
    with newsroom.db.read() as tx:
        return [entry.title for entry in list_entries(tx, *states)]

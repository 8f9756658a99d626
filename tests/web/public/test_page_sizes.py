"""What a reader's line carries."""

import gzip
import random

import lxml.html

from tests.support.newsroom import Newsroom
from tests.support.web_person import Person

# which compress about as well as words do
WORDS = [f"{number:x}" for number in range(0x10000, 0x10000 + 2_000)]


def test_a_story_of_fifty_entries_comes_in_forty_kilobytes_and_what_it_needs_in_thirty(
    newsroom: Newsroom, reader: Person
) -> None:
    chance = random.Random(1)
    for number in range(50):
        body = " ".join(chance.choices(WORDS, k=84))[:500]
        newsroom.post(
            title=f"The gauge reads {number}",
            dek="Nine more than before.",
            body=body,
            byline=("Ines Valbrook",),
            tags=("Rain",),
        )
    sizes = {
        coding: len(reader.get("/streams/floods", headers={"Accept-Encoding": coding}).data)
        for coding in ("identity", "gzip", "br")
    }
    root = lxml.html.fromstring(reader.get("/streams/floods").text)
    needed = 0
    for address in root.xpath("//link[@rel='stylesheet']/@href | //script/@src"):
        with reader.get(address) as answer:
            needed += len(gzip.compress(answer.data))
    assert sizes["gzip"] <= 40_000 and sizes["br"] <= 40_000
    assert needed <= 30_000
    assert all(picture.get("width") and picture.get("height") for picture in root.iter("img"))

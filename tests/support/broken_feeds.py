"""Looking into an XML feed, and ways to break it: each rule must be seen to fail once."""

from collections import Counter
from collections.abc import Callable, Iterable
from copy import deepcopy

from lxml import etree

Element = etree._Element
NAMES = {
    "a": "http://www.w3.org/2005/Atom",
    "fh": "http://purl.org/syndication/history/1.0",
    "at": "http://purl.org/atompub/tombstones/1.0",
    "media": "http://search.yahoo.com/mrss/",
    "content": "http://purl.org/rss/1.0/modules/content/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "sy": "http://purl.org/rss/1.0/modules/syndication/",
}


def find(feed: Element, path: str) -> list:
    return feed.xpath(path, namespaces=NAMES)


def change(path: str, text: str | None = None, **attributes: str) -> Callable[[Element], None]:
    """Of the first that is found."""

    def spoil(feed: Element) -> None:
        element = find(feed, path)[0]
        element.text = text or element.text
        element.attrib.update(attributes)

    return spoil


def drop(path: str) -> Callable[[Element], None]:
    def spoil(feed: Element) -> None:
        for element in find(feed, path):
            element.getparent().remove(element)

    return spoil


def add(path: str, name: str) -> Callable[[Element], None]:
    prefix, _, local = name.rpartition(":")
    return lambda feed: etree.SubElement(
        find(feed, path)[0], f"{{{NAMES[prefix]}}}{local}" if prefix else local
    )


def again(path: str) -> Callable[[Element], None]:
    def spoil(feed: Element) -> None:
        element = find(feed, path)[0]
        element.addnext(deepcopy(element))

    return spoil


def twice(values: Iterable) -> list:
    return [value for value, number in Counter(values).items() if number > 1]

"""Reads a feed from its first page to its last, as a feed reader would, and prints what it found."""

import io
import json
import sys

import feedparser
import jsonschema
import requests
from lxml import etree

TOMBSTONE = "{http://purl.org/atompub/tombstones/1.0}"
TEXT = {"type": "string", "minLength": 1}
TIME = {"type": "string", "format": "date-time"}
URL = {"type": "string", "pattern": "^https?://"}
# JSON Feed 1.1, as far as we use it: no library of PyPI reads it.
JSON_FEED = {
    "type": "object",
    "required": ["version", "title", "items"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": TEXT,
        "home_page_url": URL,
        "feed_url": URL,
        "next_url": URL,
        "language": TEXT,
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "content_text"],
                "additionalProperties": False,
                "properties": {
                    "id": TEXT,
                    "url": URL,
                    "title": TEXT,
                    "content_text": TEXT,
                    "date_published": TIME,
                    "date_modified": TIME,
                    "authors": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"name": TEXT}},
                    },
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}


def of_json(response):
    feed = response.json()
    jsonschema.Draft202012Validator(JSON_FEED, format_checker=jsonschema.FormatChecker()).validate(feed)
    assert feed["feed_url"] == response.url, feed["feed_url"]
    keys = ("id", "title", "url")
    entries = [{key: item[key] for key in keys} | {"text": item["content_text"]} for item in feed["items"]]
    return entries, [], feed.get("next_url")


def of_xml(response):
    feed = feedparser.parse(io.BytesIO(response.content), response_headers=dict(response.headers))
    assert not feed.bozo, feed.bozo_exception
    links = {link.rel: link.href for link in feed.feed.links}
    assert links["self"] == response.url, links
    assert feed.feed.title and feed.feed.updated_parsed
    entries = []
    for entry in feed.entries:
        assert entry.published_parsed, entry
        entries.append({"id": entry.id, "title": entry.title, "url": entry.link, "text": entry.summary})
    deleted = []
    for entry in etree.fromstring(response.content).iter(TOMBSTONE + "deleted-entry"):
        comment = entry.findtext(TOMBSTONE + "comment")
        deleted.append({"ref": entry.get("ref"), "when": entry.get("when"), "comment": comment})
    return entries, deleted, links.get("next")


def main(url):
    read = of_json if ".json" in url else of_xml
    pages, entries, deleted = 0, [], []
    session = requests.Session()
    session.trust_env = False
    while url:
        response = session.get(url, timeout=30)
        response.raise_for_status()
        found, gone, url = read(response)
        assert found or not pages, "an empty page after the first"
        pages += 1
        entries += found
        deleted += gone
    print(json.dumps({"pages": pages, "entries": entries, "deleted": deleted}))


main(sys.argv[1])

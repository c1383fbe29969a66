"""Reads a sitemap of news by the rules of the sitemaps protocol and of Google News, and prints it."""

import json
import re
import sys
from datetime import datetime, timedelta, timezone

from lxml import etree

SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
NEWS = "{http://www.google.com/schemas/sitemap-news/0.9}"

root = etree.fromstring(sys.stdin.buffer.read())
assert root.tag == SITEMAP + "urlset", root.tag
urls = []
for url in root:
    assert url.tag == SITEMAP + "url", url.tag
    loc = url.findtext(SITEMAP + "loc")
    assert re.match(r"https?://", loc), loc
    datetime.fromisoformat(url.findtext(SITEMAP + "lastmod"))
    (news,) = url.findall(NEWS + "news")
    publication = news.find(NEWS + "publication")
    assert publication.findtext(NEWS + "name")
    assert re.fullmatch(r"[a-z]{2,3}|zh-cn|zh-tw", publication.findtext(NEWS + "language"))
    published = datetime.fromisoformat(news.findtext(NEWS + "publication_date"))
    assert datetime.now(timezone.utc) - published < timedelta(days=2), published
    urls.append({"loc": loc, "title": news.findtext(NEWS + "title")})
assert len(urls) <= 1000, len(urls)
print(json.dumps(urls))

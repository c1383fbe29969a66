"""Follows the public log of a portal from its start, as a partner who has never heard of it: with the
CloudEvents SDK and the Link of each answer, and nothing else. Ends with the first retraction.

usage: follow_events.py URL LIMIT
"""

import json
import sys
from urllib.parse import urljoin
from urllib.request import urlopen

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

base, limit = sys.argv[1:]
url = urljoin(base, f"/v1/events?after=0&limit={limit}&wait=5")
ended = False
while not ended:
    with urlopen(url, timeout=60) as answer:
        assert answer.headers["Content-Type"] == "application/cloudevents-batch+json", answer.headers
        link = answer.headers["Link"]
        batch = json.load(answer)
    assert len(batch) <= int(limit), len(batch)
    for one in batch:
        # The SDK knows no batches: an element of one is an event in structured mode.
        event = JSONFormat().read(CloudEvent, json.dumps(one))
        where = event.get_data()
        print(json.dumps({
            "position": event.get_extension("position"),
            "id": event.get_id(),
            "source": event.get_source(),
            "type": event.get_type(),
            "subject": event.get_subject(),
            "time": event.get_time().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "url": where["url"],
        }))
        ended = ended or event.get_type() == "news.article_retracted"
    target, relation = link.split(";")
    assert relation.strip() == 'rel="next"', link
    url = urljoin(base, target.strip("<>"))

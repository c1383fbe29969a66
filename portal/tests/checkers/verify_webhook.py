"""Receives webhooks as a partner would: each is verified with the library of Standard Webhooks and read
with the CloudEvents SDK.

usage: verify_webhook.py SECRET < one JSON object a line, {"headers": {...}, "body": "..."}

Prints a JSON object a line: what the event says, or that it is refused.
"""

import json
import sys

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(sys.argv[1])
for line in sys.stdin:
    request = json.loads(line)
    headers, body = request["headers"], request["body"]
    try:
        webhook.verify(body, headers)
    except WebhookVerificationError as error:
        print(json.dumps({"refused": str(error)}))
        continue
    event = from_structured_event(HTTPMessage(headers=headers, body=body.encode()))
    assert event.get_id() == headers["webhook-id"], headers
    print(json.dumps({
        "id": event.get_id(),
        "source": event.get_source(),
        "type": event.get_type(),
        "subject": event.get_subject(),
        "position": event.get_extension("position"),
        "data": event.get_data(),
    }))

"""Makes fixtures/webhook/vectors.json: bodies as the service posts them, signed by Python's hmac.

Run it in the directory of the crate: python3 tests/scripts/webhook_vectors.py
"""

import hashlib
import hmac
import json

SECRETS = ["LanternLanternLanternLantern0123", "0123456789abcdefghijABCDEFGHIJxy"]

EVENT = {
    "accountId": "5b2e9f07c1d4",
    "bucketId": "e50ba23e791f80c74c619dd4",
    "bucketName": "lantern-photos",
    "eventId": "6f3a1c7e9b2d4058a1e7c3d95b60f284e1d2c3b4a5968778695a4b3c2d1e0f01",
    "eventTimestamp": 1793870130211,
    "eventType": "b2:ObjectCreated:Upload",
    "eventVersion": 1,
    "matchedRuleName": "lantern-index",
    "objectName": "photos/Zoë 🏮.jpg",
    "objectSize": 5000000000,
    "objectVersionId": "4_ze50ba23e791f80c74c619dd4_f113d7f0e29b8c465_d20261105_m091530_c003_v0301044_t0003_u01793870130000",
}
HIDDEN = {k: v for k, v in EVENT.items() if k != "objectSize"} | {
    "eventId": "2",
    "eventType": "b2:HideMarkerCreated:Hide",
}
TEST = {k: v for k, v in EVENT.items() if not k.startswith("object")} | {
    "eventId": "3",
    "eventType": "b2:TestEvent",
}
LATER = TEST | {"eventType": "b2:ObjectThawed:Slowly", "temperature": {"celsius": 4}}

BODIES = [
    json.dumps({"events": [EVENT]}, ensure_ascii=False, separators=(",", ":")),
    json.dumps({"events": [EVENT, HIDDEN, TEST, LATER]}, ensure_ascii=False, indent=2) + "\n",
    '{"events":[]}',
    "not JSON at all",
    "",
]

vectors = [
    {
        "body": body,
        "secret": secret,
        "signature": "v1=" + hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest(),
    }
    for body in BODIES
    for secret in SECRETS
]
with open("fixtures/webhook/vectors.json", "w", encoding="utf-8") as out:
    json.dump(vectors, out, ensure_ascii=False, indent=2)
    out.write("\n")

"""A producer and a consumer that share no code with rekindle: the `confluent-kafka` package.

usage: python_client.py BROKERS INPUT OUTPUT
Sends a session's events as JSON with the tenant as key, then reads suggestions with read_committed until one
for the session comes, and prints it as one JSON line: key, headers, and the first ten bytes of the value.
"""

import json
import sys
import time

from confluent_kafka import Consumer, Producer

brokers, topic_in, topic_out = sys.argv[1:4]

producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "enable.idempotence": True})
now = int(time.time() * 1000) - 1000
bodies = [
    {"type": "session_started", "user_id": "u-1"},
    {"type": "turn_completed", "turn": 1, "input_tokens": 900, "output_tokens": 40},
    {"type": "session_interrupted", "reason": "client_disconnect"},
]
for n, body in enumerate(bodies):
    event = {"event_id": f"py-{n}", "tenant_id": "acme", "session_id": "py", "occurred_at": now + n, **body}
    producer.produce(topic_in, key="acme", value=json.dumps(event), headers={"traceparent": "00-py"})
if producer.flush(30) > 0:
    sys.exit("events were not acknowledged")

consumer = Consumer(
    {
        "bootstrap.servers": brokers,
        "group.id": f"python-{now}",
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
    }
)
consumer.subscribe([topic_out])
deadline = time.time() + 60
while time.time() < deadline:
    message = consumer.poll(0.5)
    if message is None or message.error():
        continue
    headers = {name: value.decode() for name, value in message.headers() or []}
    print(json.dumps({"key": message.key().decode(), "headers": headers, "head": message.value()[:10].hex()}))
    consumer.close()
    sys.exit(0)
sys.exit("no suggestion came within a minute")

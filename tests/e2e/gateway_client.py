"""Requests through the gateway of examples/python, in this process: no socket but those to Kafka and rekindle.

usage: gateway_client.py EXAMPLES BROKERS TOPIC URL
Prints, as one JSON object, what each request's handler was told to restore.
"""

import asyncio
import json
import sys
import time

import httpx

examples, brokers, topic, url = sys.argv[1:5]
sys.path.insert(0, examples)
from gateway import Rekindle  # noqa: E402


async def handler(scope, receive, send):
    """Stands for an engine: answers with what it was told, and fails where it is asked to."""
    if scope["path"] == "/fails":
        raise RuntimeError("the engine is gone")
    suggestion = scope.get("rekindle", {}).get("suggestion")
    if "rekindle" in scope:
        scope["rekindle"]["turn"] = {"input_tokens": 900, "output_tokens": 40}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(suggestion).encode()})


async def ask(gateway, session, turn, path="/"):
    headers = {"x-tenant": "acme", "x-session": session, "x-user": "u-1", "x-turn": str(turn)}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=gateway), base_url="http://gateway") as client:
        return (await client.get(path, headers=headers)).json()


async def until_interrupted(session):
    deadline = time.time() + 60
    async with httpx.AsyncClient(base_url=url) as client:
        while time.time() < deadline:
            answer = await client.get(f"/v1/tenants/acme/sessions/{session}")
            if answer.status_code == 200 and answer.json()["session"]["status"] == "interrupted":
                return answer.json()["session"]
            await asyncio.sleep(0.05)
    sys.exit("the session was not interrupted within a minute")


async def main():
    told = {}
    # A patience that a slow machine keeps, too.
    gateway = Rekindle(handler, brokers, url, topic, patience=20)
    told["first"] = await ask(gateway, "s-1", 1)
    try:
        await ask(gateway, "s-1", 2, "/fails")
        sys.exit("a fault of the handler has to come through")
    except RuntimeError:
        pass
    gateway.producer.flush(30)
    told["state"] = await until_interrupted("s-1")
    other = Rekindle(handler, brokers, url, topic, patience=20)
    told["resumed"] = await ask(other, "s-1", 2)
    told["again"] = await ask(other, "s-1", 3)
    told["new"] = await ask(other, "s-2", 1)
    other.producer.flush(30)
    nobody = Rekindle(handler, brokers, "http://127.0.0.1:9", topic)
    told["unanswered"] = await ask(nobody, "s-3", 1)
    nobody.producer.flush(30)
    print(json.dumps(told))


asyncio.run(main())

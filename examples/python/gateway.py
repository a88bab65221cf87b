"""ASGI middleware of a gateway: tells rekindle what happens to sessions, and asks it what to restore when one begins.

A request names its session by the headers x-tenant, x-session, x-user and x-turn (from 1). Its handler finds what to restore in
scope["rekindle"]["suggestion"], which may be None, and puts the fields of `turn_completed` into scope["rekindle"]["turn"].
"""
import asyncio
import json
import time
import uuid
from collections import OrderedDict

import httpx
from confluent_kafka import Producer

KNOWN = 100_000  # sessions that this gateway remembers to have seen

class Rekindle:
    def __init__(self, app, brokers, url, topic="session-events", token=None, patience=0.2):
        # murmur2_random: a tenant's events must be in the partition where Java clients would put them
        config = {"bootstrap.servers": brokers, "partitioner": "murmur2_random", "enable.idempotence": True}
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.app, self.topic, self.producer, self.known = app, topic, Producer(config), OrderedDict()
        self.http = httpx.AsyncClient(base_url=url, headers=headers, timeout=patience)

    def emit(self, tenant, session, user, type, **body):  # events of one millisecond are in the order of their ids
        now, ids = time.time_ns(), {"tenant_id": tenant, "session_id": session, "user_id": user}
        event = {"event_id": f"{now:x}-{uuid.uuid4()}", **ids, "occurred_at": now // 1_000_000, "type": type, **body}
        self.producer.produce(self.topic, key=tenant, value=json.dumps(event))
        self.producer.poll(0)

    async def ask(self, tenant, session, user):
        """What to restore, or None: without an answer in time the request goes on as it would have without asking."""
        try:
            body = {"session_id": session, "user_id": user}
            answer = await self.http.post(f"/v1/tenants/{tenant}/recovery", json=body)
            suggestion = answer.raise_for_status().json()["suggestion"]
        except (httpx.HTTPError, ValueError, KeyError):
            return None
        return None if suggestion["plan"] == "recompute" else suggestion

    async def __call__(self, scope, receive, send):
        headers = {name.decode(): value.decode("latin-1") for name, value in scope.get("headers", [])}
        if "x-session" not in headers:
            return await self.app(scope, receive, send)
        who, turn = (headers["x-tenant"], headers["x-session"], headers["x-user"]), int(headers.get("x-turn", 1))
        scope["rekindle"] = told = {"suggestion": None, "turn": None}
        if who not in self.known:
            self.emit(*who, "session_started" if turn == 1 else "resume_requested")
            told["suggestion"] = await self.ask(*who)
        self.known[who] = self.known.pop(who, True)
        if len(self.known) > KNOWN:
            self.known.popitem(last=False)
        try:
            await self.app(scope, receive, send)
        except BaseException as fault:
            reason = "client_disconnect" if isinstance(fault, asyncio.CancelledError) else "other"
            self.emit(*who, "session_interrupted", reason=reason)
            raise
        if told["turn"]:
            self.emit(*who, "turn_completed", turn=turn, **told["turn"])

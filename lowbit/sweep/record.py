"""What is kept of a trial: its configuration, what it found, and a hash over all of it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lowbit.sweep.config import digest

Record = dict[str, Any]


def serialize(record: Mapping[str, Any]) -> bytes:
    """The record with a hash over it, by which a copy that was cut off is known."""
    key = digest(record["config"])
    body = {**record, "key": key}
    text = json.dumps({**body, "sha256": digest(body)}, indent=1, sort_keys=True, allow_nan=False)
    return (text + "\n").encode()


def parse(data: bytes, key: str) -> Record:
    """The record in the bytes of `<key>.json`; ValueError if it is not whole, or not that one."""
    try:
        record = json.loads(data)
    except ValueError:
        raise ValueError("not whole JSON") from None
    if not isinstance(record, dict) or not isinstance(record.get("config"), dict):
        raise ValueError("not a trial")
    said = record.pop("sha256", None)
    if said != digest(record):
        raise ValueError("its checksum is wrong")
    if record.get("key") != key or digest(record["config"]) != key:
        raise ValueError("its name is not the hash of its configuration")
    return record


def untimed(records: Iterable[Record]) -> int:
    """How many were trained and not timed yet."""
    return sum(not record["measured"]["latency"] for record in records)

"""The floor: the same visible work without a feature. No retries, no resume, no checks, no typed results, no recovery.

Arguments: the input, the folder of answers, `text` or `structured`, and a folder for what is written.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator
from itertools import batched
from pathlib import Path
from typing import Any

import orjson

from benchmarks.meter import COLLECT, END, EXPORT, INGEST, READ, SUBMIT, Meter
from benchmarks.workload import BATCH_ROWS, MODEL, TAG, VERDICT_SCHEMA

SLICE_ROWS = 5_000
RESULTS = "SELECT item_id, status, text, finish_reason, input_tokens, output_tokens FROM result JOIN item USING (idx)"


def ingest(input_path: Path, folder: Path, db: sqlite3.Connection, *, structured: bool) -> None:
    body: dict[str, Any] = {"model": MODEL}
    if structured:
        body["text"] = {"format": {"type": "json_schema", "name": "Verdict", "schema": VERDICT_SCHEMA, "strict": True}}
    with input_path.open("rb") as rows:
        for number, batch in enumerate(batched(enumerate(map(orjson.loads, rows)), BATCH_ROWS)):
            with (folder / f"requests-{number:05d}.jsonl").open("wb") as requests:
                for items in batched(batch, SLICE_ROWS):
                    for index, row in items:
                        request = {"custom_id": f"{TAG}-{index}", "method": "POST", "url": "/v1/responses"}
                        requests.write(orjson.dumps(request | {"body": body | {"input": row["text"]}}) + b"\n")
                    db.execute("BEGIN IMMEDIATE")
                    db.executemany("INSERT INTO item VALUES (?, ?)", [(index, row["id"]) for index, row in items])
                    db.execute("COMMIT")
                requests.flush()
                os.fsync(requests.fileno())


def upload(folder: Path) -> None:
    for path in sorted(folder.glob("requests-*.jsonl")):
        with path.open("rb") as content:
            while content.read(1 << 18):
                pass


def collect(answers: Path, db: sqlite3.Connection) -> None:
    for path in sorted(answers.glob("*.jsonl")):
        with path.open("rb") as lines:
            for some in batched(map(_result, lines), SLICE_ROWS):
                db.execute("BEGIN IMMEDIATE")
                db.executemany("INSERT INTO result VALUES (?, ?, ?, ?, ?, ?)", some)
                db.execute("COMMIT")


def _result(line: bytes) -> tuple[Any, ...]:
    answer = orjson.loads(line)
    body = answer["response"]["body"]
    text, usage = body["output"][0]["content"][0]["text"], body["usage"]
    index = int(answer["custom_id"][len(TAG) + 1 :])
    return index, "completed", text, body["status"], usage["input_tokens"], usage["output_tokens"]


def results(db: sqlite3.Connection, *, structured: bool) -> Iterator[dict[str, Any]]:
    for item_id, status, text, reason, read, written in db.execute(RESULTS):
        usage = {"input_tokens": read, "output_tokens": written}
        answer = {"output": orjson.loads(text)} if structured else {"output_text": text}
        yield {"item_id": item_id, "status": status, **answer, "usage": usage, "finish_reason": reason}


def export(path: Path, db: sqlite3.Connection, *, structured: bool) -> None:
    with path.open("wb") as file:
        for result in results(db, structured=structured):
            file.write(orjson.dumps(result) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def main(input_path: Path, answers: Path, kind: str, folder: Path) -> None:
    meter, structured = Meter(), kind == "structured"
    db = sqlite3.connect(folder / "floor.sqlite3", isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE item (idx INTEGER PRIMARY KEY, item_id TEXT)")
    db.execute(
        "CREATE TABLE result (idx INTEGER PRIMARY KEY, status TEXT, text TEXT, finish_reason TEXT,"
        " input_tokens INTEGER, output_tokens INTEGER)"
    )
    meter.enter(INGEST)
    ingest(input_path, folder, db, structured=structured)
    meter.enter(SUBMIT)
    upload(folder)
    meter.enter(COLLECT)
    collect(answers, db)
    meter.enter(READ)
    count = sum(1 for _ in results(db, structured=structured))
    meter.enter(EXPORT)
    export(folder / "results.jsonl", db, structured=structured)
    meter.enter(END)
    db.close()
    meter.enter("")
    request_bytes = sum(path.stat().st_size for path in folder.glob("requests-*.jsonl"))
    meter.report(results=count, request_bytes=request_bytes)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))

#!/usr/bin/env python3
"""Checks the graph, writes a report, and exits with 1 if anything is wrong.

usage: validate.py DATA
"""
import json
import sqlite3
import sys
from pathlib import Path


def checks(graph: sqlite3.Connection, data: Path):
    integrity = graph.execute("pragma integrity_check").fetchone()[0]
    yield "integrity", integrity == "ok", integrity
    orphans = graph.execute(
        "select count(*) from edges where a not in (select id from nodes) or b not in (select id from nodes)"
    ).fetchone()[0]
    yield "orphaned edges", orphans == 0, f"{orphans} edges lead to no node"
    weights = graph.execute("select count(*) from edges where weight <= 0 or weight > 1").fetchone()[0]
    yield "weights", weights == 0, f"{weights} weights are not above 0 and up to 1"
    loops = graph.execute("select count(*) from edges where a = b").fetchone()[0]
    yield "self-loops", loops == 0, f"{loops} edges lead back to where they start"
    counts = [graph.execute(f"select count(*) from {table}").fetchone()[0] for table in ("nodes", "edges")]
    last = data / "last-validated.json"
    before = json.loads(last.read_text()) if last.exists() else {"nodes": 0, "edges": 0}
    for name, now in zip(("nodes", "edges"), counts):
        yield f"{name} against the last run", now >= 0.9 * before[name], f"{before[name]} became {now}"
    checkpoint = json.loads((data / "checkpoint.json").read_text())
    yield "checkpoint", checkpoint["nodes"] == counts[0], f"it says {checkpoint['nodes']}, the graph has {counts[0]}"


def main(data: Path) -> int:
    graph = sqlite3.connect(f"file:{data / 'graph.sqlite'}?mode=ro", uri=True)
    results = [{"check": name, "passed": passed, "message": message} for name, passed, message in checks(graph, data)]
    failed = [result for result in results if not result["passed"]]
    for result in results:
        print(f"{'ok  ' if result['passed'] else 'FAIL'} {result['check']}" + ("" if result["passed"] else f": {result['message']}"))
    report = {"status": "failed" if failed else "passed", "checks": results}
    (data / "validation.json").write_text(json.dumps(report, indent=2) + "\n")
    if failed:
        return 1
    counts = {table: graph.execute(f"select count(*) from {table}").fetchone()[0] for table in ("nodes", "edges")}
    (data / "last-validated.json").write_text(json.dumps(counts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

#!/usr/bin/env python3
"""Connects sounds that share tags. It writes the graph that validation reads, so the two never run at once.

usage: edges.py DATA
"""
import json
import sqlite3
import sys
from pathlib import Path

NEIGHBOURS = 3


def main(data: Path) -> None:
    graph = sqlite3.connect(data / "graph.sqlite")
    rows = graph.execute("select id, tags from nodes order by id").fetchall()
    tags = {node: set(text.split()) for node, text in rows}
    connected = {node for (node,) in graph.execute("select distinct b from edges")}
    added = 0
    with graph:
        for node, mine in tags.items():
            if node in connected:
                continue
            earlier = [other for other in range(max(1, node - 60), node) if other in tags]
            scored = sorted(((len(mine & tags[other]) / len(mine | tags[other]), -other) for other in earlier), reverse=True)
            for weight, other in scored[:NEIGHBOURS]:
                if weight > 0:
                    graph.execute("insert or ignore into edges values (?, ?, ?)", (-other, node, round(weight, 3)))
                    added += 1
    total = graph.execute("select count(*) from edges").fetchone()[0]
    (data / "edges.json").write_text(json.dumps({"edges_added": added, "edges": total}) + "\n")
    print(f"{added} new edges, {total} in all")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

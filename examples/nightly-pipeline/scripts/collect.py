#!/usr/bin/env python3
"""Grows the graph by one night's batch of sounds and writes down how large it is.

usage: collect.py DATA SAMPLE

The graph is an SQLite file; the checkpoint beside it appears whole or not at all.
"""
import json
import os
import sqlite3
import sys
from pathlib import Path

# Batches as they come: none ends on a multiple of a hundred, one jumps over two of them.
BATCHES = [40, 71, 95, 210, 33, 14, 120, 5, 264, 61, 92, 37]

SCHEMA = """
create table if not exists nodes (id integer primary key, name text not null, seconds real not null, tags text not null);
create table if not exists edges (a integer not null, b integer not null, weight real not null, primary key (a, b));
create table if not exists nights (night integer primary key, added integer not null, nodes integer not null, edges integer not null);
"""


def main(data: Path, sample: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
    sounds = [json.loads(line) for line in sample.read_text().splitlines()]
    graph = sqlite3.connect(data / "graph.sqlite")
    graph.executescript(SCHEMA)
    with graph:
        night = graph.execute("select count(*) from nights").fetchone()[0]
        nodes = graph.execute("select count(*) from nodes").fetchone()[0]
        added = BATCHES[night % len(BATCHES)]
        for number in range(nodes, nodes + added):
            sound = sounds[number % len(sounds)]
            name = f"{sound['name']}/{number // len(sounds)}"
            graph.execute("insert into nodes (name, seconds, tags) values (?, ?, ?)", (name, sound["seconds"], " ".join(sound["tags"])))
        edges = graph.execute("select count(*) from edges").fetchone()[0]
        graph.execute("insert into nights values (?, ?, ?, ?)", (night, added, nodes + added, edges))
    checkpoint = {"night": night, "nodes": nodes + added, "edges": edges, "nodes_added": added}
    temporary = data / "checkpoint.json.new"
    temporary.write_text(json.dumps(checkpoint) + "\n")
    os.replace(temporary, data / "checkpoint.json")
    print(f"night {night}: {added} new nodes, {nodes + added} in all")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

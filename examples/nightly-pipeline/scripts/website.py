#!/usr/bin/env python3
"""Writes a page with the numbers and a plot of how the graph has grown.

usage: website.py DATA
"""
import html
import sqlite3
import sys
from pathlib import Path

WIDTH, HEIGHT = 640, 240


def plot(nights: list) -> str:
    top = max(nodes for _, nodes, _ in nights)
    step = WIDTH / max(1, len(nights) - 1)
    points = " ".join(f"{index * step:.1f},{HEIGHT - nodes / top * (HEIGHT - 20):.1f}" for index, (_, nodes, _) in enumerate(nights))
    lines = "".join(
        f'<line x1="0" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/><text x="4" y="{y - 3:.1f}" font-size="11" fill="#888">{mark}</text>'
        for mark in range(100, top + 1, 100)
        for y in [HEIGHT - mark / top * (HEIGHT - 20)]
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="nodes by night">{lines}<polyline fill="none" stroke="#2a6" stroke-width="2" points="{points}"/></svg>'


def main(data: Path) -> None:
    graph = sqlite3.connect(f"file:{data / 'graph.sqlite'}?mode=ro", uri=True)
    nights = graph.execute("select night, nodes, edges from nights order by night").fetchall()
    rows = "".join(f"<tr><td>{night}</td><td>{nodes}</td><td>{edges}</td></tr>" for night, nodes, edges in nights)
    longest = graph.execute("select name, seconds from nodes order by seconds desc limit 1").fetchone()
    page = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>The graph of sounds</title>
<style>body{{font:16px system-ui;max-width:44rem;margin:2rem auto;padding:0 1rem}}td,th{{padding:.2rem 1rem .2rem 0;text-align:left}}</style>
<h1>The graph of sounds</h1>
<p>{nights[-1][1]} nodes after {len(nights)} nights. The longest sound is {html.escape(longest[0])}, {longest[1]} s.</p>
{plot(nights)}
<table><tr><th>Night</th><th>Nodes</th><th>Edges</th></tr>{rows}</table>
</html>
"""
    target = data / "website"
    target.mkdir(exist_ok=True)
    (target / "index.html").write_text(page)
    print(f"wrote {target / 'index.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

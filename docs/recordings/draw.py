#!/usr/bin/env python3
"""Draws screens of a terminal, recorded by `record`, as one SVG that plays them.

    draw.py COLUMNS LINES < FRAMES > PICTURE.svg

Each of FRAMES is the time in seconds, \\x1e, what `tmux capture-pane -e` prints, \\x1d. A line of the
screen that stays is drawn once. Where nothing moves (a printer, a reader who asked for that) the last
screen is shown.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby

#: Pixels of a character, and around all of them.
WIDTH, HEIGHT, EDGE = 8.4, 18, 14
#: How long the last screen stays before it begins again.
HOLD = 6.0
COLOURS = {31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 36: "#79c0ff"}
FRONT, BACK, FAINT = "#d6dde6", "#0f1620", "#8492a3"


@dataclass(frozen=True)
class Style:
    colour: str = FRONT
    bold: bool = False
    faint: bool = False
    under: bool = False
    reversed: bool = False

    def after(self, code: int) -> Style:
        changes = {
            0: Style(),
            1: replace(self, bold=True),
            2: replace(self, faint=True),
            4: replace(self, under=True),
            7: replace(self, reversed=True),
            22: replace(self, bold=False, faint=False),
            24: replace(self, under=False),
            27: replace(self, reversed=False),
            39: replace(self, colour=FRONT),
        }
        if code in COLOURS:
            return replace(self, colour=COLOURS[code])
        return changes.get(code, self)

    def css(self) -> str:
        colour = BACK if self.reversed else FAINT if self.faint else self.colour
        rules = [f"fill:{colour}"]
        rules += ["font-weight:bold"] if self.bold else []
        rules += ["text-decoration:underline"] if self.under else []
        return ";".join(rules)


def runs(screen: str) -> list[list[tuple[int, str, Style]]]:
    """For each line its pieces of one style, and the columns in which they begin."""
    lines, style = [], Style()
    for line in screen.split("\n"):
        pieces, column = [], 0
        for piece in re.split(r"(\x1b\[[0-9;]*m)", line):
            if piece.startswith("\x1b"):
                # The first eight of 256 colours are those that have a code of their own.
                codes = re.sub(r"38;5;([0-7])\b", r"3\1", piece[2:-1])
                for code in codes.split(";"):
                    style = style.after(int(code or 0))
            elif piece:
                pieces.append((column, piece, style))
                column += len(piece)
        lines.append(pieces)
    return lines


def drawn(row: int, pieces: list[tuple[int, str, Style]]) -> str:
    out, top = [], EDGE + row * HEIGHT
    for column, text, style in pieces:
        left, wide = EDGE + column * WIDTH, len(text) * WIDTH
        if style.reversed:
            out.append(f'<rect x="{left:.1f}" y="{top}" width="{wide:.1f}" height="{HEIGHT}" fill="{style.colour}"/>')
        # Not all that draw pictures keep blanks. Whatever font they have, every piece is as wide as
        # its columns.
        for words in re.finditer(r"\S+( \S+)*", text):
            left, wide = EDGE + (column + words.start()) * WIDTH, len(words[0]) * WIDTH
            out.append(
                f'<text x="{left:.1f}" y="{top + HEIGHT - 5}" textLength="{wide:.1f}" '
                f'style="{style.css()}">{escape(words[0])}</text>'
            )
    return "".join(out)


def picture(frames: list[tuple[float, str]], columns: int, lines: int) -> str:
    frames = [next(same) for _, same in groupby(frames, key=lambda frame: frame[1])]
    first, length = frames[0][0], frames[-1][0] - frames[0][0] + HOLD
    begins = [at - first for at, _ in frames] + [length]
    screens = [runs(screen) for _, screen in frames]
    body, spans = [], {}
    for row in range(lines):
        versions = [screen[row] if row < len(screen) else [] for screen in screens]
        at = 0
        for pieces, same in groupby(versions):
            until = at + len(list(same))
            if pieces:
                name = spans.setdefault((at, until), f"s{len(spans)}")
                body.append(f'<g class="{name}">{drawn(row, pieces)}</g>')
            at = until
    rules = []
    for (a, b), name in spans.items():
        if (a, b) == (0, len(frames)):
            continue
        last = "visible" if b == len(frames) else "hidden"
        start, end = 100 * begins[a] / length, 100 * begins[b] / length
        steps = f"0%{{visibility:hidden}}{start:.2f}%{{visibility:visible}}"
        steps += "" if b == len(frames) else f"{end:.2f}%{{visibility:hidden}}"
        rules.append(f".{name}{{visibility:{last}}}")
        rules.append(f"@keyframes {name}{{{steps}}}")
        rules.append(
            f"@media (prefers-reduced-motion:no-preference){{.{name}{{animation:{name} {length:.1f}s step-end infinite}}}}"
        )
    wide, high = 2 * EDGE + columns * WIDTH, 2 * EDGE + lines * HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide:.0f} {high}" width="{wide:.0f}">\n'
        f"<style>text{{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}}"
        f"{''.join(rules)}</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def main() -> None:
    columns, lines = int(sys.argv[1]), int(sys.argv[2])
    kept = [frame.split("\x1e") for frame in sys.stdin.read().split("\x1d") if frame]
    sys.stdout.write(picture([(float(at), screen.rstrip()) for at, screen in kept], columns, lines))


if __name__ == "__main__":
    main()

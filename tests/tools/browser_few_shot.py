"""Teaches the page of a few-shot run five characters in a real browser, and asks it for them.

    tests/tools/browser.sh tests/tools/browser_few_shot.py target/release/bnn-cpu \\
        [--run RUN] [--pictures DIR] [--readme results/serve-few-shot.png]

Trains a small run on characters of its own making, unless a RUN is named. Draws five characters
and two of them again, by mouse on a wide screen and by finger on a phone, in light and in dark;
checks the answers, the distances and the bits, that clearing and drawing anew change the answer,
that nothing overflows and no console error occurs, and that the server ends cleanly.
"""

import argparse
import math
import os
import random
import shutil
import struct
import subprocess
import tempfile
import time
import zlib

import browser
from browser import fail, wait
from selenium.webdriver.common.keys import Keys

TURN = [2 * math.pi * i / 24 for i in range(25)]
# Strokes of five characters: points across and down the sheet, 0 to 1.
CHARACTERS = [
    [[(0.25, 0.2), (0.5, 0.8), (0.75, 0.2)]],
    [[(0.5 - 0.28 * math.sin(a), 0.5 - 0.28 * math.cos(a)) for a in TURN]],
    [[(0.2, 0.5), (0.8, 0.5)], [(0.5, 0.2), (0.5, 0.8)]],
    [[(0.25, 0.2), (0.75, 0.2), (0.25, 0.8), (0.75, 0.8)]],
    [[(0.3, 0.2), (0.3, 0.8), (0.75, 0.8)]],
]


def again(strokes):
    """The same character by a hand that is a little off."""
    off = random.Random(3)
    return [[(x + off.uniform(-0.012, 0.012) + 0.03, y + off.uniform(-0.012, 0.012)) for x, y in s] for s in strokes]


def png(pixels, side):
    rows = b"".join(b"\0" + bytes(pixels[y * side:(y + 1) * side]) for y in range(side))
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def characters(folder):
    """Pictures of characters of four strokes, in alphabets: enough to learn from."""
    side = 28
    for alphabet in range(8):
        for character in range(8):
            path = f"{folder}/alphabet{alphabet}/character{character}"
            os.makedirs(path)
            walk = random.Random(100 * alphabet + character)
            points = [(walk.uniform(6, 22), walk.uniform(6, 22)) for _ in range(5)]
            for drawing in range(20):
                hand = random.Random(f"{alphabet} {character} {drawing}")
                pixels = [0] * (side * side)
                own = [(x + hand.gauss(0, 0.7), y + hand.gauss(0, 0.7)) for x, y in points]
                for (ax, ay), (bx, by) in zip(own, own[1:]):
                    for k in range(33):
                        x, y = ax + (bx - ax) * k / 32, ay + (by - ay) * k / 32
                        for i in (0, 1):
                            for j in (0, 1):
                                at = (min(27, int(y) + j)) * side + min(27, int(x) + i)
                                pixels[at] = 255
                with open(f"{path}/{drawing:02}.png", "wb") as file:
                    file.write(png(pixels, side))


def shown(page):
    return page.execute_script(
        """
        const text = id => document.getElementById(id).textContent;
        const rows = [...document.querySelectorAll("#rows li")];
        const texts = kind => rows.map(row => row.querySelector(kind).textContent);
        return {
            answer: text("class"), what: text("what"), sure: text("sure"), agree: text("agree"),
            first: rows.filter(row => row.classList.contains("top-class")).map(row => row.querySelector(".name").textContent),
            far: texts(".far"), chance: texts(".value"),
            codes: [...document.querySelectorAll("#codes div")].filter(row => !row.hidden).length,
            bits: !document.getElementById("bits").hidden,
            trouble: !document.getElementById("trouble").hidden,
        };
        """
    )


def draw(page, strokes, touch):
    for points in strokes:
        browser.stroke(page, points, touch)


def teach(page, touch):
    for number, strokes in enumerate(CHARACTERS, 1):
        draw(page, strokes, touch)
        wait(page, f"document.body.dataset.taught === '{number}'", f"character {number} taught")
        page.find_element("id", "next").send_keys(Keys.ENTER)
    wait(page, "document.getElementById('what').textContent.startsWith('Now draw')", "the question")


def ask(page, number, touch):
    """Draws a character again; the page answers with it."""
    strokes = again(CHARACTERS[number - 1])
    draw(page, strokes[:-1], touch)
    browser.stroke(page, strokes[-1], touch, "document.body.dataset.answer !== ''")
    wait(page, f"document.body.dataset.answer === '{number}'", f"character {number} told")
    time.sleep(0.3)
    found = shown(page)
    if not (found["answer"] == str(number) and found["first"] == [str(number)]):
        fail(f"character {number} was drawn, and the page shows {found}")
    if found["trouble"] or not all(far.endswith(("bit", "bits")) for far in found["far"]):
        fail(f"the distances: {found}")
    far = [int(far.split()[0]) for far in found["far"]]
    if far[number - 1] != min(far) or not found["bits"] or found["codes"] != 6:
        fail(f"the nearest is not the answer, or bits are missing: {found}")
    if not found["agree"].startswith("Packed and float agree. 64 of 64 bits"):
        fail(f"the two forms: {found['agree']}")
    print(f"  {number}: {found['sure']}; {', '.join(found['far'])}")


def clear(page):
    page.find_element("id", "clear").send_keys(Keys.ENTER)
    wait(page, "document.body.dataset.answer === ''", "clearing")
    left = shown(page)
    if left["answer"] != "?" or any(left["far"]) or left["codes"] != 5:
        fail(f"after clearing the page shows {left}")


def visit(url, name, size, scheme, pictures):
    touch = size == browser.PHONE
    with browser.window(*size, scheme) as page:
        if touch:
            page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
        page.get(url)
        wait(page, "document.body.dataset.ready === 'yes'", "the page getting ready")
        print(name)

        def look(what):
            browser.check(page, f"  {what}")
            browser.shot(page, f"{pictures}/few-shot-{name.replace(', ', '-')}-{what}.png")

        look("empty")
        teach(page, touch)
        look("taught")
        for number in [2, 4]:
            ask(page, number, touch)
            look(f"{number}")
            clear(page)
        # Another drawing in the place of the second is what the answer is made of from then on.
        ask(page, 2, touch)
        page.execute_script("document.querySelectorAll('.slot')[1].click()")
        page.find_element("id", "clear").send_keys(Keys.ENTER)
        wait(page, "document.body.dataset.taught === '4'", "the second forgotten")
        wait(page, "!['', '2'].includes(document.body.dataset.answer)", "another answer")
        draw(page, CHARACTERS[1], touch)
        wait(page, "document.body.dataset.answer === '2'", "the second told again")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--run")
    parser.add_argument("--pictures", help="folder of a screenshot of each state")
    parser.add_argument("--readme", help="file of the screenshot that README.md shows")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = os.path.abspath(asked.pictures or folder)
        os.makedirs(pictures, exist_ok=True)
        program, run, place = os.path.abspath(asked.program), asked.run, None
        if run is None:
            # Served by a name that says nothing of this machine.
            run, place = "run", folder
            characters(f"{folder}/characters")
            train = "train --task few-shot --model few-shot-binary --binary last --scale 0.25 --epochs 2"
            train += " --test-alphabets 1 --val-alphabets 1 --eval-episodes 50 --train-way 12 --rotations"
            train += " --data characters --quiet --out run"
            subprocess.run([program, *train.split()], check=True, cwd=folder)
        with browser.served(program, run, place) as url:
            for scheme in ["light", "dark"]:
                visit(url, scheme, browser.DESKTOP, scheme, pictures)
                visit(url, f"{scheme}, phone", browser.PHONE, scheme, pictures)
        if asked.readme:
            shutil.copy(f"{pictures}/few-shot-light-2.png", asked.readme)


main()

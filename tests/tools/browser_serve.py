"""Draws digits on the page of `bnn-cpu serve` in a real browser and reads the answers.

    tests/tools/browser.sh tests/tools/browser_serve.py target/release/bnn-cpu \
        [--run RUN] [--pictures DIR] [--readme results/serve.png]

Trains the reference network for one epoch, unless a RUN is named that reads well. Draws a 1 and a 0 by mouse on a wide screen and by finger on a phone, in light and in
dark; checks the answers of both forms, the lit bits, the clear button by keyboard, that
nothing overflows and no console error occurs, and that the server ends cleanly.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time

import browser
from browser import fail, wait
from browser_shapes import DIGITS
from selenium.webdriver.common.keys import Keys


def fail(what):
    raise SystemExit(f"error: {what}")


def wait(page, script, what):
    """What the script returns, once it is true."""
    for _ in range(200):
        value = page.execute_script(f"return {script}")
        if value:
            return value
        time.sleep(0.05)
    return fail(f"{what} did not happen: {script}")


def event(page, touch, kind, point):
    """One event of the mouse or of a finger."""
    if touch:
        kinds = {"down": "touchStart", "move": "touchMove", "up": "touchEnd"}
        points = [] if kind == "up" else [{"x": point[0], "y": point[1]}]
        page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kinds[kind], "touchPoints": points})
    else:
        kinds = {"down": "mousePressed", "move": "mouseMoved", "up": "mouseReleased"}
        asked = {"type": kinds[kind], "x": point[0], "y": point[1], "button": "left"}
        asked |= {"buttons": 0 if kind == "up" else 1, "clickCount": 1}
        page.execute_cdp_cmd("Input.dispatchMouseEvent", asked)


def read(page, digit):
    """Checks what the page shows for a drawn digit."""
    wait(page, f"document.body.dataset.answer === '{digit}'", f"a {digit} read as such")
    time.sleep(0.3)
    shown = page.execute_script(
        """
        const text = id => document.getElementById(id).textContent;
        return {
            packed: text("p-class"), float: text("f-class"), sure: text("p-sure"),
            us: [text("p-us"), text("f-us")].map(Number), agree: text("agree"),
            bars: document.querySelectorAll("#bars li").length,
            bold: document.querySelector("#bars .top-class .name").textContent,
            counts: [...document.querySelectorAll(".count")].map(c => c.textContent),
            lit: [...document.querySelectorAll(".layer canvas")].map(canvas => {
                const on = getComputedStyle(document.documentElement).getPropertyValue("--bits").trim();
                const rgb = [1, 3, 5].map(i => parseInt(on.slice(i, i + 2), 16));
                const copy = new OffscreenCanvas(canvas.width, canvas.height)
                    .getContext("2d", { willReadFrequently: true });
                copy.drawImage(canvas, 0, 0);
                const d = copy.getImageData(0, 0, canvas.width, canvas.height).data;
                let n = 0;
                for (let i = 0; i < d.length; i += 4)
                    n += d[i] === rgb[0] && d[i + 1] === rgb[1] && d[i + 2] === rgb[2];
                return n;
            }),
            trouble: !document.getElementById("trouble").hidden,
        };
        """
    )
    if not (shown["packed"] == shown["float"] == shown["bold"] == digit):
        fail(f"a {digit} was drawn, and the page shows {shown}")
    if shown["bars"] != 10 or shown["trouble"] or not all(0 < us < 1e6 for us in shown["us"]):
        fail(f"the answer is not whole: {shown}")
    if not shown["agree"].startswith("They agree. ") or "bits are the same" not in shown["agree"]:
        fail(f"the two forms: {shown['agree']}")
    if len(shown["lit"]) != 2 or not all(shown["lit"]):
        fail(f"both binary layers should light up: {shown['lit']}")
    print(
        f"  {digit}: {shown['sure']}, {shown['us'][0]} us packed, {shown['us'][1]} us in floats; "
        f"{', '.join(shown['counts'])}. {shown['agree']}"
    )


def clear(page, name):
    """Clears by keyboard, and checks that nothing is left."""
    button = page.find_element("id", "clear")
    button.send_keys(Keys.ENTER)
    wait(page, "document.body.dataset.answer === ''", "clearing")
    left = page.execute_script(
        """
        const text = id => document.getElementById(id).textContent;
        return [text("p-class"), text("f-class"), text("agree"), document.getElementById("hint").hidden,
            document.getElementById("clear").disabled];
        """
    )
    if left != ["–", "–", "Nothing is drawn yet.", False, True]:
        fail(f"{name}: after clearing the page shows {left}")


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
            if pictures:
                browser.shot(page, f"{pictures}/{name.replace(', ', '-')}-{what}.png")

        look("empty")
        for digit, points in DIGITS.items():
            browser.stroke(page, points, touch, "document.body.dataset.answer !== ''")
            read(page, digit)
            look(digit)
            clear(page, name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--run")
    parser.add_argument("--pictures", help="folder of a screenshot of each state")
    parser.add_argument("--readme", help="file of the screenshot that README.md shows")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = asked.pictures or folder
        os.makedirs(pictures, exist_ok=True)
        program, run, place = os.path.abspath(asked.program), asked.run, None
        if run is None:
            # Served by a name that says nothing of this machine.
            run, place = "run", folder
            train = [program, "train", "--epochs", "1", "--quiet", "--out", f"{folder}/run"]
            subprocess.run(train, check=True)
        with browser.served(program, run, place) as url:
            for scheme in ["light", "dark"]:
                visit(url, scheme, browser.DESKTOP, scheme, pictures)
                visit(url, f"{scheme}, phone", browser.PHONE, scheme, pictures)
        if asked.readme:
            shutil.copy(f"{pictures}/light-0.png", asked.readme)


main()

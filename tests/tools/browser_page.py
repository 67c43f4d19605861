"""Opens an exported page from a file in a real browser, without a network, and reads its answers.

    tests/tools/browser.sh tests/tools/browser_page.py target/release/bnn-cpu \
        [--net RUN] [--count N] [--pictures DIR]

Exports the committed xnor-net, or NET, to a page of at most 320 KB. Gives it N pictures (1,000) with
SIMD and without, and compares class and all probabilities with `infer --packed` to the last bit; then
larger pictures, dark and light; then those pictures to the page of a network whose images were dark on
light; then draws by mouse and by finger, in light and in dark, and drops a file that is no picture.
"""

import argparse
import base64
import csv
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import zlib

import browser
from browser import fail, wait
from browser_shapes import DIGITS

MOST_BYTES = 320_000

GIVE = """
const [files, done] = arguments;
(async () => {
    const found = [];
    for (const text of files) {
        const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
        const answer = await network.show(new File([bytes], "a.png", { type: "image/png" }));
        if (!answer) { found.push(document.getElementById("trouble").textContent); continue; }
        found.push([answer.class, ...answer.probabilities]);
    }
    done([found, Number(document.getElementById("us").textContent.replace(",", ""))]);
})();
"""


def png(width, height, at):
    """A grey PNG of the function's pixels."""
    rows = b"".join(b"\0" + bytes(at(x, y) for x in range(width)) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def larger(folder):
    """Pictures that are scaled, centred and inverted: bars and rings of several sizes."""
    files = []
    for i, (width, height) in enumerate([(60, 90), (101, 67), (28, 40), (333, 500)]):
        for light in [False, True]:
            def at(x, y):
                across, down = abs(x / width - 0.5), abs(y / height - 0.5)
                ink = across < 0.08 and down < 0.3 if i % 2 else 0.2 < across + down < 0.32
                return (20 + 3 * i if ink else 235) if light else (245 - 9 * i if ink else 5)
            path = folder / f"{i}-{'light' if light else 'dark'}.png"
            path.write_bytes(png(width, height, at))
            files.append(path)
    return files


def light_run(program, folder):
    """The run of a small network that tells bars from rings, dark on a light ground."""
    for i in range(120):
        label = ("bar", "ring")[i % 2]
        def at(x, y):
            across, down = abs(x - 11 - i % 5), abs(y - 12 - i % 3)
            ink = across < 3 and down < 9 if label == "bar" else 6 < across + down < 10
            return 15 + i % 20 if ink else 250 - i % 11
        (folder / "shapes" / label).mkdir(parents=True, exist_ok=True)
        (folder / "shapes" / label / f"{i}.png").write_bytes(png(28, 28, at))
    run = folder / "run"
    asked = ["train", "--dataset", "files", "--data", folder / "shapes", "--model", "mlp", "--binary", "both",
             "--mode", "det", "--epochs", "2", "--batch", "16", "--out", run]
    subprocess.run([program, "--quiet", *map(str, asked)], check=True, capture_output=True)
    ground = json.loads((run / "config.json").read_text())["dataset"].get("ground")
    if not ground or min(ground) < 128:
        fail(f"the shapes are dark on light, and the run's ground is {ground}")
    return run


def export(program, net, file):
    """Writes the page of a network, and returns its size in bytes."""
    asked = [program, "--json", "export", str(net), "--to", "page", "--out", str(file)]
    json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
    return file.stat().st_size


def bits(number):
    return struct.pack("<f", float(number))


def compare(page, program, net, files, name):
    asked = [program, "--quiet", "infer", "--packed", "--csv", "--model", net, *map(str, files)]
    rows = list(csv.reader(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.splitlines()))[1:]
    if len(rows) != len(files):
        fail(f"{name}: the program answers {len(rows)} of {len(files)}")
    found, us = [], None
    for i in range(0, len(files), 100):
        part = [base64.b64encode(path.read_bytes()).decode() for path in files[i : i + 100]]
        answers, us = page.execute_async_script(GIVE, part)
        found += answers
    for row, answer in zip(rows, found):
        wanted = [row[1], *row[3:]]
        if isinstance(answer, str) or len(wanted) != len(answer):
            fail(f"{name}: {row[0]}: the page says {answer}")
        if str(answer[0]) != wanted[0] or any(bits(a) != bits(b) for a, b in zip(answer[1:], wanted[1:])):
            fail(f"{name}: {row[0]}: the page answers {answer}, the program {wanted}")
    print(f"{name}: {len(files)} pictures, every class and probability as the program's; {us} us a picture")


def visit(url, scheme, size, pictures):
    touch = size == browser.PHONE
    name = scheme + (", phone" if touch else "")
    with browser.window(*size, scheme) as page:
        if touch:
            page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
        page.get(url)
        wait(page, "document.body.dataset.ready", "the page getting ready")
        browser.check(page, f"  {name}, empty")
        for digit, points in DIGITS.items():
            browser.stroke(page, points, touch, "document.body.dataset.answer !== ''")
            wait(page, f"document.body.dataset.answer === '{digit}'", f"{name}: a {digit} read as such")
            shown = page.execute_script(
                "return [...document.querySelectorAll('.count')].map(c => parseInt(c.textContent.replace(',', '')))"
            )
            if not shown or not all(shown):
                fail(f"{name}: bits are 1 in every binary layer of a drawn digit: {shown}")
            browser.check(page, f"  {name}, {digit}")
            if pictures:
                browser.shot(page, f"{pictures}/page-{name.replace(', ', '-')}-{digit}.png")
            page.find_element("id", "clear").click()
            wait(page, "document.body.dataset.answer === ''", "clearing")
        page.execute_script("network.show(new File(['no picture'], 'a.txt'))")
        wait(page, "document.getElementById('trouble').textContent.includes('no picture')", "a refusal")
        print(f"{name}: drawn, read, cleared")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--net", default="results/networks/xnor-net")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--pictures", help="folder of a screenshot of each state")
    asked = parser.parse_args()
    program = os.path.abspath(asked.program)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        file = folder / "page.html"
        size = export(program, asked.net, file)
        print(f"the page: {size} bytes")
        if size > MOST_BYTES:
            fail(f"the page has more than {MOST_BYTES} bytes")
        show = [program, "--quiet", "data", "show", "--split", "test", "--count", str(asked.count)]
        subprocess.run([*show, "--folder", str(folder / "digits")], check=True, capture_output=True)
        files = sorted((folder / "digits").rglob("*.png"))
        large = larger(folder)
        if asked.pictures:
            os.makedirs(asked.pictures, exist_ok=True)
        for mark, kind in [("", "simd"), ("#scalar", "scalar")]:
            with browser.window(*browser.DESKTOP) as page:
                page.set_script_timeout(120)
                page.execute_cdp_cmd("Network.enable", {})
                offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
                page.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
                page.get(file.as_uri() + mark)
                ready = wait(page, "document.body.dataset.ready", "the page getting ready")
                if ready != kind:
                    fail(f"the page runs {ready}, not {kind}")
                compare(page, program, asked.net, files, kind)
                compare(page, program, asked.net, large, f"{kind}, larger ones")
                browser.check(page, f"  {kind}")
        shapes, run = folder / "shapes.html", light_run(program, folder)
        export(program, run, shapes)
        with browser.window(*browser.DESKTOP) as page:
            page.get(shapes.as_uri())
            wait(page, "document.body.dataset.ready", "the page getting ready")
            compare(page, program, str(run), large, "dark on light")
        for scheme in ["light", "dark"]:
            for size in [browser.DESKTOP, browser.PHONE]:
                visit(file.as_uri(), scheme, size, asked.pictures)


main()

"""A headless Chromium for tests, and what every page must hold to.

    with browser.window(390, 844, "dark") as page:
        page.get("file:///...")
        browser.check(page, "report, dark, phone")
        browser.shot(page, "report-dark-phone.png")

Run through tests/tools/browser.sh, which installs what this needs.
"""

import base64
import contextlib
import shutil
import signal
import subprocess
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
]

# Widths and heights that pages are looked at in.
DESKTOP = (1280, 900)
PHONE = (390, 844)


@contextlib.contextmanager
def window(width, height, scheme="light", scripts=True):
    """A page of that size that prefers `scheme` ("light" or "dark")."""
    profile = tempfile.mkdtemp(prefix="bnn-cpu-browser-")
    options = Options()
    options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = shutil.which("chromedriver") or "/usr/bin/chromedriver"
    page = None
    try:
        page = webdriver.Chrome(options=options, service=Service(driver))
        page.set_page_load_timeout(60)
        page.set_script_timeout(30)
        # A window cannot be as narrow as a phone; an emulated screen can.
        page.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "screenWidth": width, "screenHeight": height,
             "deviceScaleFactor": 1, "mobile": width < 600},
        )
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        if not scripts:
            page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        yield page
    finally:
        if page is not None:
            page.quit()
        shutil.rmtree(profile, ignore_errors=True)


def problems(page):
    """What is wrong with the page as it is: overflow, console errors, missing pictures."""
    found = []
    wide = page.execute_script(
        """
        const page = document.documentElement, out = [];
        if (innerWidth !== screen.width)
            out.push(`the page is laid out ${innerWidth} wide on a screen of ${screen.width}`);
        if (page.scrollWidth > page.clientWidth)
            out.push(`the page is ${page.scrollWidth} wide in a window of ${page.clientWidth}`);
        // Boxes that are meant to scroll may hold what is wider than they are.
        for (const box of document.body.querySelectorAll("*")) {
            const style = getComputedStyle(box);
            if (style.display === "inline" || box instanceof SVGElement) continue;
            if (["auto", "scroll"].includes(style.overflowX)) continue;
            if (box.clientWidth > 0 && box.scrollWidth > box.clientWidth + 1)
                out.push(`<${box.tagName.toLowerCase()} class="${box.className}"> holds ` +
                    `${box.scrollWidth} in ${box.clientWidth}: ${box.textContent.trim().slice(0, 40)}`);
        }
        return out;
        """
    )
    found += wide
    found += page.execute_script(
        """
        return [...document.images]
            .filter(image => !image.complete || image.naturalWidth === 0)
            .map(image => `a picture did not load: ${image.alt || image.src.slice(0, 60)}`);
        """
    )
    for entry in page.get_log("browser"):
        if entry["level"] in ("SEVERE", "WARNING"):
            found.append(f"console: {entry['message']}")
    return found


def check(page, name):
    """Ends the test if anything is wrong with the page."""
    found = problems(page)
    if found:
        raise SystemExit("\n".join(f"error: {name}: {line}" for line in found[:20]))
    print(f"{name}: nothing overflows, every picture loaded, no console error")


def shot(page, path, whole=True):
    """A picture of the page, by default down to its end, as PNG."""
    asked = {"format": "png", "captureBeyondViewport": whole}
    if whole:
        size = page.execute_script(
            "const e = document.documentElement; return [e.clientWidth, e.scrollHeight];"
        )
        # Chromium does not draw surfaces of any height.
        height = min(size[1], 9000)
        asked["clip"] = {"x": 0, "y": 0, "width": size[0], "height": height, "scale": 1}
    data = page.execute_cdp_cmd("Page.captureScreenshot", asked)["data"]
    with open(path, "wb") as file:
        file.write(base64.b64decode(data))


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


def stroke(page, points, touch, while_down=None):
    """Draws a stroke on the sheet as a hand would; `while_down` is waited for before it is
    lifted."""
    page.execute_script("scrollTo(0, 0)")
    box = page.execute_script(
        "const b = document.getElementById('pad').getBoundingClientRect(); return [b.x, b.y, b.width];"
    )
    places = [(box[0] + x * box[2], box[1] + y * box[2]) for x, y in points]
    event(page, touch, "down", places[0])
    for a, b in zip(places, places[1:]):
        for k in range(1, 5):
            event(page, touch, "move", [p + (q - p) * k / 4 for p, q in zip(a, b)])
    if while_down:
        wait(page, while_down, "an answer before the hand is lifted")
    event(page, touch, "up", places[-1])


@contextlib.contextmanager
def served(program, run, place=None):
    """The address of a run's page, whose server then ends cleanly."""
    server = subprocess.Popen(
        [program, "serve", run, "--listen", "127.0.0.1:0", "--quiet"],
        cwd=place,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        url = server.stdout.readline().strip()
        if not url.startswith("http://127.0.0.1:"):
            fail(f"the server printed {url!r}")
        yield url
        server.send_signal(signal.SIGTERM)
        if server.wait(timeout=30) != 0:
            fail(f"the server ended with {server.returncode}")
        print("the server ended cleanly")
    finally:
        if server.poll() is None:
            server.kill()

"""Opens reports in a headless Chromium: light, dark, phone width, scripts off, print.

    tests/tools/browser.sh tests/tools/browser_report.py OUT report.html [more.html ...]

Nothing may overflow, every picture has to load, the console stays silent, nothing is
fetched, and the legend has to hide a run's lines. Screenshots go to the folder OUT.
"""

import json
import os
import pathlib
import sys

from selenium.webdriver.common.by import By

import browser


def requests(page):
    """Addresses that the page fetched, its own file and data URIs aside."""
    found = []
    for entry in page.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = message["params"]["request"]["url"]
            if not address.startswith(("data:", "file:", "about:", "chrome")):
                found.append(address)
    return found


def toggles(page, name):
    """Each key of the legend hides its own lines and no others."""
    keys = page.find_elements(By.CSS_SELECTOR, "input[id^=key]")
    count = "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).length"
    for i, key in enumerate(keys[:3]):
        mine, before = f".charts .run{i}", page.execute_script(count, ".charts [class*=run]")
        shown = page.execute_script(count, mine)
        assert shown > 0, f"{name}: no line of run {i}"
        key.click()
        assert page.execute_script(count, mine) == 0, f"{name}: run {i} is not hidden"
        after = page.execute_script(count, ".charts [class*=run]")
        assert after == before - shown, f"{name}: run {i} hid other lines"
        key.click()
        assert page.execute_script(count, mine) == shown, f"{name}: run {i} did not come back"
    return len(keys)


def opens(page, path, name):
    page.get(pathlib.Path(path).resolve().as_uri())
    browser.check(page, name)
    fetched = requests(page)
    assert not fetched, f"{name}: fetched {fetched[:3]}"
    sections = page.find_elements(By.CSS_SELECTOR, "main section")
    for link in page.find_elements(By.CSS_SELECTOR, "nav a"):
        target = link.get_attribute("href").split("#")[1]
        assert any(s.get_attribute("id") == target for s in sections), f"{name}: #{target} is nowhere"
    return len(sections)


def main():
    out, paths = sys.argv[1], sys.argv[2:]
    assert paths, "name a report"
    os.makedirs(out, exist_ok=True)
    for path in paths:
        stem = pathlib.Path(path).stem
        for scheme in ["light", "dark"]:
            for size, (width, height) in {"desktop": browser.DESKTOP, "phone": browser.PHONE}.items():
                name = f"{stem}, {scheme}, {size}"
                with browser.window(width, height, scheme) as page:
                    opens(page, path, name)
                    dark = page.execute_script(
                        "return getComputedStyle(document.body).backgroundColor"
                    )
                    assert (dark == "rgb(255, 255, 255)") == (scheme == "light"), f"{name}: {dark}"
                    browser.shot(page, f"{out}/{stem}-{scheme}-{size}.png")
                    keys = toggles(page, name)
                    # All that is folded has to fit as well.
                    page.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
                    browser.check(page, f"{name}, unfolded")
        with browser.window(*browser.DESKTOP, scripts=False) as page:
            sections = opens(page, path, f"{stem}, scripts off")
        with browser.window(*browser.DESKTOP) as page:
            page.get(pathlib.Path(path).resolve().as_uri())
            pdf = page.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"]
            assert len(pdf) > 10_000, f"{stem}: an empty print"
        print(f"{stem}: {sections} sections, {keys} runs in the legend, prints")


if __name__ == "__main__":
    main()

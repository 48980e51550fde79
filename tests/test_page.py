#!/usr/bin/env python3
"""The page of a report in a real browser: it renders, answers the mouse, fingers and keys, asks the
network for nothing, and keeps hostile text as text. `--pictures FOLDER` keeps screenshots."""
import json
import os
import subprocess
import sys
import tempfile

import browser

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, os.environ.get("BUILD", "build"), "reverie")
failures = 0


def check(condition, what):
    global failures
    if not condition:
        failures += 1
        print("not so:", what)


def make_page(folder, name, *runs):
    page = os.path.join(folder, name + ".html")
    subprocess.run([TOOL, "report", *[os.path.join(folder, r + ".jsonl") for r in runs], "-o", page],
                   check=True, stderr=subprocess.DEVNULL)
    return page


def quiet(b, page, what):
    check(b.requests == ["file://" + page], f"{what}: requests {b.requests}")
    check(b.complaints == [], f"{what}: console {b.complaints}")


def tip(b):
    return b.value("document.getElementById('tip').hidden ? '' : document.getElementById('tip').innerText")


def it_renders(b, page):
    b.size(1100)
    b.prefer("light")
    b.open(page)
    sections = b.value("[...document.querySelectorAll('main section')].map(s => s.id).join(' ')")
    check(sections == "dream  others frontier attribution trajectory explanation examples methods provenance", sections)
    check(b.value("document.querySelector('h1').textContent") == "−L21.N268 dreams of", "the heading")
    text = b.value("document.querySelector('#dream .tokens').textContent")
    check(text == "Two days later the brothers flew their glider over the city", text)
    check(b.value("document.title") == "−L21.N268, SmolLM2-135M · Reverie", "the title")
    hot = b.value("getComputedStyle([...document.querySelectorAll('#dream .tok')].pop()).backgroundColor")
    check(hot == "rgba(224, 104, 38, 0.78)", f"the warmest token: {hot}")
    check(b.value("document.querySelector('#naive .tokens').textContent").startswith("Lufth"), "the naive exhibit")
    shown = b.value("[...document.querySelectorAll('#frontier svg')].filter(s => s.getBoundingClientRect().width).length")
    check(shown == 1, "one of the two drawings is shown")
    rule = b.value("[...document.querySelectorAll('#frontier .wide .rule text')].map(t => t.textContent).join()")
    check(rule == "median of the corpus", f"the rule of the scatter: {rule}")
    quiet(b, page, "rendering")


def hovering_tells(b):
    b.hover("[...document.querySelectorAll('#dream .tok')].pop()")
    text = tip(b)
    check("city" in text and "value 3.353" in text and "id " in text and "probability" in text, f"tip: {text!r}")
    b.hover("document.querySelector('h1')")
    check(tip(b) == "", "the tip goes away")
    b.value("document.querySelector('#dream .tokens').focus()")
    b.press("ArrowRight")
    first = tip(b)
    b.press("End")
    check("Two" in first and "city" in tip(b), f"arrow keys: {first!r}, {tip(b)!r}")
    b.press("Escape")
    check(tip(b) == "", "Escape closes the tip")
    b.hover("document.querySelector('#attribution .word:nth-child(6)')")
    check("flew" in tip(b) and "at worst" in tip(b), "a tip on a word")
    b.hover("document.querySelectorAll('#explanation .rows .tokens')[1].querySelector('.tok')")
    check("real" in tip(b) and "simulated" in tip(b), f"a tip on a simulated token: {tip(b)!r}")


def clicking_a_point_shows_its_prompt(b):
    points = json.loads(b.value("JSON.stringify(JSON.parse(document.getElementById('data').textContent).subjects[0].points"
                                ".map(p => [p.kind || p.method, p.tokens.map(t => t.text).join(''), p.activation]))"))
    mark = "[...document.querySelectorAll('#frontier .wide .mark[data-mark=\"%d\"]')][0]"
    strongest = max((i for i, p in enumerate(points) if p[0] == "window"), key=lambda i: points[i][2])
    naive = next(i for i, p in enumerate(points) if p[0] == "naive")
    for i in (strongest, naive):
        b.click(mark % i)
        text = b.value("document.querySelector('#reader .tokens').textContent")
        check(text.strip() == points[i][1].strip(), f"point {i}: {text!r}, expected {points[i][1]!r}")
    check("A dream of naive" in b.value("document.getElementById('reader').innerText"), "what the point is")
    b.hover(mark % strongest)
    check("corpus window" in tip(b), f"a tip on a point: {tip(b)!r}")
    b.value("document.querySelector('#frontier .wide svg').focus()")
    b.press("ArrowLeft")
    moved = b.value("document.querySelector('#reader .tokens').textContent")
    check(moved.strip() != points[naive][1].strip(), "arrow keys move from point to point")
    key = "document.querySelector('#frontier .wide .key[data-group=\"0\"]')"
    hidden = "getComputedStyle(document.querySelector('#frontier .wide .series[data-group=\"0\"]')).display"
    b.click(key)
    check(b.value(hidden) == "none", "the legend switches a method off")
    b.value(key + ".focus()")
    b.press("Enter")
    check(b.value(hidden) != "none", "and a key switches it on")


def words_can_be_chosen(b):
    b.click("document.querySelector('#attribution .word:nth-child(8)')")
    text = b.value("document.querySelector('.swaps').innerText")
    check("“glider”" in text and "“plane”" in text and "worst" in text, f"replacements: {text!r}")
    b.click("document.querySelector('#trajectory summary')")
    check(b.value("document.querySelector('#trajectory details').open"), "the way can be read")
    check("target" in b.value("document.getElementById('failed').innerText"), "the records that failed")


def light_and_dark(b, page):
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    button = "document.getElementById('theme')"
    b.prefer("dark")
    dark = b.value(paper)
    check(dark == "rgb(21, 20, 18)", f"dark paper: {dark}")
    b.click(button)
    check(b.value(paper) == "rgb(251, 248, 242)" and "Light" in b.value(button + ".textContent"), "light by choice")
    b.open(page)
    check(b.value(paper) == "rgb(251, 248, 242)", "the choice is kept")
    b.click(button)
    b.prefer("light")
    check(b.value(paper) == dark, "dark by choice")
    b.click(button)
    check(b.value(paper) == "rgb(251, 248, 242)", "back to what the system prefers")
    ratio = """(() => {
        const light = c => { const [r, g, b] = c.map(x => (x /= 255) <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
                             return .2126 * r + .7152 * g + .0722 * b; };
        const parts = c => c.match(/[\\d.]+/g).map(Number);
        const style = getComputedStyle([...document.querySelectorAll('#dream .tok')].pop());
        const [r, g, b, a] = parts(style.backgroundColor), paper = parts(getComputedStyle(document.documentElement).backgroundColor);
        const back = [r, g, b].map((x, i) => a * x + (1 - a) * paper[i]);
        const x = light(parts(style.color)), y = light(back);
        return (Math.max(x, y) + .05) / (Math.min(x, y) + .05);
    })()"""
    for scheme in ("light", "dark"):
        b.prefer(scheme)
        check(b.value(ratio) >= 4.5, f"the warmest token is readable when {scheme}: {b.value(ratio):.2f}")


def it_fits_a_phone(b, page):
    for width in (320, 390, 700, 1600):
        b.size(width)
        b.open(page)
        over = b.value("document.documentElement.scrollWidth - innerWidth")
        check(over <= 0, f"at {width} pixels the page is {over} too wide")
    b.size(1100)


def it_prints(b):
    check(len(b.send("Page.printToPDF", {})["data"]) > 20000, "a printed page")


def nothing_may_load(b, page):
    """Even a script of ours that wanted to load something could not; nor can one that is slipped in."""
    b.open(page)
    b.value("""(() => {
        const image = new Image(); image.src = 'https://reverie.invalid/x.png'; document.body.append(image);
        const script = document.createElement('script'); script.textContent = 'window.slipped = 1'; document.body.append(script);
        const style = document.createElement('style'); style.textContent = 'body{display:none}'; document.body.append(style);
        return fetch('https://reverie.invalid/').catch(() => 0).then(() => new Promise(r => setTimeout(r, 100)));
    })()""")
    check(b.value("window.slipped") is None, "a script that is slipped in does not run")
    check(b.value("getComputedStyle(document.body).display") == "block", "nor does a style count")
    check(b.requests == ["file://" + page], f"nothing is asked for: {b.requests}")
    check(b.blocked == ["https://reverie.invalid/x.png"], f"the policy stops an image: {b.blocked}")
    check(any("Content Security Policy" in c for c in b.complaints), "the policy forbids it")


def hostile_text_stays_text(b, page):
    b.open(page)
    quiet(b, page, "hostile")
    check("pwned" not in b.value("document.title").split("dreams")[0].replace("document.title='pwned'", ""), "the title is ours")
    check(b.value("document.querySelectorAll('img, iframe, object, embed, link, main script, main style').length") == 0, "no elements")
    check("<script>document.title='pwned'</script>" in b.value("document.querySelector('#dream .tokens').textContent"), "text is shown")
    check(b.value("[...document.querySelectorAll('main *')].every(e => !e.getAttributeNames().some(a => a.startsWith('on')))"), "no handlers")
    check("\\u202e" in b.value("document.querySelector('#dream .tokens').textContent"), "marks that turn the writing are visible")
    b.hover("[...document.querySelectorAll('#dream .tok')].pop()")
    check("bytes f0 9f" in tip(b), f"bytes that are no text: {tip(b)!r}")
    b.size(390)
    check(b.value("document.documentElement.scrollWidth <= innerWidth"), "a huge token does not widen the page")
    b.size(1100)


def targets_can_be_chosen(b, page):
    b.open(page)
    b.value("(() => { const s = document.querySelector('#subjects select'); s.value = '1'; s.dispatchEvent(new Event('change')); })()")
    check(b.value("document.querySelector('h1').textContent") == "L0.N0 dreams of", "the second target")
    check(b.value("document.querySelector('#dream .tokens').textContent") == "a b", "and its dream")
    b.value("(() => { const s = document.querySelector('#subjects select'); s.value = '0'; s.dispatchEvent(new Event('change')); })()")
    check(b.value("document.querySelectorAll('#frontier svg .mark[data-mark]').length") > 100, "and back")
    quiet(b, page, "two targets")


def it_reads_without_scripts(b, page):
    b.send("Emulation.setScriptExecutionDisabled", {"value": True})
    b.open(page)
    text = b.value("document.body.innerText")
    check("switched off" in text and b.value("document.querySelectorAll('#figures svg').length") == 6, "figures without scripts")
    b.send("Emulation.setScriptExecutionDisabled", {"value": False})


def take_pictures(b, folder, pages):
    for name, page in pages.items():
        for width in (390, 1100):
            for scheme in ("light", "dark"):
                b.size(width)
                b.prefer(scheme)
                b.open(page)
                b.picture(os.path.join(folder, f"{name}-{width}-{scheme}.png"))


if not browser.find():
    print("there is no Chromium here; `make test-page` installs one")
    sys.exit(77)
with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, os.path.join(ROOT, "tests", "sample_runs.py"), folder], check=True)
    flight, hostile, both = (make_page(folder, "flight", "flight"), make_page(folder, "hostile", "hostile"),
                             make_page(folder, "both", "flight", "minimal"))
    b = browser.Browser()
    try:
        it_renders(b, flight)
        hovering_tells(b)
        clicking_a_point_shows_its_prompt(b)
        words_can_be_chosen(b)
        light_and_dark(b, flight)
        it_fits_a_phone(b, flight)
        it_prints(b)
        quiet(b, flight, "everything")
        nothing_may_load(b, flight)
        hostile_text_stays_text(b, hostile)
        targets_can_be_chosen(b, both)
        it_reads_without_scripts(b, flight)
        if "--pictures" in sys.argv:
            take_pictures(b, sys.argv[sys.argv.index("--pictures") + 1], {"flight": flight, "hostile": hostile})
    finally:
        b.close()
sys.exit(1 if failures else 0)

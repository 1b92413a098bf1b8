"""`report`: a page that needs nothing but itself, with the figures of `stats`, and a picture that can be used."""

import base64
import json
import re
import shutil
import sqlite3
import zlib
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coprocsim.cli import main
from coprocsim.cli.arguments import settings
from coprocsim.cli.messages import many
from coprocsim.observe import picture
from coprocsim.store import trace
from coprocsim.toolstack import control
from tests.booted import booted, go_on
from tests.devicetree_blobs import blob
from tests.homes import Home
from tests.machines import MS
from tests.pages import Page, browser, fingers, look_at

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

EVIL = "</script><b>&amp;"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A machine with denials, on which something was late, and one of whose kernels has a wicked name."""
    home = Home(tmp_path_factory.mktemp("reported"))
    home.busy()
    late = 'coproc_workload=["xxx0,kind=periodic,period=40ms,work=1ms,deadline=2ms"]'
    assert "is created" in home.quickly(f"domain create polite.cfg 'name=\"evil\"' 'kernel=\"{EVIL}\"' '{late}'")
    home.quickly("run 400ms")
    assert home.quickly("report page.html") == "page.html: open it in a browser\n"
    return home


@pytest.fixture(scope="module")
def page(home):
    return home.folder / "page.html"


def picture_of(path: Path) -> dict[str, Any]:
    """Return the picture that is embedded in a page."""
    [text] = re.findall(r'<script type="application/json" id="picture">(.*?)</script>', path.read_text("utf-8"))
    found: dict[str, Any] = json.loads(text)
    return found


def unpacked(code: str, text: str) -> list[int]:
    return list(array(code, zlib.decompress(base64.b64decode(text))))


# ---------------------------------------------------------------- what is in it


def test_the_figures_are_those_of_stats(home, page):
    stats = json.loads(home.quickly("stats --json"))
    of: str | None = None
    shown = {}
    for tag, attributes in Page(page.read_text("utf-8")).seen:
        if tag == "tr":
            of = attributes.get("data-of")
        elif "data-figure" in attributes:
            shown[of, attributes["data-figure"]] = json.loads(str(attributes["data-value"]))
    expected: dict[tuple[str, str], object] = {}
    for each in stats["coprocs"]:
        expected |= {(each["coproc"], name): value for name, value in each.items() if name != "coproc"}
    for each in stats["vcoprocs"]:
        figures = {name: each[name] for name in each if name not in {"domain", "domain_id", "vcoproc", "coproc"}}
        for kind in ("latency", "wait", "entry"):
            figures |= {f"{kind}.{name}": value for name, value in (figures.pop(kind) or {}).items()}
        expected |= {(each["vcoproc"], name): value for name, value in figures.items()}
    for each in stats["denials"]:
        expected |= {(f"{each['denier']} {each['sufferer']}", name): each[name] for name in ("times", "time_ps")}
    rules = {rule["rule"] for rule in json.loads(home.quickly("verify --json"))["rules"]}
    assert stats["denials"]
    assert {key: value for key, value in shown.items() if key[0] not in rules} == expected


def test_the_picture_is_the_timeline(home, page):
    [strip] = picture_of(page)["strips"]
    [lane] = json.loads(home.quickly("timeline --json"))["lanes"]
    lengths, kinds = unpacked("q", strip["lengths"]), unpacked("H", strip["kinds"])
    assert sum(lengths) == 400 * MS
    looks = [(look["what"], look["vcoproc"]) for look in strip["looks"]]
    found = [(length, *looks[kind]) for length, kind in zip(lengths, kinds, strict=True)]
    expected = [(each["to_ps"] - each["from_ps"], each["what"], each["vcoproc"]) for each in lane["stretches"]]
    assert found == expected


def test_what_happened_to_jobs_is_in_the_picture(home, page):
    [strip] = picture_of(page)["strips"]
    names = picture_of(page)["happenings"]
    happened = [names[each] for each in unpacked("B", strip["happenings"])]
    vcoprocs = json.loads(home.quickly("stats --json"))["vcoprocs"]
    late = sum(each["late"] for each in vcoprocs)
    assert happened.count("late") == late > 0
    assert happened.count("done") == sum(each["done"] for each in vcoprocs) - late > 0
    rows = json.loads(home.quickly("trace show --kind denial --json"))["rows"]
    assert happened.count("refused") == sum(row["what"] == "switch_from" for row in rows) > 0


def test_what_went_wrong_is_said_first(home, page):
    [late] = [each for each in json.loads(home.quickly("stats --json"))["vcoprocs"] if each["domain"] == "evil"]
    assert late["late"] == late["missed"] > 0
    text = Page(page.read_text("utf-8")).text
    said = f"evil on xxx0: of {late['released']:,} jobs {late['late']:,} late."
    assert text.index(said) < text.index("Schedule")


def test_what_verify_finds_is_in_the_page(tmp_path):
    home = Home(tmp_path)
    home.quickly("boot dts/system.dtb")
    for domain in ("instrument-cluster", "infotainment"):
        home.quickly(f"domain create domains/{domain}.cfg")
    for line in ("fault inject gpu0 stale-iommu", "run 100ms", "report page.html"):
        home.quickly(line)
    found = json.loads(home.quickly("verify --json").removesuffix("[exit 1]\n"))["findings"]
    assert found
    text = Page((tmp_path / "page.html").read_text("utf-8")).text
    assert many(len(found), "finding") in text
    assert {each["what"] for each in found} <= set(text)


def test_what_users_write_is_text_in_the_page(page):
    found = Page(page.read_text("utf-8"))
    assert found.open == []
    assert EVIL in found.text
    assert "b" not in {tag for tag, _ in found.seen}


def test_no_text_can_end_the_element_in_which_it_is_embedded():
    from coprocsim.cli.pages import data

    element = data("it", {"name": "</script><script>alert(1)"})
    assert element.count("</script") == element.count("<script") == 1
    assert json.loads(element.partition(">")[2].removesuffix("</script>")) == {"name": "</script><script>alert(1)"}


def test_nothing_is_loaded_from_anywhere(page):
    source = page.read_text("utf-8")
    assert "http" not in source
    assert not [attributes for _, attributes in Page(source).seen if "src" in attributes]
    assert not {"link", "img", "iframe"} & {tag for tag, _ in Page(source).seen}


def test_a_span_and_a_coproc_can_be_chosen(tmp_path):
    home = Home(tmp_path)
    for line in ("boot dts/system.dtb", "domain create domains/infotainment.cfg", "run 50ms"):
        home.quickly(line)
    assert len(picture_of_stdout(home, "report -")["strips"]) == 3
    chosen = picture_of_stdout(home, "report - --from 10ms --to 30ms --coproc gpu0")
    assert (chosen["from_ps"], chosen["to_ps"]) == (str(10 * MS), str(30 * MS))
    [strip] = chosen["strips"]
    assert strip["coproc"] == "gpu0"
    assert sum(unpacked("q", strip["lengths"])) == 20 * MS


def picture_of_stdout(home: Home, line: str) -> dict[str, Any]:
    path = home.folder / "out.html"
    path.write_text(home.run(*line.split())[1])
    return picture_of(path)


def test_what_the_trace_has_lost_is_said(tmp_path, monkeypatch):
    # A chunk has 4096 rows and the last one stays: of so many jobs the first ones are gone.
    machine = booted(tmp_path, ["kind=backlog,work=50us"] * 2, trace_limit_bytes=2**16)
    control.run(machine, 400 * MS, go_on)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", str(tmp_path))
    assert main(["--machine", "machine", "report", str(tmp_path / "page.html")]) == 0
    [strip] = picture_of(tmp_path / "page.html")["strips"]
    assert "unknown" in {look["what"] for look in strip["looks"]}
    assert "The trace has outgrown its limit" in (tmp_path / "page.html").read_text("utf-8")


def test_a_machine_that_shares_nothing_has_a_page(tmp_path):
    home = Home(tmp_path)
    (tmp_path / "bare.dtb").write_bytes(blob({"compatible": "acme,bare"}))
    for line in ("boot bare.dtb", "run 10ms", "report page.html"):
        home.quickly(line)
    assert "This machine shares no coproc." in Page((tmp_path / "page.html").read_text()).text


def test_a_picture_of_too_many_slices_says_from_when_on_it_could_be_looked_at(home, monkeypatch):
    monkeypatch.setattr(picture, "SLICES_MAX", 20)
    output = home.quickly("report many.html")
    assert re.match(r"error: the picture would have \d+ slices; 20 can be looked at\n", output)
    [instant] = re.findall(r"`--from (\S+)`", output)
    home.quickly(f"report many.html --from {instant}")
    [strip] = picture_of(home.folder / "many.html")["strips"]
    assert strip["slices"] == 20


# ---------------------------------------------------------------- the file


def test_a_file_is_replaced_when_the_page_is_complete_and_nothing_else_is_left(home):
    old = home.folder / "old.html"
    old.write_text("something else")
    assert "error" in home.quickly("report old.html --from 2s")
    assert old.read_text() == "something else"
    home.quickly("report old.html")
    assert old.read_text("utf-8") == (home.folder / "page.html").read_text("utf-8")
    assert not list(home.folder.glob(".*.part"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("report .", "`.` is no file"),
        ("report nowhere/page.html", "cannot write `nowhere/page.html`: No such file or directory"),
        ("report page.html --from 30ms --to 30ms", "nothing lies between 0.030000 s and 0.030000 s"),
        ("report page.html --coproc gpu9", "gpu9"),
    ],
)
def test_what_cannot_be_is_an_error(home, arguments, said):
    output = home.quickly(arguments)
    assert output.startswith("error: ")
    assert said in output
    assert output.endswith("[exit 1]\n")


def test_where_no_time_has_passed_there_is_nothing_to_report(tmp_path):
    home = Home(tmp_path)
    home.quickly("boot dts/minimal.dtb")
    assert "no time has passed yet" in home.quickly("report page.html")


def test_a_page_does_not_need_the_plugins_of_its_machine(home, tmp_path):
    other = Home(tmp_path)
    other.file.parent.mkdir()
    shutil.copy(home.file, other.file)
    with sqlite3.connect(other.file) as connection:
        connection.execute("UPDATE coproc SET algorithm = 'gone', platform = 'lost'")
    connection.close()
    assert other.quickly("report page.html") == "page.html: open it in a browser\n"


def test_the_trace_is_read_once(home, monkeypatch):
    looks = []
    between = trace.between

    def noted(sql, from_ps, to_ps):
        looks.append((from_ps, to_ps))
        return between(sql, from_ps, to_ps)

    monkeypatch.setattr(trace, "between", noted)
    home.quickly("report once.html --from 100ms --to 200ms")
    assert looks == [(0, 400 * MS)]


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def chrome(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def view_of(chrome: "Chrome") -> tuple[float, float]:
    """Return from when to when the picture shows, in ps since its beginning, once it is drawn anew."""
    chrome.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    data = chrome.execute_script("return {...document.querySelector('canvas').dataset}")
    return float(data["from"]), float(data["to"])


def pixels_of(chrome: "Chrome") -> str:
    return str(chrome.execute_script("return document.querySelector('canvas').toDataURL()"))


def press(chrome: "Chrome", *keys: str) -> tuple[float, float]:
    from selenium.webdriver.common.by import By

    canvas = chrome.find_element(By.TAG_NAME, "canvas")
    chrome.execute_script("arguments[0].focus()", canvas)
    canvas.send_keys(*keys)
    return view_of(chrome)


def detail_of(chrome: "Chrome") -> dict[str, str]:
    """Return what is shown of a slice; nothing where no slice is looked at."""
    found: dict[str, str] = chrome.execute_script(
        """const box = document.getElementById("detail"), text = (tag) => [...box.querySelectorAll(tag)]
             .map((each) => each.textContent), values = text("dd");
           return box.hidden ? {} : Object.fromEntries(text("dt").map((title, place) => [title, values[place]]));"""
    )
    return found


def test_it_loads_without_a_word_and_asks_for_nothing_else(chrome, page):
    look_at(chrome, page)
    assert chrome.get_log("browser") == []
    asked = [json.loads(each["message"])["message"] for each in chrome.get_log("performance")]
    urls = [each["params"]["request"]["url"] for each in asked if each["method"] == "Network.requestWillBeSent"]
    assert urls[-1] == page.as_uri()
    assert not [url for url in urls if url.startswith("http")]


def test_keys_move_the_picture_and_home_shows_all(chrome, page):
    from selenium.webdriver.common.keys import Keys

    look_at(chrome, page)
    whole, before = view_of(chrome), pixels_of(chrome)
    assert whole == (0.0, 400.0 * MS)
    near = press(chrome, "+", "+")
    # Each step is a factor of 1.4, around the middle.
    assert near[1] - near[0] == pytest.approx(400 * MS / 1.4**2)
    assert sum(near) == pytest.approx(400 * MS)
    assert pixels_of(chrome) != before
    later = press(chrome, Keys.ARROW_RIGHT)
    assert later[0] > near[0]
    assert later[1] - later[0] == pytest.approx(near[1] - near[0])
    assert press(chrome, Keys.ARROW_LEFT) == pytest.approx(near)
    assert press(chrome, "-", "-", "-") == whole
    press(chrome, "+", "+")
    assert press(chrome, Keys.HOME) == whole
    assert pixels_of(chrome) == before


def test_the_wheel_zooms_where_the_pointer_is(chrome, page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
    from selenium.webdriver.common.by import By

    look_at(chrome, page)
    before = pixels_of(chrome)
    canvas = chrome.find_element(By.TAG_NAME, "canvas")
    aside = canvas.size["width"] // 4
    ActionChains(chrome).scroll_from_origin(ScrollOrigin.from_element(canvas, -aside, 0), 0, -100).perform()
    from_ps, to_ps = view_of(chrome)
    assert to_ps - from_ps == pytest.approx(400 * MS / 1.4)
    # What is under the pointer, a quarter from the left, stays there.
    assert from_ps + (to_ps - from_ps) / 4 == pytest.approx(100 * MS, rel=0.01)
    assert pixels_of(chrome) != before


def test_a_click_on_a_slice_shows_its_figures_until_escape(chrome, home, page):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    look_at(chrome, page)
    assert detail_of(chrome) == {}
    from_ps, to_ps = press(chrome, *"+" * 12)
    ActionChains(chrome).move_to_element(chrome.find_element(By.TAG_NAME, "canvas")).click().perform()
    view_of(chrome)
    assert_slice_of_timeline(home, detail_of(chrome), (from_ps + to_ps) / 2)
    assert press(chrome, Keys.ESCAPE) == (from_ps, to_ps)
    assert detail_of(chrome) == {}


def assert_slice_of_timeline(home: Home, shown: dict[str, str], at_ps: float) -> None:
    """Hold that what is shown is of the slice at an instant, as `timeline` has it."""
    [lane] = json.loads(home.quickly("timeline --json"))["lanes"]
    # A pixel is 400 ms / 1.4^12 / 400 = 18 us at the most; the instant is given or taken one.
    slices = [each for each in lane["stretches"] if each["from_ps"] - 2 * 10**7 <= at_ps <= each["to_ps"] + 2 * 10**7]
    assert (seconds_ps(shown["From"]), seconds_ps(shown["To"])) in {(each["from_ps"], each["to_ps"]) for each in slices}
    assert shown["Coproc"] == "xxx0 (rrobin)"
    assert {"What", "Length"} < shown.keys()


def seconds_ps(text: str) -> int:
    whole, _, digits = text.removesuffix(" s").partition(".")
    return int(whole + digits.ljust(12, "0"))


@pytest.mark.slow
def test_slices_can_be_gone_through_with_keys(chrome, home, page):
    from selenium.webdriver.common.keys import Keys

    look_at(chrome, page)
    press(chrome, Keys.ENTER)
    seen = [detail_of(chrome)]
    for _ in range(60):
        press(chrome, ".")
        seen.append(detail_of(chrome))
    assert [each["To"] for each in seen[:-1]] == [each["From"] for each in seen[1:]]
    assert "denies to leave" in {each["What"] for each in seen}
    assert any("Denial: ask again in" in each for each in seen)
    assert any(re.fullmatch(r"(d\dv0 [\d.]+ ms(, )?)+", each.get("Jobs done", "")) for each in seen)


def assert_all_is_shared_as_stats_say(chrome: "Chrome", stats: dict[str, Any]) -> None:
    """Hold that the shares below a picture that shows all of a coproc's time are those of `stats`."""
    text = chrome.execute_script("return document.getElementById('shown').innerText")
    shown = {name: float(percent) for name, percent in re.findall(r"(\S+) ([\d.]+) %", text)}
    shares = {each["domain"]: 100 * each["share"] for each in stats["vcoprocs"] if each["run_ps"]}
    # Shown with one decimal.
    assert {domain: shown[domain] for domain in shares} == pytest.approx(shares, abs=0.051)
    assert set(shown) - set(shares) <= {"idle", "switch", "failed"}


def canvas_of(chrome: "Chrome") -> tuple[float, float, float]:
    """Return where the picture begins, how wide it is, and a height that lies on its first strip, in pixels."""
    script = (
        "const canvas = document.querySelector('canvas'); canvas.scrollIntoView({block: 'center'});"
        "const box = canvas.getBoundingClientRect(); return [box.left, box.width, box.top + box.height / 2]"
    )
    left, width, middle = chrome.execute_script(script)
    return left, width, middle


def test_what_can_be_typed_breaks_at_spaces_only_on_a_narrow_screen(chrome, home, page):
    home.quickly("compare --choice 'credit switch-cost-payer=leaving' --for 10ms --page choices.html")
    look_at(chrome, page, width=400)
    lines_of_each_word = """return [...document.querySelectorAll("code, dd")].flatMap((box) => {
        const found = [], texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
        for (let text; (text = texts.nextNode());)
          for (const word of text.data.matchAll(/[^ ]+/g)) {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            found.push([word[0], range.getClientRects().length]);
          }
        return found;
      })"""
    for name in ("page.html", "choices.html"):
        chrome.get((home.folder / name).as_uri())
        lines = dict(chrome.execute_script(lines_of_each_word))
        assert {each for each in lines if "-" in each and len(each) < 26 and lines[each] > 1} == set()
    assert {"--algorithm", "switch-cost-payer=leaving"} <= set(lines)
    assert chrome.execute_script("return document.documentElement.scrollWidth") == 400


def test_a_pinch_zooms_between_the_fingers(chrome, page):
    look_at(chrome, page, width=400)
    left, width, y = canvas_of(chrome)
    with fingers(chrome) as touch:
        # The left finger rests on a quarter of the picture; the right one goes from half of it to three quarters.
        rests = (left + width / 4, y)
        touch(rests)
        touch(rests, (left + width / 2, y))
        for step in range(1, 11):
            touch(rests, (left + width * (0.5 + 0.025 * step), y))
        touch(rests)
        touch()
    from_ps, to_ps = view_of(chrome)
    # They are twice as far apart, and what is under the one that rests, 100 of 400 ms, stays there.
    assert to_ps - from_ps == pytest.approx(200 * MS, rel=0.02)
    assert from_ps + (to_ps - from_ps) / 4 == pytest.approx(100 * MS, rel=0.02)
    assert detail_of(chrome) == {}
    assert chrome.execute_script("return visualViewport.scale") == 1


def test_a_pinch_up_and_down_zooms_too(chrome, page):
    look_at(chrome, page, width=400)
    left, width, y = canvas_of(chrome)
    middle = left + width / 2
    with fingers(chrome) as touch:
        touch((middle, y - 20))
        touch((middle, y - 20), (middle, y + 20))
        for apart in (50, 60, 70, 80):
            touch((middle, y - 20), (middle, y - 20 + apart))
        touch()
    from_ps, to_ps = view_of(chrome)
    # From 40 pixels to 80.
    assert to_ps - from_ps == pytest.approx(200 * MS, rel=0.02)


def test_a_drag_of_a_finger_moves_the_picture_and_one_down_the_page_scrolls(chrome, page):
    look_at(chrome, page, width=400)
    from_ps, to_ps = press(chrome, "+", "+", "+", "+")
    left, width, y = canvas_of(chrome)
    with fingers(chrome) as touch:
        touch((left + width * 0.75, y))
        for step in range(1, 11):
            touch((left + width * (0.75 - 0.05 * step), y))
        touch()
        moved = view_of(chrome)
        # Half of what is seen has gone out of it to the left.
        assert moved[0] - from_ps == pytest.approx((to_ps - from_ps) / 2, rel=0.05)
        assert moved[1] - moved[0] == pytest.approx(to_ps - from_ps)
        before = chrome.execute_script("return scrollY")
        touch((left + width / 2, y))
        for step in range(1, 11):
            touch((left + width / 2, y - 20 * step))
        touch()
    assert view_of(chrome) == pytest.approx(moved)
    assert chrome.execute_script("return scrollY") > before
    assert detail_of(chrome) == {}


def test_a_tap_on_a_slice_shows_its_figures(chrome, home, page):
    look_at(chrome, page, width=400)
    from_ps, to_ps = press(chrome, *"+" * 12)
    left, width, y = canvas_of(chrome)
    with fingers(chrome) as touch:
        touch((left + width / 2, y))
        touch()
    assert view_of(chrome) == (from_ps, to_ps)
    assert_slice_of_timeline(home, detail_of(chrome), (from_ps + to_ps) / 2)


def test_shares_of_what_is_seen_are_those_of_stats_where_all_is_seen(chrome, home, page):
    look_at(chrome, page)
    view_of(chrome)
    assert_all_is_shared_as_stats_say(chrome, json.loads(home.quickly("stats --json")))


def test_dark_and_light_differ_and_follow_the_reader(chrome, page):
    colour = "return getComputedStyle(document.body).backgroundColor"
    look_at(chrome, page)
    view_of(chrome)
    light = chrome.execute_script(colour), pixels_of(chrome)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    view_of(chrome)
    changed = chrome.execute_script(colour), pixels_of(chrome)
    assert all(one != other for one, other in zip(light, changed, strict=True))
    look_at(chrome, page, dark=True)
    view_of(chrome)
    assert (chrome.execute_script(colour), pixels_of(chrome)) == changed


def test_a_phone_does_not_scroll_the_page_sideways(chrome, page):
    look_at(chrome, page, width=400)
    widths = "const of = document.documentElement; return [of.scrollWidth, innerWidth]"
    wide, room = chrome.execute_script(widths)
    assert wide <= room == 400


@pytest.mark.slow
def test_of_a_hundred_thousand_slices_only_what_can_be_seen_is_drawn(chrome, tmp_path, monkeypatch, capsys):
    machine = booted(tmp_path, ["kind=backlog,work=1s"] * 2, 2**28)
    control.set_schedule(machine, "xxx0", None, None, settings(["slice=10us", "min-run=1us"]))
    control.run(machine, 550 * MS, go_on)
    monkeypatch.setenv("COPROCSIM_STATE_DIR", str(tmp_path))
    assert main(["--machine", "machine", "report", str(tmp_path / "long.html")]) == 0
    [strip] = picture_of(tmp_path / "long.html")["strips"]
    assert strip["slices"] > 100_000
    look_at(chrome, tmp_path / "long.html")
    capsys.readouterr()
    assert main(["--machine", "machine", "stats", "--json"]) == 0
    assert_all_is_shared_as_stats_say(chrome, json.loads(capsys.readouterr().out))
    columns = chrome.execute_script("return document.querySelector('canvas').width")
    for keys in ("", "+", "+++++", "+++++++++++++"):
        press(chrome, *keys)
        drawn = chrome.execute_script("return Number(document.querySelector('canvas').dataset.rectangles)")
        # In each column a part for each kind of slice, a mark of a switch and one of trouble; and the axis.
        assert 0 < drawn <= columns * (len(strip["looks"]) + 2) + 20

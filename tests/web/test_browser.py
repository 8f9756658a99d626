"""A person with a browser at a running site, with script and without."""

import re
import time

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browsing import PHONE, UNDO_SECONDS, OpenWindow
from tests.support.picture_files import camera_file
from tests.support.running_site import Site, eventually

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("browser")]


def test_an_entry_from_the_form_to_the_inbox(open_window: OpenWindow) -> None:
    editor = open_window()
    page: Page = editor.page
    editor.log_in()
    page.get_by_role("link", name="New entry").first.click()
    page.get_by_label("Title").fill("Trams turn back at Corn Exchange")
    page.locator("#body").fill("Buses are **free**.")
    page.get_by_label("Byline").fill("Ines Valbrook, Jory Pell")
    expect(page.locator("#preview strong")).to_have_text("free")
    page.get_by_label("Title").press("Control+Enter")
    expect(page.get_by_role("timer")).to_contain_text("second")
    editor.button("Undo")
    expect(page.locator("#body")).to_have_value("Buses are **free**.")
    editor.button("Publish")
    editor.button("Publish now")
    permalink = page.get_by_role("link", name="View on site")
    expect(permalink).to_be_visible()
    eventually(
        lambda: page.reload() and page.locator("tbody .state", has_text="Sent").count(),
        what="the mail",
    )
    expect(page.get_by_role("row", name="E-mail Sent 1")).to_be_visible()
    permalink.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Trams turn back at Corn Exchange")
    page.goto("/desk/caught")
    page.get_by_role("link", name="Trams turn back").first.click()
    expect(
        page.frame_locator("iframe").get_by_role("heading", name="Trams turn back at Corn Exchange")
    ).to_be_visible()


@pytest.mark.slow
def test_what_an_author_submits_is_returned_submitted_again_approved_and_scheduled(
    open_window: OpenWindow, site: Site
) -> None:
    site.do("account", "add", "author@example.org", "--name", "Ada Quill", "--role", "author")
    author, editor = open_window(viewport=PHONE, script=False), open_window()
    author.log_in("author@example.org")
    editor.log_in()
    author.page.get_by_role("link", name="New entry").first.click()
    author.page.get_by_label("Title").fill("The lido opens")
    author.button("Submit for review")
    editor.page.goto("/desk")
    editor.page.get_by_role("link", name="The lido opens").click()
    editor.page.get_by_label("Note for the author").fill("On which day?")
    editor.button("Send back")
    author.page.goto("/desk")
    expect(author.page.get_by_text("Sent back: On which day?")).to_be_visible()
    author.page.get_by_role("link", name="The lido opens").click()
    author.page.get_by_role("link", name="Edit", exact=True).click()
    expect(author.page.get_by_text("On which day?")).to_be_visible()
    author.page.get_by_label("Title").fill("The lido opens on Monday")
    author.button("Submit for review")
    editor.page.goto("/desk")
    editor.page.get_by_role("link", name="The lido opens on Monday").click()
    editor.button("Approve")
    editor.button("Publish now")
    expect(editor.page.get_by_role("link", name="View on site")).to_be_visible()
    site.do(
        "entry",
        "add",
        "tarrow-rises",
        "--title",
        "Evening readings",
        "--at",
        f"{time.gmtime().tm_year + 1}-03-14T18:00",
    )
    editor.page.goto("/desk/schedule")
    editor.page.get_by_label("Evening readings").fill(f"{time.gmtime().tm_year + 1}-03-14T19:30")
    editor.button("Reschedule Evening readings")
    expect(editor.page.get_by_label("Evening readings")).to_have_value(
        f"{time.gmtime().tm_year + 1}-03-14T19:30"
    )
    editor.button("Unschedule Evening readings")
    expect(editor.page.get_by_label("Title")).to_have_value("Evening readings")


@pytest.mark.slow
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_the_page_turns_by_itself_when_the_wait_is_over(
    script: bool, open_window: OpenWindow
) -> None:
    editor = open_window(script=script)
    page: Page = editor.page
    editor.log_in()
    page.goto("/desk/post")
    page.get_by_label("Title").fill(f"Six metres, {script}")
    page.get_by_text("No one", exact=True).click()
    began = time.monotonic()
    editor.button("Publish")
    expect(page.get_by_role("timer")).to_contain_text("second")
    expect(page.get_by_role("link", name="View on site")).to_be_visible(timeout=20_000)
    assert time.monotonic() - began >= UNDO_SECONDS, "it waited"


@pytest.mark.slow
def test_without_script_everything_works_and_no_text_is_lost(open_window: OpenWindow) -> None:
    editor = open_window(script=False)
    page: Page = editor.page
    editor.log_in()
    page.goto("/desk/post")
    page.locator("#body").fill("Written first.")
    page.get_by_label("Title").fill(" ")
    page.get_by_role("button", name="Publish").click()
    expect(page.get_by_text("This can’t be empty.", exact=True)).to_be_visible()
    expect(page.locator("#body")).to_have_value("Written first.")
    page.get_by_label("Title").fill("Sand runs short again")
    editor.button("Preview")
    expect(page.locator(".screen h3")).to_have_text("Sand runs short again")
    page.get_by_text("No one", exact=True).click()
    editor.button("Publish")
    editor.button("Publish now")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Title").fill("Sand runs very short")
    editor.button("Save quietly")
    expect(page.locator("ins")).to_have_text("very")
    page.get_by_role("link", name="Retract").click()
    editor.button("Retract entry")
    editor.button("Undo")
    expect(page.get_by_role("link", name="Retract")).to_be_visible()
    page.goto("/streams/tarrow-rises")
    expect(page.get_by_role("heading", name="Sand runs very short")).to_be_visible()
    # asked for above
    editor.complaints = [complaint for complaint in editor.complaints if "422" not in complaint]


@pytest.mark.slow
def test_a_picture_is_pasted_described_and_posted(open_window: OpenWindow) -> None:
    editor = open_window()
    page: Page = editor.page
    editor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    editor.log_in()
    page.goto("/desk/post")
    page.get_by_label("Title").fill("The river at the steps")
    page.evaluate("""async () => {
        const canvas = Object.assign(document.createElement("canvas"), { width: 700, height: 500 });
        canvas.getContext("2d").fillRect(0, 0, 350, 250);
        const blob = await new Promise((done) => canvas.toBlob(done));
        await navigator.clipboard.write([new ClipboardItem({ [blob.type]: blob })]);
    }""")
    page.get_by_label("Title").press("Control+V")
    expect(page.get_by_label("Alt text (required)")).to_be_focused()
    page.keyboard.type("A black corner")
    expect(page.locator("#picture li img")).to_have_js_property("naturalWidth", 480, timeout=20_000)
    expect(page.locator("#picture input[name=picture]")).to_have_value(re.compile("^[0-9a-f]{64}$"))
    page.get_by_label("Credit").fill("Mara Eskelund")
    page.get_by_text("No one", exact=True).click()
    editor.button("Publish")
    editor.button("Publish now")
    page.get_by_role("link", name="View on site").click()
    picture = page.get_by_role("img", name="A black corner")
    expect(picture).to_have_js_property("complete", True)
    width, height, natural = picture.evaluate(
        "image => [image.width, image.height, image.naturalWidth]"
    )
    assert natural and height == round(width * 5 / 7), "it stands in its own shape"
    expect(page.locator("figcaption")).to_have_text("Mara Eskelund")


@pytest.mark.slow
def test_what_is_posted_while_a_picture_is_under_way_waits_for_it(open_window: OpenWindow) -> None:
    editor = open_window()
    page: Page = editor.page
    editor.log_in()
    page.goto("/desk/post")
    held: list[Route] = []
    page.route("**/desk/pictures", lambda route: held.append(route))
    page.get_by_label("Title").fill("A slow line")
    large = camera_file()
    with page.expect_request("**/desk/pictures") as request:
        page.locator("#file").set_input_files(
            {"name": "wall.jpg", "mimeType": "image/jpeg", "buffer": large}
        )
    page.get_by_label("Alt text (required)").fill("A wall")
    page.get_by_text("No one", exact=True).click()
    editor.button("Publish")
    expect(
        page.get_by_text("This will be published once the picture has uploaded.")
    ).to_be_visible()
    held[0].continue_()
    expect(page.get_by_role("timer")).to_contain_text("second")
    expect(page.get_by_role("img", name="A wall")).to_be_visible()
    assert 10_000 < request.value.sizes()["requestBodySize"] < len(large) / 2, (
        "it was sent no larger than it is kept"
    )


@pytest.mark.slow
def test_an_open_page_announces_new_entries_and_shows_them_on_request(
    open_window: OpenWindow, site: Site
) -> None:
    page: Page = open_window(viewport=PHONE).page
    page.emulate_media(reduced_motion="reduce")  # else it is on its way for a second
    page.clock.install()
    page.goto("/streams/tarrow-rises")
    read = page.locator("article.h-entry").last
    read.scroll_into_view_if_needed()
    place, at = read.get_attribute("id"), page.evaluate("scrollY")
    assert at > 0
    site.do("entry", "add", "tarrow-rises", "--title", "The crest has passed", "--no-alert")
    for _ in range(2):
        site.do("entry", "add", "tarrow-rises", "--title", "Pumps go home", "--no-alert")
    page.clock.run_for(15_000)
    pill = page.get_by_role("status").get_by_role("link", name="3 new updates")
    expect(pill).to_be_visible()
    assert page.evaluate("scrollY") == at, "nothing moved"
    top = page.evaluate(f"document.getElementById('{place}').getBoundingClientRect().top")
    pill.click()
    expect(page.get_by_role("link", name="Pumps go home").first).to_be_focused()
    expect(page.get_by_role("link", name="Pumps go home").first).to_be_in_viewport()
    expect(page.get_by_role("link", name="The crest has passed")).to_have_count(1)
    expect(pill).to_have_count(0)
    page.go_back()
    eventually(
        lambda: (
            abs(
                page.evaluate(f"document.getElementById('{place}').getBoundingClientRect().top")
                - top
            )
            < 2
        ),
        what="the way back",
    )


@pytest.mark.slow
def test_an_open_page_polls_less_when_hidden_or_failing_and_stops_at_the_end(
    open_window: OpenWindow, site: Site
) -> None:
    reader = open_window()
    page: Page = reader.page
    asked: list[str] = []
    answers = [
        {"status": 503, "headers": {"Retry-After": "100"}},
        {"status": 500},
        {"json": {"state": "ended", "ask": 0, "entries": []}},
    ]

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(**answers[len(asked) - 1])

    page.route("**/live.json", answer)
    page.clock.install()
    page.goto("/streams/tarrow-rises")

    def wait(seconds: int, times: int) -> None:
        page.clock.run_for(seconds * 1000)
        page.evaluate("fetch('/healthz')")  # what was asked before is answered by then
        assert len(asked) == times

    wait(14, 0)
    wait(2, 1)
    wait(95, 1)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait(300, 1)
    page.evaluate("delete document.hidden, document.dispatchEvent(new Event('visibilitychange'))")
    wait(1, 2)
    wait(58, 2)
    wait(3, 3)
    wait(3600, 3)
    # answered above
    reader.complaints = [complaint for complaint in reader.complaints if " 50" not in complaint]


@pytest.mark.slow
def test_an_entry_is_written_and_published_by_keyboard_alone(
    open_window: OpenWindow, site: Site
) -> None:
    site.do("channel", "add", "courier-tarrow", "--url", "ntfys://ntfy.example.org/courier-tarrow")
    editor = open_window()
    page: Page = editor.page
    editor.log_in()
    page.goto("/desk/post")
    expect(page.get_by_label("Title")).to_be_focused()
    page.get_by_role("radio", name="Normal").focus()
    page.keyboard.press("ArrowRight")
    page.get_by_label("Title").focus()
    page.keyboard.type("Ferry runs again")
    page.keyboard.press("Tab")
    page.keyboard.type("Every half hour.")
    page.keyboard.press("Tab")
    page.keyboard.type("in")
    suggested = page.get_by_role("option", name="Ines Valbrook")
    expect(suggested).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("option", name="Add “in” as a new contributor")).to_have_attribute(
        "aria-selected", "true"
    )
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("Nobody Yet,Jory Pell,")
    page.keyboard.press("Backspace")
    names = page.locator(".token")
    expect(names).to_have_text(["Ines Valbrook×", "Nobody Yet×"])
    page.locator("#body").focus()
    page.keyboard.press("Control+b")
    page.keyboard.type("Free")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.type(" of charge")
    expect(page.locator("#preview .prose strong")).to_have_text("Free")
    expect(
        page.frame_locator("#told iframe").get_by_role("heading", name="Ferry runs again")
    ).to_be_visible()
    expect(page.locator("#told details", has_text="ntfy, courier-tarrow")).to_contain_text(
        "Every half hour."
    )
    expect(page.locator("#count")).to_contain_text("1 channel")
    page.keyboard.press("Control+Enter")
    button = page.get_by_role("button", name="Publish now")
    expect(button).to_be_visible()
    while not button.evaluate("button => button === document.activeElement"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="View on site")).to_be_visible()
    expect(page.get_by_text("By Ines Valbrook, Nobody Yet", exact=True)).to_be_visible()


@pytest.mark.slow
def test_a_lost_line_costs_no_text_and_another_browser_goes_on_with_it(
    open_window: OpenWindow,
) -> None:
    editor, other = open_window(), open_window(viewport=PHONE)
    page: Page = editor.page
    editor.log_in()
    page.goto("/desk/post")
    page.get_by_label("Title").fill("Sandbags at the school")
    expect(page.locator("#keeping")).to_contain_text("Draft saved")
    editor.context.set_offline(True)
    page.locator("#body").fill("Bring spades.")
    expect(page.locator("#keeping")).to_contain_text("Saved in this browser only")
    other.log_in()
    other.page.goto("/desk/post")
    other.page.get_by_role("link", name="Sandbags at the school").click()
    expect(other.page.get_by_label("Title")).to_have_value("Sandbags at the school")
    expect(other.page.locator("#body")).to_have_value("")
    bar = other.page.locator(".actionbar").bounding_box()
    assert bar and bar["y"] + bar["height"] <= PHONE["height"] + 1, "under the thumb"
    page.close()  # before the server had it all
    editor.context.set_offline(False)
    page = editor.page = editor.context.new_page()
    page.goto("/desk/post")
    page.get_by_role("button", name="Continue: Sandbags at the school").click()
    expect(page.locator("#body")).to_have_value("Bring spades.")
    expect(page.locator("#keeping")).to_contain_text("Draft saved")
    other.page.locator("#body").fill("Bring shovels.")
    expect(other.page.locator("#keeping")).to_contain_text(
        "You saved a different version in another window"
    )
    page.get_by_text("No one", exact=True).click()
    editor.button("Publish")
    editor.button("Publish now")
    expect(page.get_by_role("link", name="View on site")).to_be_visible()
    page.goto("/desk/post")
    expect(page.get_by_role("heading", name="New entry")).to_be_visible()
    expect(page.get_by_text("Sandbags at the school")).to_have_count(0)
    editor.complaints = [
        complaint
        for complaint in editor.complaints
        if not re.search("htmx:|DISCONNECTED", complaint)
    ]


@pytest.mark.slow
def test_a_change_of_somebody_else_is_shown_beside_ones_own_on_a_phone(
    open_window: OpenWindow, site: Site
) -> None:
    uid = site.do(
        "entry", "add", "tarrow-rises", "--title", "Forty pumps run", "--no-alert"
    ).split()[-1]
    editor = open_window(viewport=PHONE)
    page: Page = editor.page
    editor.log_in()
    page.goto(f"/desk/entries/{uid}/edit")
    page.get_by_label("Title").fill("Fourteen pumps run")
    expect(page.locator("#keeping")).to_contain_text("Draft saved")
    site.do("entry", "edit", uid, "--title", "Fifty pumps run")
    page.goto(f"/desk/entries/{uid}/edit")
    page.get_by_role("link", name="Fourteen pumps run").click()
    expect(page.locator(".diff del").first).to_have_text("Fifty")
    expect(page.locator(".diff ins").first).to_have_text("Fourteen")
    page.get_by_text("Correction", exact=True).click()
    expect(page.locator("#told")).to_contain_text("Subject")
    page.get_by_label("Public note").fill("It is fourteen.")
    editor.button("Publish correction")
    expect(page.get_by_role("timer")).to_be_visible()
    editor.button("Publish now")
    expect(page.get_by_text("“It is fourteen.”")).to_be_visible()
    page.goto(f"/desk/entries/{uid}/edit")
    expect(page.locator("#unfinished")).to_be_hidden()

//! The page without a pointer.

use serde_json::json;

use crate::browser::Browser;
use crate::story::of_acme;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

#[test]
fn everything_can_be_reached_and_done_by_keys() {
    let (_living, server) = of_acme();
    let browser = Browser::at(&server);
    browser.see(".feed", "s-40");
    let focused = || {
        browser
            .js("return document.activeElement.innerText || document.activeElement.name || document.activeElement.id")
    };
    browser.keys(TAB);
    assert_eq!(focused(), "Skip to the content");
    assert_eq!(browser.js("return document.activeElement.getBoundingClientRect().top >= 0"), json!(true), "it is seen");
    browser.keys(ENTER);
    assert_eq!(browser.js("return document.activeElement.tagName"), "MAIN");
    assert_eq!(browser.hash(), "");
    browser.reload();
    browser.see(".feed", "s-40");
    let reached: Vec<_> = (0..6)
        .map(|_| {
            browser.keys(TAB);
            focused()
        })
        .collect();
    assert_eq!(reached, ["Skip to the content", "rekindle", "Overview", "Sessions", "Users", "Search"]);
    let outline =
        "const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth) >= 2]";
    assert_eq!(browser.js(outline), json!(["solid", true]), "the focus is seen");
    browser.keys(ENTER);
    browser.see("h1", "Search");
    assert_eq!(browser.js("return document.activeElement.tagName"), "H1", "reading goes on at the new view");
    assert_eq!(browser.js("return document.title"), "Search – rekindle");
    browser.keys(&format!("{TAB}acme{TAB}s-40{ENTER}"));
    browser.see("main", "20 sessions");
    assert_eq!(browser.hash(), "#/search?tenant=acme&session=s-40");
    // Every link and field of the view takes the focus, in the order in which it stands.
    let all = "return [...document.querySelectorAll('main :is(a, button, input, select, summary)')].filter((e) => e.offsetParent && e.tabIndex !== 0).length";
    for hash in ["#/", "#/sessions", "#/users", "#/search", "#/tenants/acme/users/u-1", "#/tenants/acme/sessions/s-40"]
    {
        browser.go(hash);
        browser.holds("!document.getElementById('view').hasAttribute('aria-busy')");
        assert_eq!(browser.js(all), 0, "{hash}");
        assert_eq!(browser.count("[tabindex]:not([tabindex='0']):not([tabindex='-1'])"), 0, "{hash}");
    }
    // What has the focus keeps it while the view is brought up to date.
    browser.go("#/");
    browser.see(".statuses", "interrupted");
    browser.js(
        "document.querySelector(\".statuses a[href$='interrupted']\").focus(); window.held = document.activeElement",
    );
    browser.holds("window.held !== document.activeElement && !window.held.isConnected");
    assert!(browser.js("return document.activeElement.getAttribute('href')") == "#/sessions?status=interrupted");
    browser.is_content();
}

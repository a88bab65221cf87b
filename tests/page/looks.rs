//! Each view in light and dark, narrow and wide: axe finds nothing, and nothing hangs over the edge.

use serde_json::json;

use crate::axe;
use crate::browser::Browser;
use crate::story::{of_acme, open_of, restored};

#[test]
fn each_view_can_be_read_by_everybody() {
    let (living, server) = of_acme();
    let ended = open_of(&server, "acme", "s-40");
    living.feed(&[restored("acme", "s-40", &ended, 5060), crate::story::broken_off("acme", "s-40", 5070)]);
    let open = open_of(&server, "acme", "s-40");
    let browser = Browser::at(&server);
    let views = [
        ("overview", "#/".to_owned(), ".feed tbody tr"),
        ("sessions", "#/sessions".to_owned(), "tbody tr"),
        ("tenant", "#/tenants/acme?status=interrupted".to_owned(), "tbody tr"),
        ("session", "#/tenants/acme/sessions/s-40".to_owned(), ".entry.over"),
        ("suggestion", format!("#/tenants/acme/suggestions/{open}"), "tr.sum"),
        ("ended", format!("#/tenants/acme/suggestions/{ended}"), "h3"),
        ("users", "#/users".to_owned(), "tbody tr"),
        ("history", "#/tenants/acme/users/u-1".to_owned(), "tbody tr"),
        ("search", "#/search?tenant=acme&session=s-40".to_owned(), "tbody tr"),
        ("fault", "#/tenants/acme/sessions/s-99".to_owned(), ".fault"),
    ];
    for (name, hash, shown) in &views {
        browser.go(hash);
        browser.holds(&format!("document.querySelector({})", json!(shown)));
        assert_eq!(browser.count("h1"), 1, "{name}");
        for scheme in ["light", "dark"] {
            browser.prefer(scheme, true);
            browser.size(1400, 900);
            axe::finds_nothing(&browser, &format!("{name} in {scheme}"));
            browser.picture(&format!("{name}-{scheme}"));
        }
        browser.prefer("light", true);
        browser.size(400, 800);
        let over = "return [...document.querySelectorAll('body *')].filter((e) => !e.closest('.scroll, .hidden, .skip') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 120))";
        assert_eq!(browser.js(over), json!([]), "{name} hangs over the edge");
        assert_eq!(browser.js("return document.documentElement.scrollWidth <= innerWidth"), json!(true), "{name}");
        browser.picture(&format!("{name}-narrow"));
    }
    browser.go("#/");
    browser.see(".statuses", "interrupted");
    let moves = "return getComputedStyle(document.querySelector('.bar span')).transitionDuration";
    assert_eq!(browser.js(moves), "0s", "little should move");
    browser.prefer("light", false);
    assert_ne!(browser.js(moves), "0s");
    browser.is_content();
}

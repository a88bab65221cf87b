//! Ids and texts that would be markup or script if anything took them for it.

use serde_json::json;

use crate::browser::Browser;
use crate::living::{Living, event};
use crate::story::{broken_off, escaped, open_of, session};

const TENANT: &str = "<script>window.harmed=1<";
const SESSION: &str = "\"><img\tsrc=x";
const USER: &str = "javascript:window.harmed=2";

#[test]
fn whatever_an_id_looks_like_it_is_shown_as_it_is() {
    // Visible ASCII holds no space: what parses as a tag is as far as an id can go.
    let id = SESSION.replace('\t', "<svg");
    let metadata = json!({"note": "<img src=x onerror=\"window.harmed=3\">", "<b>key": "<iframe srcdoc=x>"});
    let mut events = session(TENANT, &id, USER, 0, 1);
    events.push(event(TENANT, &id, 5, json!({"type": "metadata_changed", "metadata": metadata})));
    events.push(broken_off(TENANT, &id, 9));
    let (_living, server) = Living::serve(&events);
    let suggestion = open_of(&server, TENANT, &id);
    let browser = Browser::at(&server);
    browser.see(".feed", &id);
    assert!(browser.text(".feed").contains(TENANT));
    let tenant = escaped(TENANT);
    for (hash, shown) in [
        (String::new(), id.as_str()),
        ("#/sessions".to_owned(), &id),
        (format!("#/tenants/{tenant}"), &id),
        (format!("#/tenants/{tenant}/sessions/{}", escaped(&id)), USER),
        (format!("#/tenants/{tenant}/users/{}", escaped(USER)), &id),
        (format!("#/tenants/{tenant}/suggestions/{suggestion}"), &id),
        (format!("#/search?tenant={tenant}&session={}", escaped(&id)), "Nothing is near it"),
        ("#/users".to_owned(), USER),
        (format!("#/tenants/{tenant}/sessions/{}", escaped("<img src=x onerror=window.harmed=4>")), "visible ASCII"),
        (format!("#/{}", escaped("<img src=x onerror=window.harmed=5>")), "names no view"),
    ] {
        browser.go(&hash);
        browser.see("main", shown);
        assert_eq!(browser.count("main :is(img, script, iframe, b > svg)"), 0, "{hash}");
        let links = browser.js(
            "return [...document.querySelectorAll('main a')].every((a) => a.getAttribute('href').startsWith('#/'))",
        );
        assert_eq!(links, json!(true), "{hash}");
        assert_eq!(browser.js("return window.harmed ?? null"), json!(null), "{hash}");
    }
    // The links lead where they say.
    browser.go("");
    browser.see(".feed", &id);
    browser.click(".controls button");
    browser.click(".feed .who a:last-child");
    browser.see("h1", &id);
    browser.click("details summary");
    assert!(browser.text(".more").contains("onerror=\"window.harmed=3\""), "{}", browser.text(".more"));
    assert_eq!(browser.js("return window.harmed ?? null"), json!(null));
}

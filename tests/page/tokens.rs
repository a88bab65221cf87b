//! The page where a token is needed.

use rekindle::http::auth::{Grant, KeyHash, Role, Tenants};
use rekindle::http::settings::{AuthSettings, HttpSettings};
use serde_json::json;

use crate::browser::Browser;
use crate::http_double::on_loopback;
use crate::living::Living;
use crate::story::{broken_off, session};

fn key(key: &str, tenants: &[&str]) -> (KeyHash, Grant) {
    let tenants = Tenants::of(tenants.iter().copied()).expect("tenants");
    (KeyHash::of_key(key), Grant { who: format!("key:{key}"), tenants, role: Some(Role::Read), by_token: true })
}

#[test]
fn a_token_is_asked_for_kept_in_the_tab_and_sent_as_a_header() {
    let mut events = session("acme", "s-1", "u-1", 0, 1);
    events.push(broken_off("acme", "s-1", 5));
    events.extend(session("other", "s-2", "u-2", 100, 2));
    events.push(broken_off("other", "s-2", 105));
    let keys = vec![key("key-of-acme", &["acme"]), key("key-of-all", &["*"])];
    let settings = HttpSettings { auth: AuthSettings { keys, jwt: None }, ..on_loopback() };
    let (_living, server) = Living::serve_as(&settings, &events);
    let browser = Browser::at(&server);
    browser.see("#sign-in", "A token is needed");
    browser.see("#ready", "not signed in");
    let sign_in = |token: &str| {
        browser.fill("#token", token);
        browser.click("#sign-in button");
    };
    sign_in("wrong");
    browser.see("#sign-in", "not valid");
    sign_in("key-of-acme");
    browser.see("#ready", "ready");
    browser.see(".feed", "s-1");
    assert_eq!(browser.text("#sign-in"), "");
    browser.see(".sessions", "Counts are for those who may see all tenants");
    assert!(!browser.text("main").contains("s-2"), "another tenant's suggestion is shown");
    // In the tab, and nowhere else.
    let kept = "return [Object.values(sessionStorage), localStorage.length, document.cookie, location.href.includes('key-of')]";
    assert_eq!(browser.js(kept), json!([["key-of-acme"], 0, "", false]));
    browser.go("#/tenants/other/sessions/s-2");
    browser.see(".fault", "Nothing is known of it");
    browser.see(".fault", "belongs to a tenant that this token is not for");
    browser.click("#sign-out");
    browser.see("#sign-in", "A token is needed");
    browser.see(".fault", "A token is needed");
    assert_eq!(browser.js("return sessionStorage.length"), json!(0));
    sign_in("key-of-all");
    browser.see("h1", "s-2");
    browser.see(".title", "interrupted");
    browser.reload();
    browser.see(".title", "interrupted");
    browser.go("#/");
    browser.see(".statuses", "interrupted");
    browser.is_content();
}

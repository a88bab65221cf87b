//! What each view shows, against what the API tells.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::browser::Browser;
use crate::story::{broken_off, of_acme, open_of, restored, session};

/// Ends the demo even where an assertion fails.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_is_followed_from_the_overview_to_a_session_and_why_something_was_suggested() {
    let child = Command::new(env!("CARGO_BIN_EXE_rekindle"))
        .args(["demo", "--listen", "127.0.0.1:0", "--log", "error", "--rate", "60"])
        .env_clear()
        .stdout(Stdio::piped())
        .spawn();
    let mut demo = Demo(child.expect("the demo starts"));
    let mut lines = BufReader::new(demo.0.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
    let address = lines.find_map(|line| Some(line.split_once("http://")?.1.trim_end_matches('/').to_owned()));
    std::thread::spawn(move || lines.for_each(drop));
    let browser = Browser::at_address(&address.expect("an address"));
    browser.see("#ready", "ready");
    browser.see("#demo", "Demo on an embedded broker");
    browser.holds("document.querySelectorAll('.feed tbody tr').length >= 5");
    browser.holds("Number(document.querySelector('.statuses b').textContent) > 0");
    assert_eq!(browser.count(".statuses li"), 5);
    browser.holds("document.querySelectorAll('.partitions tbody tr').length === 4");
    // Rows come and go while the service works: nothing moves while it is paused.
    browser.click(".controls button");
    let plan = browser.text(".feed tbody th a");
    browser.see(".controls", "waiting");
    assert_eq!(browser.text(".feed tbody th a"), plan);
    browser.click(".feed tbody th a");
    browser.see("h1", &plan);
    assert!(browser.hash().contains("/suggestions/"), "{}", browser.hash());
    browser.see("main", "is how likely it is");
    browser.holds("document.querySelectorAll('table tr.sum').length === 1");
    browser.click(".title a[href*='/sessions/']");
    browser.see("main", "Time line");
    browser.holds("document.querySelectorAll('.entry.event').length >= 1");
    browser.holds("document.querySelectorAll('.entry.suggested').length >= 1");
    browser.back();
    browser.see("h1", &plan);
    browser.is_content();
}

#[test]
fn a_session_tells_its_state_and_its_course_and_what_comes_is_added() {
    let (living, server) = of_acme();
    let id = open_of(&server, "acme", "s-40");
    let browser = Browser::at(&server);
    browser.see(".statuses", "interrupted");
    let shown: Vec<String> = ["active", "paused", "interrupted", "ended", "expired"]
        .map(|status| browser.text(&format!(".statuses a[href$='status={status}'] b")))
        .to_vec();
    assert_eq!(shown, ["3", "0", "1", "28", "0"]);
    browser.go("#/tenants/acme/sessions/s-40");
    browser.see("h1", "s-40");
    browser.see(".title", "interrupted");
    let line = browser.text("ol.line");
    for told in
        ["interrupted (client_disconnect)", "turn 2", "KV placed on gpu-1, warm", "suggested after session interrupted"]
    {
        assert!(line.contains(told), "{told} is missing from\n{line}");
    }
    let order = |first: &str, then: &str| line.find(first).unwrap_or(0) < line.find(then).unwrap_or(0);
    assert!(order("suggested after session interrupted", "turn 2") && order("turn 2", "started"), "{line}");
    assert!(browser.text("main").contains("6,000"), "tokens of the copy");
    living.feed(&[restored("acme", "s-40", &id, 5060)]);
    browser.see("ol.line", "6,000 tokens restored, 0 computed, first token after 55 ms");
    browser.see(".title", "active");
    browser.reload();
    browser.see("ol.line", "all of it was restored");
    browser.is_content();
}

#[test]
fn a_suggestion_is_taken_apart_as_the_api_does() {
    let (living, server) = of_acme();
    let id = open_of(&server, "acme", "s-40");
    let told = crate::http_double::get(&server, &format!("/v1/tenants/acme/suggestions/{id}")).json();
    let browser = Browser::at(&server);
    browser.go(&format!("#/tenants/acme/suggestions/{id}"));
    let verdict = browser.see(".verdict", "is how likely");
    let total = told["explanation"]["score"]["total"].as_f64().expect("a number");
    assert!(verdict.starts_with(&format!("{total:.3}")), "{verdict} is not {total}");
    let terms = told["explanation"]["score"]["terms"].as_array().expect("terms");
    for term in terms.iter().filter(|term| term["share"] != 0.0) {
        let name = term["name"].as_str().expect("a name").replace('_', " ");
        let cells = format!(
            "[...document.querySelectorAll('tbody tr')].find((tr) => tr.cells[0].innerText === {})",
            json!(name)
        );
        let share = browser.js(&format!("return {cells}.cells[3].innerText"));
        assert_eq!(share, format!("{:.2}", term["share"].as_f64().expect("a number")), "{name}");
    }
    let rejected = told["explanation"]["rejected"].as_array().expect("a list");
    assert!(!rejected.is_empty() || told["explanation"]["alternatives"][0].is_object(), "{told}");
    for one in rejected {
        browser.see("main", one["session_id"].as_str().expect("an id"));
    }
    browser.see(".title", "open");
    living.feed(&[restored("acme", "s-40", &id, 5060)]);
    browser.see(".title", "restored");
    browser.see("main", "What became of it");
    browser.is_content();
}

#[test]
fn a_users_history_is_filtered_and_paged_by_addresses() {
    let (_living, server) = of_acme();
    let browser = Browser::at(&server);
    browser.go("#/tenants/acme/users/u-1");
    browser.see("main", "25 sessions");
    assert!(browser.text("tbody th").starts_with("s-30"), "the latest comes first");
    browser.click(".pages a");
    browser.see("main", "5 sessions on this page");
    assert!(browser.hash().contains("cursor="), "{}", browser.hash());
    browser.reload();
    browser.see("main", "s-1");
    assert_eq!(browser.count("tbody tr"), 5);
    browser.click(".pages a");
    browser.see("main", "25 sessions");
    browser.click("input[value=active]");
    browser.click("main form button[type=submit]");
    browser.see("main", "3 sessions");
    assert!(browser.hash().ends_with("?status=active"), "{}", browser.hash());
    let ids = browser.js("return [...document.querySelectorAll('tbody th')].map((one) => one.innerText)");
    assert_eq!(ids, json!(["s-3", "s-2", "s-1"]));
    browser.go("#/tenants/acme/users/nobody");
    browser.see(".empty", "Nothing is known of this user");
    browser.is_content();
}

#[test]
fn the_sessions_near_to_one_are_found_and_those_of_a_status_listed() {
    let (living, server) = of_acme();
    let browser = Browser::at(&server);
    browser.go("#/search");
    browser.fill("input[name=tenant]", "acme");
    browser.fill("input[name=session]", "s-40");
    browser.click("main form button[type=submit]");
    browser.see("main", "20 sessions");
    let body = json!({"session_id": "s-40", "k": 20}).to_string();
    let told = crate::http_double::post(&server, "/v1/tenants/acme/search", &body).json();
    let expected: Vec<_> = told["hits"].as_array().expect("hits").iter().map(|hit| hit["session_id"].clone()).collect();
    let ids = browser.js("return [...document.querySelectorAll('tbody th')].map((one) => one.innerText)");
    assert_eq!(ids, json!(expected));
    browser.go("#/search?tenant=acme&session=s-40&status=active");
    browser.see("main", "3 sessions");
    browser.go("#/sessions?status=interrupted");
    browser.see("tbody th", "s-40");
    assert_eq!(browser.count("tbody tr"), 1);
    let mut events = session("acme", "s-50", "u-3", 6000, 2);
    events.push(broken_off("acme", "s-50", 6010));
    living.feed(&events);
    browser.go("#/tenants/acme?status=interrupted");
    browser.see("tbody", "s-50");
    assert_eq!(browser.count("tbody tr"), 2);
    browser.is_content();
}

//! What is shown where there is no answer.

use rekindle::http::auth::{Grant, KeyHash};
use rekindle::http::port::{PartitionPhase, QueryError};
use rekindle::http::settings::{AuthSettings, HttpSettings, LimitSettings};
use rekindle::model::position::PartitionId;

use crate::browser::Browser;
use crate::http_double::{Double, on_loopback, serve_double};
use crate::living::Living;
use crate::story::{of_acme, session};

#[test]
fn a_partition_that_is_being_restored_is_told_with_how_far_it_is() {
    let mut double = Double { fault: Some(QueryError::Restoring(PartitionId(1), 0.42)), ..Double::default() };
    double.ready = Err("partition 1 is being restored (42 %)".into());
    double.partitions[0].phase = PartitionPhase::Restoring(0.42);
    let server = serve_double(double);
    let browser = Browser::at(&server);
    browser.see("#ready", "not ready: partition 1 is being restored (42 %)");
    browser.see(".partitions", "restoring 42 %");
    browser.go("#/tenants/acme/sessions/s-1");
    let fault = browser.see(".fault", "Not now");
    assert!(fault.contains("42 % of it is restored"), "{fault}");
    // It is asked again by itself, at the instant that the service names.
    browser.see(".fault", "asked again in 1 s");
    browser.see(".fault", "asked again in 2 s");
    browser.go("#/search?tenant=acme&session=s-1");
    browser.see(".fault", "Not now");
    browser.is_content();
}

#[test]
fn what_is_unknown_or_cannot_be_is_told_in_plain_words() {
    let (_living, server) = of_acme();
    let browser = Browser::at(&server);
    for (hash, said) in [
        ("#/tenants/acme/sessions/s-99", "Nothing is known of it"),
        ("#/tenants/acme/suggestions/0123456789abcdef0123456789abcdef", "Nothing is known of it"),
        ("#/tenants/acme/users/u-1?limit=9000", "That cannot be asked"),
        ("#/tenants/acme/users/u-1?limit=9000", "Limit: must be a whole number in 1..=500"),
        ("#/tenants/acme/users/u-1?cursor=abc", "is not what an earlier page of the same query gave"),
        ("#/tenants/acme/sessions/..", "cannot stand in an address"),
        ("#/search?tenant=acme&session=s-99", "Nothing is known of it"),
        ("#/tenants/%E0%A4%A", "names no view"),
        ("#/nowhere", "names no view"),
    ] {
        browser.go(hash);
        browser.see("main", said);
    }
    browser.is_content();
}

#[test]
fn who_asks_too_often_is_told_and_a_service_that_is_gone_is_missed() {
    let limits = LimitSettings { rate: 1, burst: 3, ..LimitSettings::default() };
    let auth = AuthSettings {
        keys: vec![(KeyHash::of_key("key"), Grant { by_token: true, ..Grant::everything("key:a") })],
        jwt: None,
    };
    let (_living, server) =
        Living::serve_as(&HttpSettings { auth, limits, ..on_loopback() }, &session("acme", "s-1", "u-1", 0, 1));
    let browser = Browser::at(&server);
    browser.fill("#token", "key");
    browser.click("#sign-in button");
    browser.see("#trouble", "Asked too often: this token asks too often (http.rate_per_s)");
    // It is no reason to ask for another token.
    assert_eq!(browser.text("#sign-in"), "");
    drop(server);
    browser.see("#trouble", "No answer from rekindle: it cannot be reached");
    browser.see("#ready", "no answer");
}

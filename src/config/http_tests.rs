//! Tests of the HTTP edge's settings: access control, TLS, limits, and what is never shown.

use std::path::PathBuf;
use std::time::Duration;

use super::tests::{faults, load};
use crate::http::auth::{KeyHash, Role, Tenants};
use crate::http::settings::{Forward, HttpSettings, JwksSource};

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn keys(more: &str) -> String {
    format!("[http.auth.keys.gateway]\nsha256 = \"{HASH}\"\n{more}")
}

#[test]
fn without_settings_there_is_no_access_control_on_a_loopback_address() {
    let http = load("", &[], &[]).unwrap().http;
    assert_eq!(http, HttpSettings::at(([127, 0, 0, 1], 8080).into()));
    assert!(!http.auth.required() && http.open_metrics);
}

#[test]
fn a_key_says_whose_data_it_opens_and_its_hash_is_not_shown() {
    let file = keys("tenants = \"acme, globex\"\nrole = \"operate\"\n")
        + &format!("[http.auth.keys.ops]\nsha256 = \"{}\"\ntenants = \"*\"", "0".repeat(64));
    let config = load(&file, &[], &[]).unwrap();
    let [(hash, gateway), (_, ops)] = &config.http.auth.keys[..] else { panic!("two keys") };
    assert!(*hash == KeyHash::of_key("abc") && gateway.who == "key:gateway");
    assert_eq!((&gateway.tenants, gateway.role), (&Tenants::of(["acme", "globex"]).unwrap(), Some(Role::Operate)));
    assert_eq!((&ops.tenants, ops.role), (&Tenants::All, Some(Role::Read)));
    let text = config.to_toml();
    assert!(text.contains("[http.auth.keys.gateway]") && text.contains("tenants = \"acme,globex\""), "{text}");
    assert!(!text.contains(HASH) && !format!("{config:?}").contains(HASH), "{text}");
}

#[test]
fn a_hash_may_come_from_a_file_and_an_environment() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hash");
    std::fs::write(&path, format!("{HASH}\n")).unwrap();
    let env = [
        ("REKINDLE_HTTP__AUTH__KEYS__GATEWAY__SHA256_FILE", path.to_str().unwrap()),
        ("REKINDLE_HTTP__AUTH__KEYS__GATEWAY__TENANTS", "*"),
    ];
    assert!(load("", &env, &[]).unwrap().http.auth.keys[0].0 == KeyHash::of_key("abc"));
}

#[test]
fn signed_tokens_need_keys_an_issuer_and_an_audience() {
    let jwt =
        |jwks: &str| format!("[http.auth.jwt]\njwks = \"{jwks}\"\nissuer = \"https://id\"\naudience = \"rekindle\"");
    for (jwks, expected) in [
        ("/etc/jwks.json", JwksSource::File(PathBuf::from("/etc/jwks.json"))),
        ("jwks.json", JwksSource::File(PathBuf::from("jwks.json"))),
        ("https://id.example/keys", JwksSource::Url("https://id.example/keys".to_owned())),
        ("http://localhost:1/keys", JwksSource::Url("http://localhost:1/keys".to_owned())),
        ("http://127.0.0.1/keys", JwksSource::Url("http://127.0.0.1/keys".to_owned())),
        ("http://[::1]:8/keys", JwksSource::Url("http://[::1]:8/keys".to_owned())),
    ] {
        let found = load(&jwt(jwks), &[], &[]).unwrap().http.auth.jwt.unwrap();
        assert_eq!(found.jwks, expected);
        assert_eq!((found.tenants_claim.as_str(), found.refresh), ("tenants", Duration::from_secs(300)));
    }
    for jwks in [
        "",
        "https://",
        "http://id.example/keys",
        "http://localhost.example/",
        "http://127.0.0.1@id.example/",
        "http://localhost:1@id.example/",
        "ftp://a/b",
    ] {
        assert!(faults(&jwt(jwks), &[], &[])[0].contains("http.auth.jwt.jwks: must be the name of a file"), "{jwks}");
    }
    let found = faults("[http.auth.jwt]\nissuer = \"https://id\"", &[], &[]).join("\n");
    assert!(found.contains("http.auth.jwt.jwks: is required") && found.contains("http.auth.jwt.audience: is required"));
    let shown = load(&jwt("https://me:hunter2@id.example/keys"), &[], &[]).unwrap().to_toml();
    assert!(shown.contains("https://<redacted>@id.example/keys") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn each_of_these_is_refused_by_name() {
    let key = |lines: &str| format!("[http.auth.keys.a]\n{lines}");
    let good = format!("sha256 = \"{HASH}\"\ntenants = \"*\"");
    for (file, part) in [
        (key("tenants = \"*\""), "http.auth.keys.a.sha256: is required"),
        (key("sha256 = \"rk_secret\"\ntenants = \"*\""), "http.auth.keys.a.sha256: must be the key's SHA-256, 64"),
        (keys(""), "http.auth.keys.gateway.tenants: is required"),
        (keys("tenants = \"\""), "tenants: must be tenant ids apart by commas, or *"),
        (keys("tenants = \"a,,b\""), "tenants: must be tenant ids apart by commas, or *"),
        (keys("tenants = \"a/b\""), "tenants: must be tenant ids apart by commas, or *"),
        (keys("tenants = \"*\"\nrole = \"root\""), "role: must be one of \"read\", \"operate\", \"admin\""),
        (keys("tenants = \"*\"\nroles = \"read\""), "did you mean http.auth.keys.gateway.role?"),
        (keys("tenants = \"*\"\n") + &key(&good), "http.auth.keys.gateway.sha256: is that of \"a\" already"),
        ("[http.auth.keys.\"a b\"]\n".to_owned() + &good, "1 to 100 bytes of visible ASCII"),
        ("[http.tls]\ncertificate = \"a.pem\"".to_owned(), "http.tls.key: is required with http.tls.certificate"),
        ("[http.tls]\nkey = \"a.pem\"".to_owned(), "http.tls.certificate: is required with http.tls.key"),
        ("[http.tls]\nclient_ca = \"a.pem\"".to_owned(), "http.tls.client_ca: needs http.tls.certificate"),
        ("[http.tls]\nkey = \"\"\"secret\nsecret\"\"\"".to_owned(), "http.tls.key: must be the name of a file"),
        ("[http]\nmetrics = \"closed\"".to_owned(), "http.metrics: must be one of \"open\", \"token\""),
        ("[http]\nconnections = 1".to_owned(), "http.connections: must be a whole number from 2 to 65536"),
        ("[http]\nconnections = 10".to_owned(), "http.requests: must be below http.connections, 10"),
        ("[http]\nhead_ms = 99".to_owned(), "http.head_ms: must be a whole number from 100 to 600000"),
        ("[http]\nrequest_ms = 0".to_owned(), "http.request_ms: must be a whole number from 100 to 600000"),
        ("[http]\nrate_per_s = -1".to_owned(), "http.rate_per_s: must be a whole number from 0 to 1000000"),
        ("[http]\nburst = 0".to_owned(), "http.burst: must be a whole number from 1 to 1000000"),
    ] {
        let found = faults(&file, &[], &[]).join("\n");
        assert!(found.contains(part), "{file}\n→ {found}");
        assert!(!found.contains("secret"), "{found}");
    }
}

#[test]
fn all_of_it_is_said_at_once() {
    let file = "[http]\nlisten = \"0.0.0.0:80\"\nburst = 0\n[http.tls]\nkey = \"k\"\n[http.auth.keys.a]\nrole = \"x\"";
    let found = faults(file, &[], &[]);
    for key in ["http.listen", "http.burst", "http.tls.certificate", "keys.a.role", "keys.a.sha256", "keys.a.tenants"] {
        assert!(found.iter().any(|fault| fault.contains(key)), "{key} in {found:#?}");
    }
}

#[test]
fn others_may_reach_what_is_guarded() {
    let remote = "[http]\nlisten = \"0.0.0.0:80\"\n";
    let certificates = "[http.tls]\ncertificate = \"c\"\nkey = \"k\"\n";
    let jwt = "[http.auth.jwt]\njwks = \"f\"\nissuer = \"i\"\naudience = \"a\"\n";
    for (more, allowed) in [
        (String::new(), false),
        (certificates.to_owned(), false),
        ("[http.auth.jwt]\nroles_claim = \"r\"".to_owned(), false),
        (format!("{certificates}client_ca = \"ca\""), true),
        (keys("tenants = \"acme\""), true),
        (jwt.to_owned(), true),
        ("allow_remote = true".to_owned(), true),
    ] {
        let file = format!("{remote}{more}");
        assert_eq!(load(&file, &[], &[]).is_ok(), allowed, "{file}");
    }
    assert!(faults(remote, &[], &[])[0].contains("set http.auth or http.tls.client_ca; --allow-remote-http"));
}

#[test]
fn where_others_reach_an_instance_is_a_url_that_it_can_vouch_for() {
    let found = load("[http]\nadvertised_url = \"https://host:8080/\"", &[], &[]).unwrap();
    assert_eq!(found.runtime.advertised_url.as_ref().unwrap().as_str(), "https://host:8080");
    assert_eq!(found.http.forward, Some(Forward::Redirect));
    let proxy = load("[http]\nadvertised_url = \"http://h\"\nforward = \"proxy\"", &[], &[]).unwrap();
    assert_eq!(proxy.http.forward, Some(Forward::Proxy));
    for off in ["", "[http]\nadvertised_url = \"\"", "[http]\nforward = \"proxy\""] {
        let found = load(off, &[], &[]).unwrap();
        assert_eq!((found.runtime.advertised_url, found.http.forward), (None, None), "{off}");
    }
    let certificates = "[http.tls]\ncertificate = \"c\"\nkey = \"k\"\nclient_ca = \"ca\"";
    for (file, part) in [
        (
            "[http]\nadvertised_url = \"host:8080\"".to_owned(),
            "http.advertised_url: must be a URL of scheme http or https",
        ),
        ("[http]\nadvertised_url = 8080".to_owned(), "http.advertised_url: must be a URL"),
        ("[http]\nforward = \"on\"".to_owned(), "http.forward: must be one of \"redirect\", \"proxy\""),
        (
            "[http]\nadvertised_url = \"http://h\"\n[kafka.properties]\nstatistics.interval.ms = 0".to_owned(),
            "http.advertised_url: needs statistics.interval.ms",
        ),
        (
            format!("[http]\nforward = \"proxy\"\n{certificates}"),
            "http.forward: must be redirect with http.tls.client_ca",
        ),
    ] {
        let found = faults(&file, &[], &[]).join("\n");
        assert!(found.contains(part), "{file}\n→ {found}");
    }
}

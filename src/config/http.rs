//! Settings of the HTTP edge: address, limits, TLS, and who may ask. Limits only; opens no file.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::edges::{millis, without_password};
use super::raw::{Kind, Setting, quoted};
use super::reader::{REDACTED, Reader, wrong};
use crate::http::auth::{Grant, KeyHash, Role, Tenants};
use crate::http::settings::{
    AuthSettings, BaseUrl, Forward, HttpSettings, JwksSource, JwtSettings, LimitSettings, NoBaseUrl, TlsSettings,
};
use crate::kafka::settings::KafkaSettings;

const KEYS: [&str; 3] = ["http", "auth", "keys"];
const CLIENT_CA: [&str; 3] = ["http", "tls", "client_ca"];
const ADVERTISED_URL: [&str; 2] = ["http", "advertised_url"];

/// Where to listen, and to whom to answer: a loopback address, unless there is access control, or none is wanted in
/// so many words. And where others reach it, if they are told.
pub fn http(r: &mut Reader<'_>, kafka: &KafkaSettings) -> (HttpSettings, Option<BaseUrl>) {
    let (tls, auth, limits) = (tls(r), auth(r), limits(r));
    let open_metrics = r.word(&["http", "metrics"], true, &[("open", true), ("token", false)]);
    let guarded = auth.required() || tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let allow_remote = r.flag(&["http", "allow_remote"], false);
    let default = SocketAddr::from(([127, 0, 0, 1], 8080));
    let read = |s: &Setting| {
        let address: SocketAddr =
            s.text.parse().map_err(|_| wrong("must be an address and a port, as 127.0.0.1:8080", s))?;
        if address.ip().is_loopback() || guarded || allow_remote {
            return Ok(address);
        }
        let limit = "must be a loopback address, since there is no access control: set http.auth or \
                     http.tls.client_ca; --allow-remote-http or http.allow_remote = true lifts this";
        Err(wrong(limit, s))
    };
    let listen = r.value(&["http", "listen"], default, read, |a| Some(quoted(&a.to_string())));
    let advertised_url = advertised_url(r, kafka);
    let forward = Some(forward(r, tls.as_ref())).filter(|_| advertised_url.is_some());
    (HttpSettings { listen, auth, tls, limits, open_metrics, forward }, advertised_url)
}

/// Where others reach this instance. Who is named the owner of a partition has to know when it may be no more.
fn advertised_url(r: &mut Reader<'_>, kafka: &KafkaSettings) -> Option<BaseUrl> {
    let read = |s: &Setting| match (s.kind, s.text.as_str()) {
        (Kind::Text | Kind::Untyped, "") => Ok(None),
        (Kind::Text | Kind::Untyped, text) => BaseUrl::new(text).map(Some).map_err(|fault| fault.to_string()),
        _ => Err(NoBaseUrl.to_string()),
    };
    let url = r.value(&ADVERTISED_URL, None, read, |url| url.as_ref().map(|url| quoted(url.as_str())));
    if url.is_some() && kafka.session().is_none() {
        let fault =
            "needs statistics.interval.ms in kafka.properties to be above 0 and at most half of session.timeout.ms";
        r.fault(&ADVERTISED_URL, fault);
    }
    url
}

/// What becomes of requests for what another instance holds.
fn forward(r: &mut Reader<'_>, tls: Option<&TlsSettings>) -> Forward {
    let words = [("redirect", Forward::Redirect), ("proxy", Forward::Proxy)];
    let forward = r.word(&["http", "forward"], Forward::Redirect, &words);
    if forward == Forward::Proxy && tls.is_some_and(|tls| tls.client_ca.is_some()) {
        let fault =
            "must be redirect with http.tls.client_ca: this instance has no client's certificate to send on with";
        r.fault(&["http", "forward"], fault);
    }
    forward
}

fn limits(r: &mut Reader<'_>) -> LimitSettings {
    let default = LimitSettings::default();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let ms = |d: std::time::Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    let connections = r.int(&["http", "connections"], count(default.connections), 2..=65_536);
    let requests = r.int(&["http", "requests"], count(default.requests), 1..=65_535);
    if requests >= connections {
        r.fault(&["http", "requests"], format!("must be below http.connections, {connections}"));
    }
    LimitSettings {
        connections: connections as usize,
        requests: requests as usize,
        head: millis(r.int(&["http", "head_ms"], ms(default.head), 100..=600_000)),
        request: millis(r.int(&["http", "request_ms"], ms(default.request), 100..=600_000)),
        rate: r.int(&["http", "rate_per_s"], default.rate.into(), 0..=1_000_000) as u32,
        burst: r.int(&["http", "burst"], default.burst.into(), 1..=1_000_000) as u32,
    }
}

fn tls(r: &mut Reader<'_>) -> Option<TlsSettings> {
    let certificate = path(r, &["http", "tls", "certificate"]);
    let key = path(r, &["http", "tls", "key"]);
    let client_ca = path(r, &CLIENT_CA);
    let refresh = millis(r.int(&["http", "tls", "refresh_ms"], 60_000, 1_000..=86_400_000));
    match (certificate, key) {
        (Some(certificate), Some(key)) => return Some(TlsSettings { certificate, key, client_ca, refresh }),
        (Some(_), None) => r.fault(&["http", "tls", "key"], "is required with http.tls.certificate"),
        (None, Some(_)) => r.fault(&["http", "tls", "certificate"], "is required with http.tls.key"),
        (None, None) if client_ca.is_some() => r.fault(&CLIENT_CA, "needs http.tls.certificate and http.tls.key"),
        (None, None) => {}
    }
    None
}

/// A file's name. What it holds, given in place of the name, is refused without repeating it.
fn path(r: &mut Reader<'_>, key: &[&str]) -> Option<PathBuf> {
    let text = r.value(key, String::new(), file_name, |t| if t.is_empty() { None } else { Some(quoted(t)) });
    Some(PathBuf::from(text)).filter(|path| !path.as_os_str().is_empty())
}

fn file_name(s: &Setting) -> Result<String, String> {
    let typed = matches!(s.kind, Kind::Text | Kind::Untyped);
    let fits = s.text.len() <= 4096 && !s.text.contains(['\n', '\0', '{']);
    if typed && fits { Ok(s.text.clone()) } else { Err("must be the name of a file".to_owned()) }
}

fn auth(r: &mut Reader<'_>) -> AuthSettings {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mut keys = Vec::new();
    for id in r.names(&KEYS) {
        let at = |name: &'static str| [KEYS[0], KEYS[1], KEYS[2], id.as_str(), name];
        let fits = (1..=100).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        if !fits {
            r.fault(&at("sha256"), "the key's id must be 1 to 100 bytes of visible ASCII");
        }
        let hash = key_hash(r, &at("sha256"));
        if let Some(hash) = hash
            && let Some(other) = taken.insert(hash.to_string(), id.clone())
        {
            r.fault(&at("sha256"), format!("is that of {} already", quoted(&other)));
        }
        let tenants = tenants(r, &at("tenants"));
        let words = Role::ALL.map(|role| (role.label(), role));
        let role = r.word(&at("role"), Role::Read, &words);
        if let (Some(hash), Some(tenants)) = (hash, tenants) {
            keys.push((hash, Grant { who: format!("key:{id}"), tenants, role: Some(role), by_token: true }));
        }
    }
    AuthSettings { keys, jwt: jwt(r) }
}

/// The hash, which is not repeated: by mistake it could be the key.
fn key_hash(r: &mut Reader<'_>, key: &[&str]) -> Option<KeyHash> {
    let limit = "must be the key's SHA-256, 64 hexadecimal digits; `rekindle key new` gives both";
    let typed = |s: &Setting| !matches!(s.kind, Kind::Other | Kind::EmptyTable);
    let read = |s: &Setting| KeyHash::of_hex(&s.text).filter(|_| typed(s)).map(Some).ok_or(limit.to_owned());
    let hash = r.value(key, None, read, |hash| hash.map(|_| REDACTED.to_owned()));
    if hash.is_none() && r.faultless(key) {
        r.fault(key, "is required: the key's SHA-256, 64 hexadecimal digits");
    }
    hash
}

fn tenants(r: &mut Reader<'_>, key: &[&str]) -> Option<Tenants> {
    let read = |s: &Setting| {
        let texts = || s.text.split(',').map(str::trim);
        let typed = matches!(s.kind, Kind::Text | Kind::Untyped);
        let read = Tenants::of(texts()).ok().filter(|_| typed && !s.text.trim().is_empty());
        let shown = texts().collect::<Vec<_>>().join(",");
        read.map(|tenants| Some((tenants, shown))).ok_or_else(|| wrong("must be tenant ids apart by commas, or *", s))
    };
    let tenants = r.value(key, None, read, |t| t.as_ref().map(|(_, shown)| quoted(shown)));
    if tenants.is_none() && r.faultless(key) {
        r.fault(key, "is required: tenant ids apart by commas, or *");
    }
    tenants.map(|(tenants, _)| tenants)
}

fn jwt(r: &mut Reader<'_>) -> Option<JwtSettings> {
    const JWT: [&str; 3] = ["http", "auth", "jwt"];
    let at = |name: &'static str| [JWT[0], JWT[1], JWT[2], name];
    let given = r.names(&JWT).iter().any(|name| ["jwks", "issuer", "audience"].contains(&name.as_str()));
    let line =
        |t: &str| if t.len() <= 1024 && !t.contains(char::is_control) { Ok(()) } else { Err("must be one line") };
    let jwks = r.value(&at("jwks"), None, |s| jwks(s).map(Some), |source| source.as_ref().and_then(show));
    let issuer = r.text(&at("issuer"), String::new(), line);
    let audience = r.text(&at("audience"), String::new(), line);
    let claim = |t: &str| if (1..=256).contains(&t.len()) { Ok(()) } else { Err("must be the name of a claim") };
    let tenants_claim = r.text(&at("tenants_claim"), "tenants".to_owned(), claim);
    let roles_claim = r.text(&at("roles_claim"), "roles".to_owned(), claim);
    let refresh = millis(r.int(&at("refresh_ms"), 300_000, 1_000..=86_400_000));
    for (name, absent) in [("jwks", jwks.is_none()), ("issuer", issuer.is_empty()), ("audience", audience.is_empty())] {
        if given && absent && r.faultless(&at(name)) {
            r.fault(&at(name), "is required where tokens are signed: jwks, issuer and audience belong together");
        }
    }
    let jwks = jwks.filter(|_| !issuer.is_empty() && !audience.is_empty())?;
    Some(JwtSettings { jwks, issuer, audience, tenants_claim, roles_claim, refresh })
}

fn jwks(s: &Setting) -> Result<JwksSource, String> {
    let limit = "must be the name of a file, an https:// URL, or an http:// URL of this machine";
    let https = s.text.starts_with("https://") && s.text.len() > "https://".len();
    let local = s.text.strip_prefix("http://").is_some_and(|rest| {
        // What the keys are is decided by whoever answers: over a network only one who can be told apart.
        let host = rest.split(['/', '?', '#', '\\']).next().filter(|host| !host.contains('@')).unwrap_or_default();
        let name = host.parse::<SocketAddr>().map(|a| a.ip().is_loopback());
        name.or_else(|_| host.parse::<IpAddr>().map(|ip| ip.is_loopback()))
            .unwrap_or_else(|_| host.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case("localhost")))
    });
    match file_name(s) {
        Ok(text) if (https || local) && !text.contains(char::is_whitespace) => Ok(JwksSource::Url(text)),
        Ok(text) if !text.is_empty() && !text.contains("://") => Ok(JwksSource::File(text.into())),
        _ => Err(limit.to_owned()),
    }
}

fn show(source: &JwksSource) -> Option<String> {
    match source {
        JwksSource::File(path) => Some(quoted(&path.display().to_string())),
        JwksSource::Url(url) => without_password(url),
    }
}

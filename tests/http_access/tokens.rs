//! Signed tokens: those that are good, and every way in which one is not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use rekindle::engine::EngineSettings;
use rekindle::http::settings::{AuthSettings, HttpSettings, JwksSource, JwtSettings};
use serde_json::{Value, json};

use crate::given::{ACME, ALL, get, serve, with_keys};
use crate::http_double::{Double, on_loopback, serve_as};

const SESSION: &str = "/v1/tenants/acme/sessions/s-9";

fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Three keys of three kinds.
struct Keys {
    rsa: PKey<Private>,
    ec: PKey<Private>,
    ed: PKey<Private>,
}

impl Keys {
    fn new() -> Keys {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Keys {
            rsa: PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
            ec: PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap(),
            ed: PKey::generate_ed25519().unwrap(),
        }
    }

    fn set(&self) -> Value {
        let (rsa, ec) = (self.rsa.rsa().unwrap(), self.ec.ec_key().unwrap());
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let context = &mut *BigNumContext::new().unwrap();
        ec.public_key().affine_coordinates(ec.group(), &mut x, &mut y, context).unwrap();
        let half = |n: &BigNum| text(n.to_vec_padded(32).unwrap());
        json!({"keys": [
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
            {"kty": "odd", "kid": 7},
            {"kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": text(rsa.n().to_vec()), "e": text(rsa.e().to_vec())},
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": half(&x), "y": half(&y)},
            {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": text(self.ed.raw_public_key().unwrap())},
        ]})
    }

    /// A token with this header and these claims, signed as the header says.
    fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", text(header.to_string()), text(claims.to_string()));
        let bytes = message.as_bytes();
        let with = |key: &PKey<Private>| {
            Signer::new(MessageDigest::sha256(), key).unwrap().sign_oneshot_to_vec(bytes).unwrap()
        };
        let signature = match header["alg"].as_str() {
            Some("RS256") => with(&self.rsa),
            Some("ES256") => {
                let signature = EcdsaSig::from_der(&with(&self.ec)).unwrap();
                [signature.r(), signature.s()].map(|half| half.to_vec_padded(32).unwrap()).concat()
            }
            Some("EdDSA") => Signer::new_without_digest(&self.ed).unwrap().sign_oneshot_to_vec(bytes).unwrap(),
            // The public key as a secret: who believes the header takes it for good.
            Some("HS256") => with(&PKey::hmac(&self.rsa.public_key_to_pem().unwrap()).unwrap()),
            _ => Vec::new(),
        };
        format!("{message}.{}", text(signature))
    }
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Claims that are good, changed by these; null takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": "https://id.example", "aud": "rekindle", "sub": "gateway", "exp": now() + 300,
        "tenants": ["acme"], "roles": ["read"]});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn settings(jwks: JwksSource) -> HttpSettings {
    let jwt = JwtSettings {
        jwks,
        issuer: "https://id.example".to_owned(),
        audience: "rekindle".to_owned(),
        tenants_claim: "tenants".to_owned(),
        roles_claim: "roles".to_owned(),
        refresh: Duration::from_millis(20),
    };
    HttpSettings { auth: AuthSettings { jwt: Some(jwt), ..with_keys().auth }, ..on_loopback() }
}

/// Settings with this set in a file.
fn in_file(folder: &Path, set: &str) -> HttpSettings {
    let path = folder.join("jwks.json");
    std::fs::write(&path, set).unwrap();
    settings(JwksSource::File(path))
}

#[test]
fn good_tokens_of_each_kind_open_what_they_say() {
    let (keys, folder) = (Keys::new(), tempfile::tempdir().unwrap());
    let server = serve(&in_file(folder.path(), &keys.set().to_string()), Double::default());
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid, "typ": "JWT"});
    for (header, changes, status) in [
        (header("RS256", "rsa"), json!({}), 200),
        (header("ES256", "ec"), json!({}), 200),
        (header("EdDSA", "ed"), json!({}), 200),
        (json!({"alg": "ES256"}), json!({}), 200),
        (header("ES256", "ec"), json!({"aud": ["other", "rekindle"]}), 200),
        (header("ES256", "ec"), json!({"tenants": "other, acme", "roles": "viewer operate"}), 200),
        (header("ES256", "ec"), json!({"tenants": ["*"], "roles": ["admin"]}), 200),
        (header("ES256", "ec"), json!({"nbf": now() + 5, "sub": null}), 200),
        (header("ES256", "ec"), json!({"exp": now() - 5}), 200),
        (header("ES256", "ec"), json!({"tenants": ["other"]}), 404),
        (header("ES256", "ec"), json!({"tenants": ["a/b", 7]}), 404),
        (header("ES256", "ec"), json!({"tenants": null}), 404),
        (header("ES256", "ec"), json!({"roles": ["viewer"]}), 403),
        (header("ES256", "ec"), json!({"roles": null}), 403),
        (header("ES256", "ec"), json!({"roles": {"read": true}}), 403),
    ] {
        let reply = get(&server, SESSION, &keys.token(&header, &claims(changes.clone())));
        assert_eq!(reply.status, status, "{header} {changes}: {}", reply.body);
    }
    assert_eq!(get(&server, SESSION, ACME).status, 200, "keys are taken beside them");
}

#[test]
fn a_token_that_is_not_good_says_why_and_opens_nothing() {
    let (keys, strangers, folder) = (Keys::new(), Keys::new(), tempfile::tempdir().unwrap());
    let server = serve(&in_file(folder.path(), &keys.set().to_string()), Double::default());
    let header = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
    let signed = |changes: Value| keys.token(&header("ES256", "ec"), &claims(changes));
    let parts = |token: &str| -> Vec<String> { token.split('.').map(str::to_owned).collect() };
    let good = parts(&signed(json!({})));
    let forged = text(claims(json!({"tenants": ["*"]})).to_string());
    let cases = [
        ("expired", signed(json!({"exp": now() - 60})), "has expired"),
        ("no end", signed(json!({"exp": null})), "iss, aud or exp"),
        ("an end that is no time", signed(json!({"exp": "tomorrow"})), "not"),
        ("not yet", signed(json!({"nbf": now() + 60})), "not good yet"),
        ("for others", signed(json!({"aud": "another"})), "iss, aud or exp"),
        ("for nobody", signed(json!({"aud": null})), "iss, aud or exp"),
        ("from others", signed(json!({"iss": "https://id.example.org"})), "iss, aud or exp"),
        ("from nobody", signed(json!({"iss": null})), "iss, aud or exp"),
        ("not signed", keys.token(&header("none", "ec"), &claims(json!({}))), "not valid"),
        ("not signed, no kid", keys.token(&json!({"alg": "none"}), &claims(json!({}))), "not valid"),
        ("signed with the public key", keys.token(&header("HS256", "rsa"), &claims(json!({}))), "not valid"),
        ("signed with a secret of the set", keys.token(&header("HS256", "secret"), &claims(json!({}))), "not known"),
        ("signed as another key is", keys.token(&header("RS256", "ec"), &claims(json!({}))), "not valid"),
        ("signed by a stranger", strangers.token(&header("ES256", "ec"), &claims(json!({}))), "not valid"),
        ("by a stranger, RSA", strangers.token(&header("RS256", "rsa"), &claims(json!({}))), "not valid"),
        ("by a stranger, Ed25519", strangers.token(&header("EdDSA", "ed"), &claims(json!({}))), "not valid"),
        ("by a stranger, no kid", strangers.token(&json!({"alg": "EdDSA"}), &claims(json!({}))), "not valid"),
        ("of a key that is not there", keys.token(&header("ES256", "ec-2"), &claims(json!({}))), "not known"),
        (
            "asks for more",
            keys.token(&json!({"alg": "ES256", "kid": "ec", "crit": ["x"]}), &claims(json!({}))),
            "not valid",
        ),
        ("other claims", format!("{}.{forged}.{}", good[0], good[2]), "not valid"),
        ("no signature", format!("{}.{}.", good[0], good[1]), "not valid"),
        ("half a signature", format!("{}.{}.{}", good[0], good[1], &good[2][..40]), "not valid"),
        ("no token", "..".to_owned(), "not valid"),
    ];
    for (what, token, detail) in cases {
        let reply = get(&server, SESSION, &token);
        assert_eq!(reply.status, 401, "{what}: {}", reply.body);
        reply.is_problem(401, detail);
        assert!(reply.header("www-authenticate").is_some_and(|c| c.contains("invalid_token")), "{what}");
        assert!(!reply.body.contains(&good[1]), "{what}: nothing of a token is repeated");
    }
    let again = get(&server, SESSION, &signed(json!({})));
    assert_eq!(again.status, 200);
}

#[test]
fn a_key_set_that_cannot_be_used_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let small = Rsa::generate(1024).unwrap();
    let small =
        json!({"keys": [{"kty": "RSA", "kid": "a", "n": text(small.n().to_vec()), "e": text(small.e().to_vec())}]});
    let off = json!({"keys": [{"kty": "EC", "crv": "P-256", "x": text([1; 32]), "y": text([2; 32])}]});
    for set in ["", "[]", "{\"keys\": 7}", "{\"keys\": []}", &small.to_string(), &off.to_string()] {
        let double = Arc::new(Double::default());
        let fault = serve_as(&in_file(folder.path(), set), double, EngineSettings::default()).err().expect(set);
        assert!(fault.to_string().starts_with("http.auth.jwt.jwks: the key set from "), "{fault}");
    }
    let absent = settings(JwksSource::File(folder.path().join("absent")));
    assert!(serve_as(&absent, Arc::new(Double::default()), EngineSettings::default()).is_err());
}

#[test]
fn keys_come_from_a_url_and_change_there() {
    let keys = [Keys::new(), Keys::new()];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    // Nobody answers at first, then with one set, then with the other.
    let answer: Arc<Mutex<Option<String>>> = Arc::default();
    let said = Arc::clone(&answer);
    let source = std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let sent = stream.read(&mut [0; 4096]).unwrap();
            if sent == 0 {
                return;
            }
            if let Some(set) = said.lock().unwrap().as_ref() {
                let length = set.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
                stream.write_all(format!("{head}{set}").as_bytes()).unwrap();
            }
        }
    });
    let server = serve(&settings(JwksSource::Url(url.clone())), Double::default());
    let token = |n: usize| keys[n].token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(json!({})));
    let unknown = get(&server, SESSION, &token(0));
    unknown.is_problem(503, "cannot be checked yet");
    assert!(unknown.header("retry-after").is_some());
    for (n, key) in keys.iter().enumerate() {
        *answer.lock().unwrap() = Some(key.set().to_string());
        let begun = Instant::now();
        while get(&server, SESSION, &token(n)).status != 200 {
            assert!(begun.elapsed() < Duration::from_secs(20), "set {n} is not taken");
        }
    }
    assert_eq!(get(&server, SESSION, &token(0)).status, 401, "the old key is gone");
    server.stop();
    drop(std::net::TcpStream::connect(url.trim_start_matches("http://").trim_end_matches("/keys")).unwrap());
    source.join().unwrap();
}

#[test]
fn a_key_set_is_asked_for_encrypted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/keys", listener.local_addr().unwrap().port());
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut first = [0];
        std::io::Read::read_exact(&mut stream, &mut first).unwrap();
        first[0]
    });
    let server = serve(&settings(JwksSource::Url(url)), Double::default());
    assert_eq!(heard.join().unwrap(), 22, "a handshake of TLS");
    assert_eq!(get(&server, "/v1/status", ALL).status, 200, "keys of the configuration are good meanwhile");
}

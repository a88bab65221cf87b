//! The keys of signed tokens: read from a file or a URL at the start, and anew now and then, since they change.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use ureq::tls::{TlsConfig, TlsProvider};

use super::signature;
use crate::http::settings::JwksSource;

/// Timeout of reading from a URL, everything included.
const FETCH: Duration = Duration::from_secs(5);
/// Largest key set read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Keys taken from a set.
const MAX_KEYS: usize = 100;
/// However often a token names a key that is not known, the set is not read anew sooner than this.
const PAUSE: Duration = Duration::from_secs(10);

/// A key, with the one algorithm that it is for.
#[derive(Debug)]
pub(super) struct TokenKey {
    pub id: Option<String>,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

type Current = Arc<RwLock<Option<Arc<Vec<TokenKey>>>>>;

/// The keys as they are now. Dropped, it ends the thread that reads them.
#[derive(Debug)]
pub(super) struct KeySet {
    current: Current,
    ask: SyncSender<()>,
}

impl KeySet {
    /// Reads the keys. Errors where a file cannot be used, or no thread can be had; a URL may answer later.
    pub fn open(source: &JwksSource, refresh: Duration) -> Result<KeySet, String> {
        let current = Current::default();
        match read(source) {
            Ok(keys) => replace(&current, keys),
            Err(fault) if matches!(source, JwksSource::File(_)) => return Err(fault),
            Err(fault) => tracing::warn!(%fault, "no keys of tokens yet: tokens are answered with 503"),
        }
        let (ask, asked) = sync_channel(1);
        let (source, shared) = (source.clone(), Arc::clone(&current));
        let keep = move || keep(&source, refresh, &shared, &asked);
        std::thread::Builder::new().name("jwks".to_owned()).spawn(keep).map_err(|e| e.to_string())?;
        Ok(KeySet { current, ask })
    }

    /// The keys; `None` until they could be read once.
    pub fn now(&self) -> Option<Arc<Vec<TokenKey>>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the keys read anew soon, since one is missing.
    pub fn read_soon(&self) {
        // Full: that is under way.
        let _ = self.ask.try_send(());
    }
}

fn replace(current: &Current, keys: Vec<TokenKey>) {
    *current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(keys));
}

fn keep(source: &JwksSource, refresh: Duration, current: &Current, asked: &Receiver<()>) {
    let mut last = Instant::now();
    loop {
        // Until there are keys, ask soon again.
        let known = current.read().is_ok_and(|keys| keys.is_some());
        let wait = if known { refresh } else { refresh.min(PAUSE) };
        match asked.recv_timeout(wait) {
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) if last.elapsed() < PAUSE => continue,
            Ok(()) => {}
        }
        last = Instant::now();
        match read(source) {
            Ok(keys) => replace(current, keys),
            Err(fault) => tracing::warn!(%fault, "the keys of tokens cannot be read anew; the old ones stay"),
        }
    }
}

/// Reads and checks a set.
fn read(source: &JwksSource) -> Result<Vec<TokenKey>, String> {
    let (text, name) = match source {
        JwksSource::File(path) => {
            (std::fs::read_to_string(path).map_err(|e| e.to_string()), path.display().to_string())
        }
        // A URL can hold a password.
        JwksSource::Url(url) => (fetch(url), "its URL".to_owned()),
    };
    let keys = text.and_then(|text| parse(&text));
    keys.map_err(|fault| format!("http.auth.jwt.jwks: the key set from {name} cannot be used: {fault}"))
}

fn fetch(url: &str) -> Result<String, String> {
    // The client's own default is a TLS library that is not built in.
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).build();
    let config = ureq::Agent::config_builder().tls_config(tls).timeout_global(Some(FETCH)).max_redirects(0).build();
    let mut response = ureq::Agent::from(config).get(url).call().map_err(|e| match e {
        ureq::Error::BadUri(_) => "the URL cannot be read".to_owned(),
        other => other.to_string(),
    })?;
    if response.status().as_u16() != 200 {
        return Err(format!("it was answered with status {}", response.status().as_u16()));
    }
    response.body_mut().with_config().limit(MAX_BYTES).read_to_string().map_err(|e| e.to_string())
}

/// The keys of a set that tokens may be signed with. Others, of which there can be any in a set, are left out.
fn parse(text: &str) -> Result<Vec<TokenKey>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let Set { keys } = serde_json::from_str(text).map_err(|_| "it is no JSON object with keys")?;
    let keys: Vec<TokenKey> = keys.into_iter().take(MAX_KEYS).filter_map(token_key).collect();
    if keys.is_empty() {
        return Err("it holds no key for RS256 (2048 bits and more), ES256 or EdDSA (Ed25519)".to_owned());
    }
    Ok(keys)
}

fn token_key(value: Value) -> Option<TokenKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    // The kind of the key says which algorithm it is for; what a token says of itself is never asked.
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(p) if p.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    let common = jwk.common.clone();
    let fits = common.key_algorithm.is_none_or(|own| own == named)
        && common.public_key_use.is_none_or(|kind| kind == PublicKeyUse::Signature);
    let key = DecodingKey::from_jwk(&jwk).ok().filter(|_| fits)?;
    signature::public_key(algorithm, &key).ok()?;
    Some(TokenKey { id: common.key_id, algorithm, key })
}

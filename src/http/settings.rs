//! Checked settings of the HTTP edge.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::auth::{Grant, KeyHash};
pub use super::base_url::{BaseUrl, NoBaseUrl};

/// Where to listen, to whom to answer, and how much at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address and port. Not loopback only with access control, or by an explicit flag.
    pub listen: SocketAddr,
    /// Who may ask; without keys and tokens everybody who can connect.
    pub auth: AuthSettings,
    /// TLS, if it is spoken.
    pub tls: Option<TlsSettings>,
    /// How much at a time.
    pub limits: LimitSettings,
    /// Whether metrics are given without a token.
    pub open_metrics: bool,
    /// What becomes of requests for what another instance holds; `None`: they are refused.
    pub forward: Option<Forward>,
}

/// What becomes of a request for what another instance holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// Who asks is told where.
    Redirect,
    /// It is sent on, and the answer handed back.
    Proxy,
}

impl HttpSettings {
    /// An address with everything else at its default: no access control, no TLS.
    pub fn at(listen: SocketAddr) -> HttpSettings {
        let (auth, limits) = (AuthSettings::default(), LimitSettings::default());
        HttpSettings { listen, auth, tls: None, limits, open_metrics: true, forward: None }
    }
}

/// Who may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthSettings {
    /// API keys, by their hashes.
    pub keys: Vec<(KeyHash, Grant)>,
    /// Signed tokens, if they are taken.
    pub jwt: Option<JwtSettings>,
}

impl AuthSettings {
    /// Whether a request needs a token.
    pub fn required(&self) -> bool {
        self.jwt.is_some() || !self.keys.is_empty()
    }
}

/// Where the keys of signed tokens lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// A file.
    File(PathBuf),
    /// A URL: https, or http on this machine.
    Url(String),
}

/// What a signed token has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtSettings {
    /// The keys, as a JSON Web Key Set.
    pub jwks: JwksSource,
    /// `iss`, exactly.
    pub issuer: String,
    /// What `aud` is or holds.
    pub audience: String,
    /// The claim that lists the tenants.
    pub tenants_claim: String,
    /// The claim that lists the roles.
    pub roles_claim: String,
    /// How often the keys are read anew.
    pub refresh: Duration,
}

/// Files of TLS, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate, with the chain behind it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of which clients need a certificate.
    pub client_ca: Option<PathBuf>,
    /// How often is looked whether they changed.
    pub refresh: Duration,
}

/// How much at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSettings {
    /// Open connections at most.
    pub connections: usize,
    /// How long a connection may take for a handshake, a head, or between requests.
    pub head: Duration,
    /// Requests under way at most; probes and metrics are not counted.
    pub requests: usize,
    /// How long a request may take, its body included.
    pub request: Duration,
    /// Requests a second of a token; 0: any number.
    pub rate: u32,
    /// Requests of a token at once.
    pub burst: u32,
}

impl Default for LimitSettings {
    fn default() -> LimitSettings {
        LimitSettings {
            connections: 512,
            head: Duration::from_secs(15),
            requests: 64,
            request: Duration::from_secs(10),
            rate: 1_000,
            burst: 2_000,
        }
    }
}

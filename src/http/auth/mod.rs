//! Who asks, and what they may: bearer tokens become grants. Knows no route and nobody's data.

mod grant;
mod jwks;
mod jwt;
mod keys;
mod signature;

use std::sync::Arc;

use axum::http::{HeaderMap, header};

pub use grant::{Grant, Role, Tenants};
pub use keys::{KeyHash, new_key};

use super::settings::AuthSettings;
use crate::telemetry::Refusal;
use jwt::Tokens;

/// Why somebody is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    /// Nothing was sent.
    #[error("a token is needed: Authorization: Bearer TOKEN")]
    NoToken,
    /// What was sent cannot be read as a token, or is none that is known.
    #[error("the token is not valid")]
    Invalid,
    /// Its key is none of those that are known.
    #[error("the token is signed with a key that is not known")]
    UnknownKey,
    /// It was good.
    #[error("the token has expired")]
    Expired,
    /// It will be good.
    #[error("the token is not good yet")]
    Early,
    /// It is for others, or does not say for whom and from whom.
    #[error("the token's iss, aud or exp is missing or another than this service takes")]
    Foreign,
    /// It cannot be checked now.
    #[error("tokens cannot be checked yet: their keys could not be read")]
    NoKeys,
}

impl Denied {
    /// As it is counted.
    pub fn refusal(self) -> Refusal {
        match self {
            Denied::NoToken => Refusal::NoToken,
            Denied::Expired => Refusal::ExpiredToken,
            Denied::Invalid | Denied::UnknownKey | Denied::Early | Denied::Foreign => Refusal::BadToken,
            Denied::NoKeys => Refusal::NoKeys,
        }
    }
}

/// The name in the certificate of whoever is connected.
#[derive(Debug, Clone)]
pub(super) struct ClientName(pub Arc<str>);

/// Tells who asks.
#[derive(Debug)]
pub(super) struct Authority {
    keys: Vec<(KeyHash, Arc<Grant>)>,
    tokens: Option<Tokens>,
}

impl Authority {
    /// By these settings. Errors where the keys of signed tokens cannot be used.
    pub fn open(settings: &AuthSettings) -> Result<Authority, String> {
        let tokens = settings.jwt.as_ref().map(Tokens::open).transpose()?;
        let keys = settings.keys.iter().map(|(hash, grant)| (*hash, Arc::new(grant.clone())));
        Ok(Authority { keys: keys.collect(), tokens })
    }

    /// One that asks for no token.
    pub fn none() -> Authority {
        Authority { keys: Vec::new(), tokens: None }
    }

    /// What a request is granted.
    pub fn grant(&self, headers: &HeaderMap, client: Option<&ClientName>) -> Result<Arc<Grant>, Denied> {
        if self.keys.is_empty() && self.tokens.is_none() {
            let who = client.map_or("-".to_owned(), |ClientName(name)| format!("cert:{name}"));
            return Ok(Arc::new(Grant::everything(who)));
        }
        let token = bearer(headers)?;
        if let Some(grant) = keys::find(&self.keys, token) {
            return Ok(Arc::clone(grant));
        }
        match &self.tokens {
            Some(tokens) if Tokens::looks_like(token) => tokens.check(token).map(Arc::new),
            _ => Err(Denied::Invalid),
        }
    }
}

/// The one token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (sent.next().ok_or(Denied::NoToken)?, sent.next()) else { return Err(Denied::Invalid) };
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Denied::Invalid)?;
    let token = token.trim();
    let fits = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ');
    if fits { Ok(token) } else { Err(Denied::Invalid) }
}

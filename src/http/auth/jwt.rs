//! Signed tokens (JWT): signature, issuer, audience and times are checked, then their claims become a grant.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwks::{KeySet, TokenKey};
use super::{Denied, Grant, Role, Tenants, signature};
use crate::http::settings::JwtSettings;

/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 30;
/// Longest subject that is written to a log, in bytes.
const MAX_SUBJECT: usize = 256;

/// Checks tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    settings: JwtSettings,
    keys: KeySet,
}

#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Tokens {
    /// Reads the keys. Errors as [`KeySet::open`].
    pub fn open(settings: &JwtSettings) -> Result<Tokens, String> {
        signature::install();
        let keys = KeySet::open(&settings.jwks, settings.refresh)?;
        Ok(Tokens { settings: settings.clone(), keys })
    }

    /// Whether a text looks like such a token.
    pub fn looks_like(text: &str) -> bool {
        text.bytes().filter(|b| *b == b'.').count() == 2
    }

    /// What a token grants.
    pub fn check(&self, token: &str) -> Result<Grant, Denied> {
        let header = decode_header(token).map_err(|_| Denied::Invalid)?;
        // It asks for an extension to be understood (RFC 7515, 4.1.11); none is.
        if header.crit.is_some() {
            return Err(Denied::Invalid);
        }
        let keys = self.keys.now().ok_or(Denied::NoKeys)?;
        let named = |key: &&TokenKey| header.kid.is_none() || key.id == header.kid;
        let mut denied = Denied::Invalid;
        let mut seen = false;
        for key in keys.iter().filter(named) {
            seen = true;
            match decode::<Claims>(token, &key.key, &self.validation(key)) {
                Ok(data) => return Ok(self.grant(data.claims)),
                Err(fault) => match fault.kind() {
                    ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => {}
                    // The signature holds: this is the key, and no other one will do.
                    kind => return Err(reason(kind)),
                },
            }
        }
        if !seen {
            self.keys.read_soon();
            denied = Denied::UnknownKey;
        }
        Err(denied)
    }

    fn validation(&self, key: &TokenKey) -> Validation {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation
    }

    fn grant(&self, claims: Claims) -> Grant {
        let listed = |claim: &str| claims.rest.get(claim).map(words).unwrap_or_default();
        // A tenant that cannot be one is left out: it would match nothing.
        let tenants = listed(&self.settings.tenants_claim);
        let tenants = tenants.iter().filter(|text| Tenants::of([text.as_str()]).is_ok()).map(String::as_str);
        let tenants = Tenants::of(tenants).unwrap_or(Tenants::These(Default::default()));
        // Other words are other programs' roles.
        let role = listed(&self.settings.roles_claim).iter().filter_map(|word| Role::of(word)).max();
        let subject = claims.sub.unwrap_or_default();
        let who: String = subject.chars().filter(|c| !c.is_control()).take(MAX_SUBJECT).collect();
        Grant { who: format!("sub:{who}"), tenants, role, by_token: true }
    }
}

fn reason(kind: &ErrorKind) -> Denied {
    match kind {
        ErrorKind::ExpiredSignature => Denied::Expired,
        ErrorKind::ImmatureSignature => Denied::Early,
        ErrorKind::InvalidAudience | ErrorKind::InvalidIssuer | ErrorKind::MissingRequiredClaim(_) => Denied::Foreign,
        _ => Denied::Invalid,
    }
}

/// The words of a claim: a list of texts, or one text with spaces or commas between.
fn words(value: &Value) -> Vec<String> {
    let of_text = |text: &str| -> Vec<String> {
        text.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    match value {
        Value::String(text) => of_text(text),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

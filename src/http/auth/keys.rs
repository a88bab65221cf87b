//! API keys. Only their SHA-256 is kept: a key is 256 random bits, which nobody finds by trying, so that a hash
//! made slow on purpose, as passwords need one, would only cost time.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::error::ErrorStack;
use sha2::{Digest, Sha256};

use super::Grant;

/// What a key begins with, so that it is known for one where it turns up.
const PREFIX: &str = "rk_";

/// The SHA-256 of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// From 64 hexadecimal digits.
    pub fn of_hex(text: &str) -> Option<KeyHash> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).ok()?;
        Some(KeyHash(hash))
    }

    /// Of a key.
    pub fn of_key(key: &str) -> KeyHash {
        KeyHash(Sha256::digest(key.as_bytes()).into())
    }
}

impl std::fmt::Display for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyHash(…)")
    }
}

/// A new key: a prefix and 256 random bits.
pub fn new_key() -> Result<String, ErrorStack> {
    let mut bytes = [0; 32];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The grant of a key. Looks at every hash, each in constant time.
pub(super) fn find<'a>(keys: &'a [(KeyHash, Arc<Grant>)], key: &str) -> Option<&'a Arc<Grant>> {
    let sent = KeyHash::of_key(key);
    keys.iter()
        .fold(None, |found, (hash, grant)| if openssl::memcmp::eq(&hash.0, &sent.0) { Some(grant) } else { found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_hash_alone() {
        let (one, other) = (new_key().unwrap(), new_key().unwrap());
        assert!(one != other && one.starts_with(PREFIX) && one.len() == PREFIX.len() + 43, "{one}");
        let keys: Vec<_> =
            [&one, &other].map(|key| (KeyHash::of_key(key), Arc::new(Grant::everything(key.as_str())))).into();
        assert_eq!(find(&keys, &other).map(|grant| &grant.who), Some(&other));
        assert_eq!(find(&keys, &one).map(|grant| &grant.who), Some(&one));
        for wrong in ["", "rk_", &one[..one.len() - 1], &KeyHash::of_key(&one).to_string()] {
            assert_eq!(find(&keys, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_hash_is_64_digits() {
        let text = KeyHash::of_key("abc").to_string();
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(KeyHash::of_hex(&text) == Some(KeyHash::of_key("abc")));
        assert!(KeyHash::of_hex(&text.to_uppercase()) == KeyHash::of_hex(&text));
        for wrong in ["", "abc", &text[1..], &format!("{text}00"), &text.replace('b', "x")] {
            assert!(KeyHash::of_hex(wrong).is_none(), "{wrong}");
        }
    }
}

//! Signatures of tokens, verified by the OpenSSL that is linked already. Signs nothing.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{self, Verifier as Verify};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;

/// The least bits of an RSA key.
const RSA_BITS: u32 = 2048;
/// Bytes of each half of an ES256 signature.
const HALF: usize = 32;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| {
        Ok(Box::new(Verified { algorithm: *algorithm, key: public_key(*algorithm, key)? }))
    },
    // Of use for making keys and thumbprints only.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has tokens verified here.
pub(super) fn install() {
    // Set already: by an earlier edge, or by a program around us that has its own way to verify.
    let _ = PROVIDER.install_default();
}

/// A key that can be used for an algorithm.
pub(super) fn public_key(algorithm: Algorithm, key: &DecodingKey) -> Result<PKey<Public>> {
    let read = match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => rsa(n, e),
        (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => p256(point),
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(bytes)) => PKey::public_key_from_raw_bytes(bytes, Id::ED25519),
        _ => return Err(ErrorKind::InvalidKeyFormat.into()),
    };
    let key = read.map_err(|fault| ErrorKind::Provider(fault.to_string()))?;
    if algorithm == Algorithm::RS256 && key.bits() < RSA_BITS {
        return Err(ErrorKind::InvalidRsaKey(format!("fewer than {RSA_BITS} bits")).into());
    }
    Ok(key)
}

fn rsa(n: &[u8], e: &[u8]) -> std::result::Result<PKey<Public>, ErrorStack> {
    PKey::from_rsa(Rsa::from_public_components(BigNum::from_slice(n)?, BigNum::from_slice(e)?)?)
}

/// `point`: uncompressed.
fn p256(point: &[u8]) -> std::result::Result<PKey<Public>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let point = EcPoint::from_bytes(&group, point, &mut *BigNumContext::new()?)?;
    let key = EcKey::from_public_key(&group, &point)?;
    key.check_key()?;
    PKey::from_ec_key(key)
}

struct Verified {
    algorithm: Algorithm,
    key: PKey<Public>,
}

impl Verified {
    fn holds(&self, message: &[u8], signature: &[u8]) -> std::result::Result<bool, ErrorStack> {
        match self.algorithm {
            Algorithm::EdDSA => Verifier::new_without_digest(&self.key)?.verify_oneshot(signature, message),
            Algorithm::ES256 => {
                // Both halves in a row, where OpenSSL wants DER.
                let Some((r, s)) = signature.split_at_checked(HALF).filter(|(_, s)| s.len() == HALF) else {
                    return Ok(false);
                };
                let (r, s) = (BigNum::from_slice(r)?, BigNum::from_slice(s)?);
                let der = EcdsaSig::from_private_components(r, s)?.to_der()?;
                Verifier::new(MessageDigest::sha256(), &self.key)?.verify_oneshot(&der, message)
            }
            _ => Verifier::new(MessageDigest::sha256(), &self.key)?.verify_oneshot(signature, message),
        }
    }
}

impl Verify<Vec<u8>> for Verified {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        match self.holds(message, signature) {
            Ok(true) => Ok(()),
            // A signature that cannot even be read holds no more than a wrong one.
            Ok(false) | Err(_) => Err(signature::Error::new()),
        }
    }
}

impl JwtVerifier for Verified {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

//! TLS by the OpenSSL that is linked already: our certificate, and whose certificates are asked for.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::ssl::{
    AlpnError, SslAcceptor, SslContext, SslFiletype, SslMethod, SslRef, SslVerifyMode, select_next_proto,
};
use openssl::x509::X509Name;
use sha2::{Digest, Sha256};

use super::auth::ClientName;
use super::settings::TlsSettings;
use crate::telemetry::Metrics;

/// The one protocol that is spoken, as it is offered.
const HTTP_1: &[u8] = b"\x08http/1.1";

/// The certificate as it is now. What is changed holds for connections that come; those that are there keep theirs.
pub(super) struct Certificate {
    settings: TlsSettings,
    current: RwLock<SslContext>,
}

impl Certificate {
    /// Reads the files. Errors name the setting.
    pub fn open(settings: &TlsSettings) -> Result<Certificate, String> {
        Ok(Certificate { current: RwLock::new(context(settings)?), settings: settings.clone() })
    }

    /// What a new connection is served with.
    pub fn now(&self) -> SslContext {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the files for as long as this is polled, and takes over what changed. Files that cannot be used change
    /// nothing and are looked at again: one of them may come later than the other.
    pub async fn keep(self: Arc<Self>, metrics: Arc<Metrics>) {
        let mut look = tokio::time::interval(self.settings.refresh);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // What is there when this begins may be newer than what was read; then it is read once more.
        let mut held = None;
        loop {
            look.tick().await;
            let (own, before) = (Arc::clone(&self), held);
            let looked = tokio::task::spawn_blocking(move || own.look(before.as_ref())).await;
            match looked {
                Ok(Some(Ok(files))) => {
                    if held.replace(files).is_some() {
                        tracing::info!("the files of http.tls changed: new connections get the new certificate");
                        metrics.http_tls_reloaded(true);
                    }
                }
                Ok(Some(Err(fault))) => {
                    tracing::error!(%fault, "the files of http.tls changed and cannot be used; the old ones stay");
                    metrics.http_tls_reloaded(false);
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    /// Reads the files if they are not what they were: what they hold now, or why they cannot be used.
    fn look(&self, before: Option<&Files>) -> Option<Result<Files, String>> {
        let files = self.files();
        if before == Some(&files) {
            return None;
        }
        let made = context(&self.settings).map(|context| {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = context;
            files
        });
        Some(made)
    }

    /// What the files hold, as digests: links that are moved, and times that are not, make no difference.
    fn files(&self) -> Files {
        let TlsSettings { certificate, key, client_ca, .. } = &self.settings;
        let digest = |path: &Path| std::fs::read(path).ok().map(|bytes| Sha256::digest(bytes).into());
        [digest(certificate), digest(key), client_ca.as_deref().and_then(digest)]
    }
}

/// Digests of certificate, key and authorities.
type Files = [Option<[u8; 32]>; 3];

/// Reads the files. Errors name the setting.
fn context(settings: &TlsSettings) -> Result<SslContext, String> {
    let TlsSettings { certificate, key, client_ca, .. } = settings;
    let fault = |key: &'static str, path: &std::path::Path| {
        let path = path.display().to_string();
        move |e: ErrorStack| format!("http.tls.{key}: {path} cannot be used: {}", first(&e))
    };
    // TLS 1.2 and 1.3, with what Mozilla's intermediate recommendation allows.
    let mut builder =
        SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).map_err(|e| format!("http.tls: {e}"))?;
    builder.set_certificate_chain_file(certificate).map_err(fault("certificate", certificate))?;
    builder.set_private_key_file(key, SslFiletype::PEM).map_err(fault("key", key))?;
    builder.check_private_key().map_err(fault("key", key))?;
    builder.set_alpn_select_callback(|_, offered| select_next_proto(HTTP_1, offered).ok_or(AlpnError::NOACK));
    if let Some(ca) = client_ca {
        builder.set_ca_file(ca).map_err(fault("client_ca", ca))?;
        let names = X509Name::load_client_ca_file(ca).map_err(fault("client_ca", ca))?;
        builder.set_client_ca_list(names);
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        // Without one no session of a client with a certificate can be taken up again.
        builder.set_session_id_context(b"rekindle").map_err(|e| format!("http.tls: {e}"))?;
    }
    Ok(builder.build().into_context())
}

/// The first cause: what follows it only says where it was noticed.
fn first(faults: &ErrorStack) -> String {
    let cause = faults.errors().first().and_then(|e| e.reason().map(str::to_owned));
    cause.unwrap_or_else(|| faults.to_string())
}

/// The name of the client's certificate, if it showed one.
pub(super) fn client_name(ssl: &SslRef) -> Option<ClientName> {
    let certificate = ssl.peer_certificate()?;
    let mut names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    let name = names.next().and_then(|entry| entry.data().to_string().ok()).unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    Some(ClientName(Arc::from(name)))
}

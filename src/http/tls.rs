//! TLS by the OpenSSL that is linked already: our certificate, and whose certificates are asked for.

use std::sync::Arc;

use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::ssl::{
    AlpnError, SslAcceptor, SslContext, SslFiletype, SslMethod, SslRef, SslVerifyMode, select_next_proto,
};
use openssl::x509::X509Name;

use super::auth::ClientName;
use super::settings::TlsSettings;

/// The one protocol that is spoken, as it is offered.
const HTTP_1: &[u8] = b"\x08http/1.1";

/// Reads the files. Errors name the setting.
pub(super) fn context(settings: &TlsSettings) -> Result<SslContext, String> {
    let TlsSettings { certificate, key, client_ca } = settings;
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

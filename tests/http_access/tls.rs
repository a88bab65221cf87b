//! TLS, and certificates of clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslMethod, SslStream};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};
use rekindle::engine::EngineSettings;
use rekindle::http::HttpServer;
use rekindle::http::port::QueryError;
use rekindle::http::settings::{BaseUrl, Forward, HttpSettings, TlsSettings};
use rekindle::model::position::PartitionId;

use crate::gathered::{beside, leading};
use crate::given::{ACME, bearer, get, serve, with_keys};
use crate::http_double::{Double, Reply, on_loopback, serve_as};

/// Often, so that a test need not wait.
const REFRESH: Duration = Duration::from_millis(20);

struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

impl Identity {
    /// Signed by `issuer`; by itself, and so an authority, without one.
    fn new(name: &str, issuer: Option<&Identity>) -> Identity {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut subject = X509Name::builder().unwrap();
        subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
        let subject = subject.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&subject).unwrap();
        builder.set_issuer_name(issuer.map_or(&subject, |i| i.certificate.subject_name())).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        if issuer.is_none() {
            builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        } else {
            let names = SubjectAlternativeName::new().dns("localhost").build(&builder.x509v3_context(None, None));
            builder.append_extension(names.unwrap()).unwrap();
        }
        builder.sign(issuer.map_or(&key, |i| &i.key), MessageDigest::sha256()).unwrap();
        Identity { certificate: builder.build(), key }
    }

    /// Both files.
    fn written(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&certificate, self.certificate.to_pem().unwrap()).unwrap();
        std::fs::write(&key, self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        (certificate, key)
    }
}

struct Scene {
    authority: Identity,
    folder: tempfile::TempDir,
    tls: TlsSettings,
}

fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let authority = Identity::new("authority", None);
    let (certificate, key) = Identity::new("server", Some(&authority)).written(folder.path(), "server");
    authority.written(folder.path(), "ca");
    Scene { authority, folder, tls: TlsSettings { certificate, key, client_ca: None, refresh: REFRESH } }
}

/// Connects as `client`, trusting the authority. TLS 1.3 lets a client without a certificate get as far as this.
fn connect(server: &HttpServer, authority: &Identity, client: Option<&Identity>) -> SslStream<TcpStream> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
    builder.cert_store_mut().add_cert(authority.certificate.clone()).unwrap();
    if let Some(Identity { certificate, key }) = client {
        builder.set_certificate(certificate).unwrap();
        builder.set_private_key(key).unwrap();
    }
    let stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    builder.build().connect("localhost", stream).unwrap()
}

/// What is answered, if anything is.
fn asked(stream: SslStream<TcpStream>, lines: &str) -> Option<Reply> {
    asked_for(stream, "/v1/status", lines)
}

fn asked_for(mut stream: SslStream<TcpStream>, path: &str, lines: &str) -> Option<Reply> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{lines}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // The end of a connection is read as an error where it is not announced.
    let _ = stream.read_to_end(&mut answer);
    if answer.is_empty() { None } else { Some(Reply::read(&answer[..])) }
}

#[test]
fn requests_and_tokens_come_encrypted() {
    let Scene { authority, folder: _folder, tls } = scene();
    let server = serve(&HttpSettings { tls: Some(tls), ..with_keys() }, Double::default());
    assert!(server.url().starts_with("https://127.0.0.1:"), "{}", server.url());
    let stream = || connect(&server, &authority, None);
    assert_eq!(asked(stream(), &bearer(ACME)).expect("an answer").status, 200);
    assert_eq!(asked(stream(), "").expect("an answer").status, 401);
    let mut plain = TcpStream::connect(server.address()).unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "an answer without TLS: {answer:?}");
}

#[test]
fn where_clients_need_certificates_only_those_of_the_authority_get_in() {
    let Scene { authority, folder, mut tls } = scene();
    tls.client_ca = Some(folder.path().join("ca.pem"));
    let open = serve(&HttpSettings { tls: Some(tls.clone()), ..on_loopback() }, Double::default());
    let known = Identity::new("router-1", Some(&authority));
    let elsewhere = Identity::new("authority", None);
    let foreign = Identity::new("router-1", Some(&elsewhere));
    for (client, expected) in [(None, None), (Some(&foreign), None), (Some(&known), Some(200))] {
        let reply = asked(connect(&open, &authority, client), "");
        assert_eq!(reply.map(|reply| reply.status), expected);
    }
    // With tokens, a certificate alone does not do.
    let both = serve(&HttpSettings { tls: Some(tls.clone()), ..with_keys() }, Double::default());
    assert_eq!(asked(connect(&both, &authority, Some(&known)), "").expect("an answer").status, 401);
    assert_eq!(asked(connect(&both, &authority, Some(&known)), &bearer(ACME)).expect("an answer").status, 200);
    assert!(asked(connect(&both, &authority, None), &bearer(ACME)).is_none());
    // Other instances ask for one, too.
    let missing = beside(&[(2, Some("https://localhost:1"))], Some(QueryError::NotFound));
    let spread = leading(HttpSettings { tls: Some(tls), ..on_loopback() }, missing);
    let told = asked_for(connect(&spread, &authority, Some(&known)), "/v1/tenants/acme/sessions/s-9", "");
    told.expect("an answer").is_problem(503, "a client's certificate (http.tls.client_ca)");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let Scene { folder, tls, .. } = scene();
    let at = |name: &str| folder.path().join(name);
    let (_, foreign) = Identity::new("other", None).written(folder.path(), "other");
    std::fs::write(at("empty"), "").unwrap();
    for (tls, part) in [
        (TlsSettings { certificate: at("none.pem"), ..tls.clone() }, "http.tls.certificate"),
        (TlsSettings { certificate: at("empty"), ..tls.clone() }, "http.tls.certificate"),
        (TlsSettings { key: at("none.key"), ..tls.clone() }, "http.tls.key"),
        (TlsSettings { key: foreign, ..tls.clone() }, "http.tls.key"),
        (TlsSettings { client_ca: Some(at("none.pem")), ..tls.clone() }, "http.tls.client_ca"),
    ] {
        let settings = HttpSettings { tls: Some(tls), ..on_loopback() };
        let fault = serve_as(&settings, std::sync::Arc::new(Double::default()), EngineSettings::default());
        let fault = fault.err().expect("refused").to_string();
        assert!(fault.starts_with(part) && fault.contains("cannot be used: "), "{fault}");
    }
}

/// The name of the certificate that the server shows on a new connection.
fn shown(server: &HttpServer, authority: &Identity) -> String {
    let stream = connect(server, authority, None);
    let certificate = stream.ssl().peer_certificate().expect("a certificate");
    let mut names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
    names.next().expect("a name").data().to_string().expect("text")
}

/// Waits until the count of files that were read anew and taken over, or not, is at least this.
fn reloads(server: &HttpServer, authority: &Identity, result: &str, least: f64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let series = format!("rekindle_http_tls_reloads_total{{result=\"{result}\"}} ");
    loop {
        let text = asked_for(connect(server, authority, None), "/metrics", "").expect("an answer").body;
        let count = text.lines().find_map(|line| line.strip_prefix(&series)).expect("the series");
        if count.parse::<f64>().expect("a number") >= least {
            return;
        }
        assert!(Instant::now() < deadline, "{series}{count}");
        std::thread::sleep(REFRESH);
    }
}

#[test]
fn renewed_files_are_taken_up_without_a_restart_and_bad_ones_are_not() {
    let Scene { authority, folder, tls } = scene();
    let renewed = |name: &str| Identity::new(name, Some(&authority)).written(folder.path(), "server");
    let server = serve(&HttpSettings { tls: Some(tls.clone()), ..on_loopback() }, Double::default());
    let mut open = connect(&server, &authority, None);
    assert_eq!(shown(&server, &authority), "server");
    renewed("renewed");
    reloads(&server, &authority, "reloaded", 1.0);
    assert_eq!(shown(&server, &authority), "renewed");
    std::fs::write(&tls.key, "no key").unwrap();
    reloads(&server, &authority, "failed", 1.0);
    assert_eq!(shown(&server, &authority), "renewed", "the old one stays");
    std::fs::remove_file(&tls.certificate).unwrap();
    reloads(&server, &authority, "failed", 3.0);
    assert_eq!(shown(&server, &authority), "renewed");
    renewed("again");
    reloads(&server, &authority, "reloaded", 2.0);
    assert_eq!(shown(&server, &authority), "again");
    open.write_all(b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut begun = [0; 12];
    open.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200", "a connection stays open over all that");
}

/// In the environment of a process that this test starts of itself: whom to ask, and what is to come of it.
const OWNER: &str = "REKINDLE_TEST_OWNER";
const EXPECTED: &str = "REKINDLE_TEST_EXPECTED";

#[test]
fn requests_are_sent_on_to_instances_whose_certificates_the_system_trusts() {
    let variable = |name| std::env::var(name).ok();
    if let (Some(owner), Some(expected)) = (variable(OWNER), variable(EXPECTED)) {
        let fault = Some(QueryError::NotOwned(PartitionId(2)));
        let without = Double { fault, owner: BaseUrl::new(&owner).ok(), ..Double::default() };
        let server = serve(&HttpSettings { forward: Some(Forward::Proxy), ..on_loopback() }, without);
        let reply = get(&server, "/v1/tenants/acme/sessions/s-9", "");
        return assert_eq!(reply.status.to_string(), expected, "{}", reply.body);
    }
    let Scene { folder, tls, .. } = scene();
    let owner = serve(&HttpSettings { tls: Some(tls), ..on_loopback() }, Double::default());
    let url = format!("https://localhost:{}", owner.address().port());
    for (authorities, expected) in [("ca.pem", "200"), ("server.pem", "503")] {
        let itself = std::thread::current().name().expect("tests have names").to_owned();
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &itself, "--nocapture"])
            .envs([(OWNER, url.as_str()), (EXPECTED, expected)])
            .env("SSL_CERT_FILE", folder.path().join(authorities))
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    }
}

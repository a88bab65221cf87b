//! Where an instance is reached: scheme, host and port, and nothing else, so that what is put behind it can lead
//! nowhere else.

use std::fmt;

use axum::http::Uri;
use axum::http::uri::Scheme;

/// Longest, in bytes.
const MAX_BYTES: usize = 512;

/// A URL such as `https://host:8080`, without a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaseUrl(String);

/// What is no such URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a URL of scheme http or https, host and port alone, as https://host:8080, of at most {MAX_BYTES} bytes"
)]
pub struct NoBaseUrl;

impl BaseUrl {
    /// Reads one; a slash at its end is dropped.
    pub fn new(text: &str) -> Result<BaseUrl, NoBaseUrl> {
        let uri: Uri = text.parse().map_err(|_| NoBaseUrl)?;
        let scheme = uri.scheme().filter(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme)).ok_or(NoBaseUrl)?;
        let authority = uri.authority().ok_or(NoBaseUrl)?;
        let host = authority.host();
        let port = authority.as_str().strip_prefix(host).ok_or(NoBaseUrl)?;
        let port_fits = port.is_empty() || port[1..].parse::<u16>().is_ok_and(|port| port > 0);
        let bare = uri.path() == "/" && uri.query().is_none() && !text.contains('#');
        if text.len() > MAX_BYTES || host.is_empty() || !port_fits || !bare {
            return Err(NoBaseUrl);
        }
        Ok(BaseUrl(format!("{scheme}://{authority}")))
    }

    /// Its text, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_are_taken_and_nothing_else() {
        for (text, expected) in [
            ("https://host:8080", Some("https://host:8080")),
            ("http://10.0.0.1/", Some("http://10.0.0.1")),
            ("http://[::1]:80", Some("http://[::1]:80")),
            ("https://rekindle-0.rekindle.svc", Some("https://rekindle-0.rekindle.svc")),
            ("HTTPS://host", Some("https://host")),
            ("host:8080", None),
            ("/v1", None),
            ("ftp://host", None),
            ("http://", None),
            ("http://:80", None),
            ("http://user:password@host", None),
            ("http://host:0", None),
            ("http://host:65536", None),
            ("http://host:x", None),
            ("http://host:", None),
            ("http://host/path", None),
            ("http://host/?q", None),
            ("http://host#f", None),
            ("http://ho st", None),
            ("http://host\r\nx: y", None),
        ] {
            assert_eq!(BaseUrl::new(text).ok().as_ref().map(BaseUrl::as_str), expected, "{text:?}");
        }
        assert!(BaseUrl::new(&format!("http://{}", "h".repeat(506))).is_err());
    }
}

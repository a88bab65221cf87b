//! Checked settings of the HTTP edge.

use std::net::SocketAddr;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address and port. Not loopback only with an explicit flag: there is no access control yet.
    pub listen: SocketAddr,
}

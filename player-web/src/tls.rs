//! HTTPS where the owner has a certificate: reads it, and opens TLS on connections within a bounded time.
//!
//! A node asks nobody for certificates and makes none: on a mesh without Internet no phone would accept it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take: three round trips over a bad link, many times over.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most certificates of a chain; usual are two or three.
const MAX_CHAIN: usize = 16;

/// A certificate and its key, ready for connections. Prints redacted.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(redacted)")
    }
}

/// Reads which of these names and addresses a certificate is for (RFC 9525). Of a file that begins with no certificate it is none.
pub fn covered(certificate: &Path, hosts: Vec<String>) -> Vec<String> {
    let Ok(leaf) = CertificateDer::from_pem_file(certificate) else { return Vec::new() };
    let Ok(leaf) = ParsedCertificate::try_from(&leaf) else { return Vec::new() };
    let is_named =
        |host: &String| ServerName::try_from(host.as_str()).is_ok_and(|name| verify_server_name(&leaf, &name).is_ok());
    hosts.into_iter().filter(is_named).collect()
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of the certificates.
    #[error(
        "cannot read the certificate {0}: {1}; web.tls.certificate names a PEM file with the certificate and those that vouch for it"
    )]
    Certificate(PathBuf, String),
    /// The file of the key.
    #[error(
        "cannot read the private key {0}: {1}; web.tls.key names a PEM file with the key of the certificate, without a password"
    )]
    Key(PathBuf, String),
    /// Both, together.
    #[error("the certificate {certificate} and the key {key} cannot be used: {reason}")]
    Unusable {
        /// Where the certificate is.
        certificate: PathBuf,
        /// Where the key is.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Tls {
    /// Reads a certificate chain and its key from PEM files (RFC 7468).
    ///
    /// # Errors
    /// Which file is missing or no PEM, or that the two do not fit.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let wrong = |reason: String| TlsError::Certificate(certificate.to_owned(), reason);
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(|found| found.take(MAX_CHAIN).collect::<Result<Vec<_>, _>>())
            .map_err(|error| wrong(error.to_string()))?;
        if chain.is_empty() {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
        let secret =
            PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::Key(key.to_owned(), error.to_string()))?;
        let unusable = |error: tokio_rustls::rustls::Error| TlsError::Unusable {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            reason: error.to_string(),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, secret)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The handshake. `None` where it fails or takes too long.
    pub(crate) async fn open<T: AsyncRead + AsyncWrite + Unpin>(&self, io: T) -> Option<TlsStream<T>> {
        let opened = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.0.accept(io)).await;
        let reason = match opened {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                "failed"
            }
            Err(_) => "slow",
        };
        metrics::counter!("meshstream_web_failed_handshakes_total", "reason" => reason).increment(1);
        None
    }
}

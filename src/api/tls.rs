//! The certificate of the API, from its files.
//!
//! Invariant: the one TLS stack is rustls on aws-lc, with its defaults and HTTP/1.1 alone.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::api::config::Tls;

/// Why the certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the kind.
    #[error("could not read `{path}`")]
    Pem {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// The two do not belong together, or are of a kind that is not known.
    #[error("could not use the certificate `{path}` with its key")]
    Unfit {
        /// The certificate's file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
}

/// Reads certificate and key.
///
/// # Errors
/// When a file cannot be read, holds nothing of the kind, or the two do not fit.
pub(super) fn acceptor(config: &Tls) -> Result<TlsAcceptor, TlsError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| TlsError::Pem { path, source }
    };
    let chain = CertificateDer::pem_file_iter(&config.cert).map_err(failed(&config.cert))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(failed(&config.cert))?;
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(failed(&config.key))?;
    let unfit = |source| TlsError::Unfit { path: config.cert.clone(), source };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_needs_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (one, other) = (made(), made());
        let cert = write("a.pem", one.cert.pem());
        let key = write("a.key", one.signing_key.serialize_pem());
        let wrong = write("b.key", other.signing_key.serialize_pem());
        assert!(acceptor(&Tls { cert: cert.clone(), key: key.clone() }).is_ok());
        let unfit = acceptor(&Tls { cert: cert.clone(), key: wrong });
        assert!(matches!(unfit, Err(TlsError::Unfit { .. })));
        let swapped = acceptor(&Tls { cert: key, key: cert.clone() });
        assert!(swapped.is_err());
        let none = acceptor(&Tls { cert, key: folder.path().join("none") });
        assert!(matches!(none, Err(TlsError::Pem { .. })));
    }
}

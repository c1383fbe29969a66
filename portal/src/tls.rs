//! TLS of this process: the certificate that it presents, and the authorities that it trusts. For the
//! servers, the options of their addresses say the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use orchestrator::upstream::Trust;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The settings of TLS.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Tls {
    /// Listen with TLS: a PEM file with the certificate and the intermediate certificates
    #[arg(long, global = true, env = "PORTAL_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// A PEM file with the private key of --tls-cert
    #[arg(long, global = true, env = "PORTAL_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// A PEM file with the authorities to trust at https:// addresses of --command-url, --query-urls
    /// and --otlp-endpoint [default: the authorities that browsers trust]
    #[arg(long, global = true, env = "PORTAL_TLS_CA", value_name = "FILE")]
    tls_ca: Option<PathBuf>,
}

/// Accepts connections with TLS; `None` when no certificate is set.
pub(crate) fn acceptor(tls: &Tls) -> Result<Option<TlsAcceptor>> {
    let (Some(certificate), Some(key)) = (&tls.tls_cert, &tls.tls_key) else {
        return Ok(None);
    };
    let chain = chain(certificate)
        .with_context(|| format!("--tls-cert {} cannot be used", certificate.display()))?;
    let wrong = || format!("--tls-key {} cannot be used", key.display());
    let key = PrivateKeyDer::from_pem_file(key).with_context(wrong)?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.context("--tls-cert and --tls-key do not belong together")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>()?)
}

/// The certificates to trust at the addresses of other services.
pub(crate) fn trust(tls: &Tls) -> Result<Trust> {
    match &tls.tls_ca {
        Some(file) => Trust::in_authorities(file).map_err(|error| anyhow!("--tls-ca: {error}")),
        None => Ok(Trust::default()),
    }
}

/// The certificate to trust at the service that has the same settings as this process.
pub(crate) fn trust_in_ourselves(tls: &Tls) -> Result<Trust> {
    match &tls.tls_cert {
        Some(file) => Trust::in_certificate(file).map_err(|error| anyhow!("--tls-cert: {error}")),
        None => Ok(Trust::default()),
    }
}

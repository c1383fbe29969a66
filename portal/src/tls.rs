//! TLS of this process: the certificate that it shows, and whose it believes. The servers have
//! theirs in the options of their URLs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use orchestrator::upstream::Trust;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// What the settings say of it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Tls {
    /// Listen with TLS: the certificate in PEM, and those between it and its authority
    #[arg(long, global = true, env = "PORTAL_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of --tls-cert in PEM
    #[arg(long, global = true, env = "PORTAL_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Whose certificates are believed at https:// addresses of --command-url and --query-urls, in
    /// PEM [default: the authorities that browsers trust]
    #[arg(long, global = true, env = "PORTAL_TLS_CA", value_name = "FILE")]
    tls_ca: Option<PathBuf>,
}

/// What takes connections with TLS; `None` when the settings ask for none.
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

/// Who is believed to be a service of ours.
pub(crate) fn trust(tls: &Tls) -> Result<Trust> {
    match &tls.tls_ca {
        Some(file) => Trust::in_authorities(file).map_err(|error| anyhow!("--tls-ca: {error}")),
        None => Ok(Trust::default()),
    }
}

/// Who is believed to be the service that has the same settings as we have.
pub(crate) fn trust_in_ourselves(tls: &Tls) -> Result<Trust> {
    match &tls.tls_cert {
        Some(file) => Trust::in_certificate(file).map_err(|error| anyhow!("--tls-cert: {error}")),
        None => Ok(Trust::default()),
    }
}

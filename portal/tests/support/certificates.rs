//! Authorities and certificates that a test makes for itself.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// A folder with `ca.pem`, and `cert.pem` and `key.pem` that are good for this machine.
pub struct Certificates(TempDir);

impl Certificates {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, key).expect("an authority");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(names).expect("names");
        let certificate = certificate.signed_by(&key, &authority).expect("a certificate");
        let write = |name, text: String| fs::write(folder.path().join(name), text).expect("a file");
        write("ca.pem", authority.pem());
        write("cert.pem", certificate.pem());
        write("key.pem", key.serialize_pem());
        Self(folder)
    }

    pub fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub fn file(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a path").to_owned()
    }
}

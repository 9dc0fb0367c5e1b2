//! The vault: encrypts secrets with the master key, each bound to its tenant and name (XChaCha20-Poly1305).
//!
//! The master key comes from the operator, or from a file in the data folder that is made at the first start. A sealed probe in the
//! catalogue tells at the start whether it is the key that the secrets were encrypted with.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chacha20poly1305::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use stepwell_core::id::{SecretName, TenantId};

use super::files;
use super::folder::Folder;
use crate::StoreError;

/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;

/// What a sealed text is bound to: it opens for the same alone.
pub(crate) enum Binding<'a> {
    /// The probe.
    Probe,
    /// A secret.
    Secret(&'a TenantId, &'a SecretName),
}

impl Binding<'_> {
    /// Different for different bindings: a zero byte is in no name.
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Probe => b"probe".to_vec(),
            Self::Secret(tenant, name) => {
                [b"secret", tenant.as_str().as_bytes(), name.as_str().as_bytes()].join(&0)
            }
        }
    }
}

/// An encrypted text, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sealed {
    nonce: String,
    ciphertext: String,
}

/// Holds the master key; it cannot be got out again.
pub(crate) struct Vault(XChaCha20Poly1305);

impl Vault {
    /// With the operator's key, else the data folder's, which is made in a new folder.
    pub(crate) fn open(folder: &Folder, given: Option<&SecretString>) -> Result<Self, StoreError> {
        let file = folder.master_key();
        let text = match given {
            Some(key) => key.clone(),
            None if folder.is_new() && !file.exists() => new_key_file(folder, &file)?,
            None => read_key_file(&file)?,
        };
        let source = if given.is_some() {
            "the given master key".to_owned()
        } else {
            format!("the master key in `{}`", file.display())
        };
        Self::with_key(&text, &source)
    }

    fn with_key(text: &SecretString, source: &str) -> Result<Self, StoreError> {
        let bytes = BASE64_STANDARD.decode(text.expose_secret().trim()).ok();
        match bytes {
            Some(bytes) if bytes.len() == 32 => Ok(Self(XChaCha20Poly1305::new(Key::from_slice(&bytes)))),
            _ => Err(StoreError::MasterKey(format!(
                "{source} is no key: it must be 32 random bytes in base64 (`openssl rand -base64 32`)"
            ))),
        }
    }

    /// Encrypts.
    pub(crate) fn seal(&self, binding: &Binding<'_>, plain: &[u8]) -> Sealed {
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        #[expect(clippy::expect_used, reason = "encryption fails beyond 256 GB alone")]
        let ciphertext = self
            .0
            .encrypt(&nonce, Payload { msg: plain, aad: &binding.to_bytes() })
            .expect("the text is short enough to encrypt");
        Sealed { nonce: BASE64_STANDARD.encode(nonce), ciphertext: BASE64_STANDARD.encode(ciphertext) }
    }

    /// Decrypts; none if the key or the binding is another one, or the text is damaged.
    pub(crate) fn unseal(&self, binding: &Binding<'_>, sealed: &Sealed) -> Option<Vec<u8>> {
        let nonce = BASE64_STANDARD.decode(&sealed.nonce).ok().filter(|nonce| nonce.len() == NONCE_BYTES)?;
        let ciphertext = BASE64_STANDARD.decode(&sealed.ciphertext).ok()?;
        self.0
            .decrypt(XNonce::from_slice(&nonce), Payload { msg: &ciphertext, aad: &binding.to_bytes() })
            .ok()
    }

    /// What tells later whether the key is still the same.
    pub(crate) fn probe(&self) -> Sealed {
        self.seal(&Binding::Probe, b"")
    }

    /// Whether this is the key that made the probe.
    pub(crate) fn check(&self, probe: &Sealed) -> Result<(), StoreError> {
        match self.unseal(&Binding::Probe, probe) {
            Some(_) => Ok(()),
            None => Err(StoreError::MasterKey(
                "the master key is not the one that the secrets in the data folder were encrypted with: start with that one \
                 (STEPWELL_MASTER_KEY, or the file `master.key` in the data folder)"
                    .to_owned(),
            )),
        }
    }
}

fn new_key_file(folder: &Folder, file: &Path) -> Result<SecretString, StoreError> {
    let text = BASE64_STANDARD.encode(XChaCha20Poly1305::generate_key(&mut OsRng));
    files::write_new(file, format!("{text}\n").as_bytes())
        .map_err(|why| folder.fault(format!("cannot write the master key to `{}`", file.display()), why))?;
    Ok(text.into())
}

fn read_key_file(file: &Path) -> Result<SecretString, StoreError> {
    let unreadable = |why: io::Error| {
        let name = file.display();
        StoreError::MasterKey(match why.kind() {
            io::ErrorKind::NotFound => {
                format!(
                    "the master key is missing: set STEPWELL_MASTER_KEY to the key of this data folder, or bring back `{name}`"
                )
            }
            _ => format!("the master key in `{name}` cannot be read: {why}"),
        })
    };
    let mode = fs::metadata(file).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        let (name, mode) = (file.display(), mode & 0o777);
        return Err(StoreError::MasterKey(format!(
            "others than its owner may use the master key in `{name}` (mode {mode:o}): `chmod 600` it"
        )));
    }
    fs::read_to_string(file).map(SecretString::from).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(byte: u8) -> Vault {
        Vault::with_key(&BASE64_STANDARD.encode([byte; 32]).into(), "the test's key").unwrap()
    }

    #[test]
    fn a_secret_opens_for_its_own_tenant_and_name_alone() {
        let (tenant, other) = (TenantId::default(), TenantId::new("other").unwrap());
        let (name, another) = (SecretName::new("KEY").unwrap(), SecretName::new("KEY2").unwrap());
        let sealed = vault(1).seal(&Binding::Secret(&tenant, &name), b"value");
        assert_eq!(vault(1).unseal(&Binding::Secret(&tenant, &name), &sealed).unwrap(), b"value");
        assert_eq!(vault(1).unseal(&Binding::Secret(&other, &name), &sealed), None);
        assert_eq!(vault(1).unseal(&Binding::Secret(&tenant, &another), &sealed), None);
        assert_eq!(vault(2).unseal(&Binding::Secret(&tenant, &name), &sealed), None);
    }

    #[test]
    fn another_key_is_told_by_the_probe() {
        let probe = vault(1).probe();
        assert!(vault(1).check(&probe).is_ok());
        assert!(matches!(vault(2).check(&probe), Err(StoreError::MasterKey(_))));
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let error = Vault::with_key(&"hunter2".into(), "the given master key").err().unwrap().to_string();
        assert!(error.contains("32 random bytes") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn the_key_file_is_made_once_for_its_owner_alone() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::open(temp.path(), 0).unwrap();
        let probe = Vault::open(&folder, None).unwrap().probe();
        let file = folder.master_key();
        folder.mark_complete().unwrap();
        drop(folder);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        let folder = Folder::open(temp.path(), 0).unwrap();
        Vault::open(&folder, None).unwrap().check(&probe).unwrap();

        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Vault::open(&folder, None).err().unwrap().to_string().contains("chmod 600"));
        fs::remove_file(&file).unwrap();
        assert!(Vault::open(&folder, None).err().unwrap().to_string().contains("missing"));
    }
}

//! A new step's folder: it builds, tests and publishes as it is.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::sdk::{SdkError, sdk_path};

const CARGO_TOML: &str = include_str!("../template/Cargo.toml.txt");
const LIB_RS: &str = include_str!("../template/lib.rs.txt");
const GITIGNORE: &str = "/target\n";

/// Why there is no new step.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// The name is none for a step.
    #[error(
        "`{name}` is no name for a step: use lower-case words and digits joined by hyphens, beginning with a letter, such as `order-total`"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Something is there already.
    #[error("{} exists already and is not empty: choose another name or folder", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The SDK cannot be put in its place.
    #[error(transparent)]
    Sdk(#[from] SdkError),
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Makes the folder `parent/name` with a step of that name in it.
///
/// # Errors
///
/// When the name is none for a step, or the folder is in use or cannot be written.
pub fn new_step(parent: &Path, name: &str) -> Result<PathBuf, ScaffoldError> {
    if !is_step_name(name) {
        return Err(ScaffoldError::Name { name: name.into() });
    }
    let folder = parent.join(name);
    if fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ScaffoldError::Exists { path: folder });
    }
    let sdk = toml::Value::String(sdk_path()?.to_string_lossy().into_owned());
    let manifest = CARGO_TOML.replace("{{name}}", name).replace("\"{{sdk}}\"", &sdk.to_string());
    write(&folder.join("Cargo.toml"), &manifest)?;
    write(&folder.join("src/lib.rs"), LIB_RS)?;
    write(&folder.join(".gitignore"), GITIGNORE)?;
    Ok(folder)
}

fn is_step_name(name: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.split('-').all(is_word)
}

fn write(path: &Path, text: &str) -> Result<(), ScaffoldError> {
    let failed = |source| ScaffoldError::File { path: path.into(), source };
    fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    fs::write(path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_catalogue_refuses_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "Upper", "under_score", "-a", "a-", "a--b", "1a", "../up"] {
            assert!(matches!(new_step(folder.path(), name), Err(ScaffoldError::Name { .. })), "{name}");
        }
    }

    #[test]
    fn a_folder_in_use_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("taken")).unwrap();
        fs::write(folder.path().join("taken/notes"), "mine").unwrap();
        assert!(matches!(new_step(folder.path(), "taken"), Err(ScaffoldError::Exists { .. })));
    }
}

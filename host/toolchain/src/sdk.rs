//! The SDK's sources, carried in the binary: a step's crate depends on an unpacked copy by its path.
//!
//! The copy is a small workspace of its own with the layout of the repository, since the SDK reads the WIT beside it.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use include_dir::{Dir, include_dir};

static GUEST_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../guest-sdk");
static WIT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../wit");
static WORKSPACE: &str = include_str!("../../../Cargo.toml");

/// Says which build's sources a copy holds. Written last: a copy without it is not whole.
const STAMP: &str = ".stamp";

/// Why the SDK cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum SdkError {
    /// There is no place for it.
    #[error("no place for the SDK's sources: set HOME or XDG_CACHE_HOME")]
    NoHome,
    /// The file system refuses.
    #[error("cannot unpack the SDK's sources to {}: {source}", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The folder of the SDK's crate, for a `path` dependency; unpacked if it is not there yet.
///
/// # Errors
///
/// When the user's cache folder cannot be found or written.
pub fn sdk_path() -> Result<PathBuf, SdkError> {
    let root = root()?;
    unpack(&root).map_err(|source| SdkError::Write { path: root.clone(), source })?;
    Ok(root.join("guest-sdk/rust"))
}

/// Puts the copy back in its place for a crate that depends on it: caches get cleaned.
pub(crate) fn refresh_for(manifest: &Path) -> Result<(), SdkError> {
    let Ok(root) = root() else { return Ok(()) };
    let depends = fs::read_to_string(manifest).is_ok_and(|text| text.contains(&*root.to_string_lossy()));
    if depends {
        sdk_path()?;
    }
    Ok(())
}

fn root() -> Result<PathBuf, SdkError> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME")
        .or_else(|| env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".cache")))
        .ok_or(SdkError::NoHome)?;
    Ok(cache.join("stepwell").join(concat!("sdk-", env!("CARGO_PKG_VERSION"))))
}

/// Into a folder beside it first: another process may be compiling the copy that is there.
fn unpack(root: &Path) -> io::Result<()> {
    let stamp = stamp();
    if fs::read_to_string(root.join(STAMP)).is_ok_and(|found| found == stamp) {
        return Ok(());
    }
    let parent = root.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)?;
    let fresh = tempfile::Builder::new().prefix(".sdk-").tempdir_in(parent)?;
    extract(&GUEST_SDK, &fresh.path().join("guest-sdk"))?;
    extract(&WIT, &fresh.path().join("wit"))?;
    fs::write(fresh.path().join("Cargo.toml"), workspace()?)?;
    fs::write(fresh.path().join(STAMP), stamp)?;
    replace(fresh, root)
}

fn extract(folder: &Dir<'_>, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    folder.extract(to)
}

/// Whoever comes second finds the first one's copy, which is as good.
fn replace(fresh: tempfile::TempDir, root: &Path) -> io::Result<()> {
    let retired = fresh.path().with_extension("old");
    match fs::rename(root, &retired) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let renamed = fs::rename(fresh.path(), root);
    if renamed.is_ok() {
        // Its folder has moved: there is nothing left to remove.
        let _moved = fresh.keep();
    } else if !root.join(STAMP).is_file() {
        return renamed;
    }
    match fs::remove_dir_all(&retired) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The repository's workspace with the SDK's crates alone.
fn workspace() -> io::Result<String> {
    let mut manifest: toml::Table = WORKSPACE.parse().map_err(io::Error::other)?;
    manifest.remove("profile");
    if let Some(workspace) = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut) {
        workspace.remove("default-members");
        workspace.remove("exclude");
        workspace.insert("members".into(), vec!["guest-sdk/rust", "guest-sdk/rust-macro"].into());
    }
    Ok(manifest.to_string())
}

/// Differs when any source does.
fn stamp() -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};

    fn add(folder: &Dir<'_>, hasher: &mut DefaultHasher) {
        for file in folder.files() {
            (file.path(), file.contents()).hash(hasher);
        }
        folder.dirs().for_each(|folder| add(folder, hasher));
    }

    let mut hasher = DefaultHasher::new();
    add(&GUEST_SDK, &mut hasher);
    add(&WIT, &mut hasher);
    WORKSPACE.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_whole_and_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("cache/sdk");
        unpack(&root).unwrap();
        for file in
            ["Cargo.toml", "guest-sdk/rust/Cargo.toml", "guest-sdk/rust-macro/src/lib.rs", "wit/step.wit"]
        {
            assert!(root.join(file).is_file(), "{file} is missing");
        }

        let marker = root.join("kept");
        fs::write(&marker, "").unwrap();
        unpack(&root).unwrap();
        assert!(marker.exists(), "an up-to-date copy must be left alone");
    }

    #[test]
    fn a_copy_of_another_build_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("sdk");
        unpack(&root).unwrap();
        fs::write(root.join(STAMP), "another").unwrap();
        fs::write(root.join("wit/step.wit"), "old").unwrap();
        unpack(&root).unwrap();
        assert_ne!(fs::read_to_string(root.join("wit/step.wit")).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the copy");
    }

    #[test]
    fn the_copys_workspace_names_nothing_that_was_left_behind() {
        let manifest: toml::Table = workspace().unwrap().parse().unwrap();
        let members = manifest["workspace"]["members"].as_array().unwrap();
        assert!(members.iter().all(|member| {
            GUEST_SDK.get_dir(member.as_str().unwrap().trim_start_matches("guest-sdk/")).is_some()
        }));
        assert!(!manifest.contains_key("profile"));
    }
}

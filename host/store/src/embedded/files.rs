//! Files and folders that are there whole or not at all: written beside their place, synced, renamed, and the folder synced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Of files that are being written. One that is found at a start was left by a crash.
const UNFINISHED_PREFIX: &str = ".writing-";

/// Writes a file in place of an older one. Only the owner may read it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path)?;
    written(folder, bytes)?.persist(path)?;
    sync_folder(folder)
}

/// Writes a file where none may be. Only the owner may read it.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path)?;
    written(folder, bytes)?.persist_noclobber(path)?;
    sync_folder(folder)
}

/// Makes a folder, and those that it is in, and syncs those that got a new one.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let above = parent(path)?;
    if !above.exists() {
        create_folder(above)?;
    }
    fs::create_dir_all(path)?;
    sync_folder(above)
}

/// Makes a folder, with what is put into it, where none may be. Whoever puts it need not have synced it, and must have let go of it.
pub(crate) fn create_whole_folder<E: From<io::Error>>(
    path: &Path,
    put_into: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let folder = parent(path)?;
    let unfinished = folder.join(format!("{UNFINISHED_PREFIX}{}", name(path)?));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir(&unfinished)?;
    put_into(&unfinished)?;
    sync_all_below(&unfinished)?;
    fs::rename(&unfinished, path)?;
    Ok(sync_folder(folder)?)
}

fn sync_all_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_all_below(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    sync_folder(folder)
}

/// Removes what a crash left half written.
pub(crate) fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED_PREFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn parent(path: &Path) -> io::Result<&Path> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Ok(Path::new(".")),
        Some(parent) => Ok(parent),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is in no folder")),
    }
}

fn name(path: &Path) -> io::Result<std::path::Display<'_>> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no name"))?;
    Ok(Path::new(name).display())
}

fn written(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED_PREFIX).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes the names in a folder as lasting as the files.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

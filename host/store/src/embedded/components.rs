//! Components by their digest: one file each, checked whenever it is read.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use stepwell_core::digest::Digest;

use super::files;
use super::folder::Folder;
use crate::StoreError;

/// The folder of components.
#[derive(Debug)]
pub(crate) struct Components {
    folder: Arc<Folder>,
    path: PathBuf,
}

impl Components {
    pub(crate) fn open(folder: Arc<Folder>) -> Result<Self, StoreError> {
        let path = folder.components();
        files::create_folder(&path)
            .and_then(|()| files::remove_unfinished(&path))
            .map_err(|why| folder.fault(format!("cannot use the folder `{}`", path.display()), why))?;
        Ok(Self { folder, path })
    }

    /// Keeps the bytes. A file that is there and damaged is replaced.
    pub(crate) fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        if matches!(self.get(digest), Ok(Some(_))) {
            return Ok(());
        }
        let file = self.file(digest);
        files::write_whole(&file, bytes)
            .map_err(|why| self.folder.fault(format!("cannot write `{}`", file.display()), why))
    }

    pub(crate) fn get(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let file = self.file(digest);
        match fs::read(&file) {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(Some(bytes)),
            Ok(_) => Err(StoreError::corrupt(
                format!("the component `components/{}`", digest.to_hex()),
                "its content does not match its name; publishing the step again mends it",
            )),
            Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(StoreError::io(format!("cannot read `{}`", file.display()), why)),
        }
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        self.path.join(digest.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_component_is_found_and_mended() {
        let temp = tempfile::tempdir().unwrap();
        let components = Components::open(Arc::new(Folder::open(temp.path(), 0).unwrap())).unwrap();
        let digest = Digest::of(b"component");
        assert_eq!(components.get(&digest).unwrap(), None);

        components.put(&digest, b"component").unwrap();
        fs::write(components.file(&digest), b"comp").unwrap();
        assert!(matches!(components.get(&digest), Err(StoreError::Corrupt { .. })));

        components.put(&digest, b"component").unwrap();
        assert_eq!(components.get(&digest).unwrap().unwrap(), b"component");
    }
}

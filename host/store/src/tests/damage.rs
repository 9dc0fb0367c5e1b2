//! A damaged data folder is told as such: never a panic, never a guess.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use stepwell_core::id::TenantId;
use tempfile::TempDir;

use super::open;
use crate::conformance::samples;
use crate::{EmbeddedStore, OpenOptions, Reason, Release, RunQuery, StoreError};

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Emptied,
    Halved,
    Scribbled,
}

impl Damage {
    fn apply(self, file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        let middle = bytes.len() / 2;
        match self {
            Self::Emptied => bytes.clear(),
            Self::Halved => bytes.truncate(middle),
            Self::Scribbled => bytes.iter_mut().skip(middle).take(16).for_each(|byte| *byte ^= 0xA5),
        }
        fs::write(file, bytes).unwrap();
    }
}

#[test]
fn no_damage_to_any_file_makes_it_panic() {
    let whole = written_folder();
    for file in files(whole.path()) {
        for damage in [Damage::Emptied, Damage::Halved, Damage::Scribbled] {
            let copy = copy_of(whole.path());
            damage.apply(&copy.path().join(&file));
            let outcome = read_all(copy.path());
            let told =
                matches!(&outcome, Ok(()) | Err(StoreError::Corrupt { .. } | StoreError::MasterKey(_)));
            assert!(told, "{damage:?} {}: {outcome:?}", file.display());
        }
    }
}

#[test]
fn an_emptied_catalogue_is_not_taken_for_a_new_one() {
    let whole = written_folder();
    fs::remove_dir_all(whole.path().join("catalogue")).unwrap();
    let error = open(whole.path()).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

#[test]
fn a_missing_journal_is_not_taken_for_a_new_one() {
    let whole = written_folder();
    fs::remove_dir_all(whole.path().join("journal")).unwrap();
    let error = open(whole.path()).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
}

/// A crash during a start leaves it, and the next start must not be stopped by it.
#[test]
fn an_unfinished_snapshot_of_the_catalogue_is_passed_over() {
    let whole = written_folder();
    fs::write(whole.path().join("catalogue/snap.FFFFFFFFFFFFFFFF.generating"), "half wr").unwrap();
    read_all(whole.path()).unwrap();
}

#[test]
fn a_first_start_that_was_cut_off_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    for part in [".writing-catalogue", ".writing-journal"] {
        fs::create_dir(folder.path().join(part)).unwrap();
        fs::write(folder.path().join(part).join("conf"), "half wr").unwrap();
    }
    open(folder.path()).unwrap();
    let left = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".writing")));
}

#[test]
fn a_folder_in_use_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path()).unwrap();
    let journal = first.journal();
    drop(first);
    assert!(matches!(open(folder.path()), Err(StoreError::Locked { .. })), "the journal is still in use");
    drop(journal);
    open(folder.path()).unwrap();
}

#[test]
fn another_master_key_is_refused_at_the_start() {
    let whole = written_folder();
    let another = OpenOptions {
        master_key: Some(format!("{}=", "A".repeat(43)).into()),
        ..OpenOptions::new(whole.path())
    };
    let error = EmbeddedStore::open(&another).err().unwrap();
    assert!(matches!(error, StoreError::MasterKey(_)), "{error}");
}

fn written_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    runtime().block_on(async {
        let (tenant, workflow) = (TenantId::default(), samples::workflow("triage"));
        let catalogue = store.catalogue();
        catalogue
            .put_step(&tenant, &samples::published("llm-chat", "1.0.0", b"component"), b"component")
            .await
            .unwrap();
        catalogue
            .put_workflow(
                &tenant,
                &samples::applied("triage", "1.0.0", json!({"n": 1}), 1),
                Release::Current(Reason::Applied),
            )
            .await
            .unwrap();
        catalogue.put_secret(&tenant, &samples::secret("KEY"), &"value".into()).await.unwrap();
        for n in 0..50 {
            store
                .journal()
                .append(samples::first_batch(&tenant, samples::run(n), &workflow))
                .durable()
                .await
                .unwrap();
        }
    });
    drop(store);
    // A second start cuts the preallocated end of the journal's log off, so that a damage in its middle meets what was written.
    open(folder.path()).unwrap();
    folder
}

fn read_all(folder: &Path) -> Result<(), StoreError> {
    let store = open(folder)?;
    runtime().block_on(async {
        let tenant = TenantId::default();
        let catalogue = store.catalogue();
        for step in catalogue.steps(&tenant).await? {
            catalogue.component(&step.digest).await?;
        }
        catalogue.workflows(&tenant).await?;
        catalogue.secret(&tenant, &samples::secret("KEY")).await?;
        let page = store.journal().list(&tenant, RunQuery { limit: 100, ..RunQuery::default() }).await?;
        for line in page.runs {
            store.journal().read(&tenant, line.id, 0, 100).await?;
        }
        Ok(())
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}

/// Every file of a folder, relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(root, &path, found),
                false => found.push(path.strip_prefix(root).unwrap().to_owned()),
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// A copy in a folder of its own.
pub(super) fn copy_of(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in files(folder) {
        let place = copy.path().join(&file);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(folder.join(&file), place).unwrap();
    }
    copy
}

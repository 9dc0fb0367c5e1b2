//! The disk that a power cut may leave. What was synced is on it. Of the rest each write, each part of one and each change of a name
//! may be there or not, whichever came first; what is promised is no more than POSIX promises.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use rand::Rng as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::recording::{Event, FileId, ROOT, Recorded};

const PAGE: u64 = 4096;
const SECTOR: u64 = 512;

/// What the disk did with what it was not told to keep.
pub(super) struct Luck {
    rng: StdRng,
    /// How likely something was kept.
    keep: f64,
    /// In parts of so many bytes a write is kept.
    part: u64,
    names: NamesLuck,
}

/// What a disk did with names.
#[derive(Clone, Copy)]
enum NamesLuck {
    /// It kept changes in their order up to some time, as the usual file systems do.
    UpTo(f64),
    /// It kept some changes and not others.
    Some,
}

impl Luck {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let keep = [0.0, 0.1, 0.5, 0.9, 1.0][rng.random_range(0..5)];
        let part = [SECTOR, PAGE, u64::MAX][rng.random_range(0..3)];
        let names = match rng.random_bool(0.5) {
            true => NamesLuck::UpTo(rng.random_range(0.0..=1.0)),
            false => NamesLuck::Some,
        };
        Self { rng, keep, part, names }
    }

    /// When the power is cut: often when something is being said, or before something is synced.
    pub(super) fn moment(&mut self, events: &[Recorded]) -> usize {
        let moments: Vec<usize> = match self.rng.random_range(0..3) {
            0 => (0..=events.len()).collect(),
            1 => places(events, |event| matches!(event, Event::Said(_))),
            _ => places(events, |event| matches!(event, Event::Synced { .. })),
        };
        moments.get(self.rng.random_range(0..moments.len().max(1))).copied().unwrap_or(0)
    }

    fn keeps(&mut self) -> bool {
        self.rng.random_bool(self.keep)
    }
}

/// A disk.
#[derive(Default)]
pub(super) struct Disk {
    files: BTreeMap<FileId, Content>,
    folders: BTreeMap<FileId, BTreeMap<String, FileId>>,
}

#[derive(Default)]
struct Content {
    pages: BTreeMap<u64, Box<[u8]>>,
    len: u64,
    /// Sectors of which a write was lost.
    lost: BTreeSet<u64>,
}

impl Disk {
    /// The disk after a cut at a moment.
    pub(super) fn after_a_cut(events: &[Recorded], moment: usize, luck: &mut Luck) -> Self {
        let synced = synced(events, moment);
        let is_safe = |file: &FileId, place: usize| synced.get(file).is_some_and(|until| place < *until);
        let mut disk = Self::default();
        disk.folders.insert(ROOT, BTreeMap::new());
        let names_until = disk_keeps_names_until(events, moment, is_safe, luck);
        for (place, recorded) in events.iter().enumerate() {
            // What was under way may have been done already.
            let happened = place < moment;
            if !happened && recorded.begun > moment {
                continue;
            }
            let safe = |file: &FileId| happened && is_safe(file, place);
            match &recorded.event {
                Event::Made { file, is_folder: true } => drop(disk.folders.insert(*file, BTreeMap::new())),
                Event::Made { file, is_folder: false } => drop(disk.files.insert(*file, Content::default())),
                Event::Named { folder, changes } => {
                    let kept = match names_until {
                        Some(until) => place < until,
                        None => safe(folder) || luck.keeps(),
                    };
                    if kept {
                        disk.name(*folder, changes);
                    }
                }
                Event::Written { file, at, bytes } => {
                    let content = disk.files.entry(*file).or_default();
                    match safe(file) {
                        true => content.write(*at, bytes),
                        false => content.write_some(*at, bytes, luck),
                    }
                }
                Event::Resized { file, len } => {
                    if safe(file) || luck.keeps() {
                        disk.files.entry(*file).or_default().resize(*len);
                    }
                }
                Event::Synced { .. } | Event::Said(_) => {}
            }
        }
        disk
    }

    fn name(&mut self, folder: FileId, changes: &[(String, Option<FileId>)]) {
        let names = self.folders.entry(folder).or_default();
        for (name, file) in changes {
            match file {
                Some(file) => names.insert(name.clone(), *file),
                None => names.remove(name),
            };
        }
    }

    /// Makes files of it.
    pub(super) fn write_to(&self, path: &Path) {
        self.write_folder(ROOT, path);
    }

    fn write_folder(&self, folder: FileId, path: &Path) {
        for (name, file) in &self.folders[&folder] {
            let path = path.join(name);
            match self.files.get(file) {
                Some(content) => content.write_to(&path),
                None => {
                    fs::create_dir(&path).unwrap();
                    self.write_folder(*file, &path);
                }
            }
        }
    }
}

/// Before which events such ones began.
fn places(events: &[Recorded], is_one: impl Fn(&Event) -> bool) -> Vec<usize> {
    events.iter().filter(|recorded| is_one(&recorded.event)).map(|recorded| recorded.begun).collect()
}

/// Up to which event each file, and the names in each folder, are on disk for sure.
fn synced(events: &[Recorded], moment: usize) -> HashMap<FileId, usize> {
    let mut synced: HashMap<FileId, usize> = HashMap::new();
    for recorded in &events[..moment] {
        if let Event::Synced { file } = recorded.event {
            let until = synced.entry(file).or_default();
            *until = recorded.begun.max(*until);
        }
    }
    synced
}

/// A disk that keeps names in order has all those before one that it had to keep.
fn disk_keeps_names_until(
    events: &[Recorded],
    moment: usize,
    is_safe: impl Fn(&FileId, usize) -> bool,
    luck: &Luck,
) -> Option<usize> {
    let NamesLuck::UpTo(share) = luck.names else { return None };
    let last_safe = events[..moment].iter().enumerate().rev().find(
        |(place, recorded)| matches!(&recorded.event, Event::Named { folder, .. } if is_safe(folder, *place)),
    );
    let from = last_safe.map_or(0, |(place, _)| place + 1);
    Some(from + ((moment - from) as f64 * share) as usize)
}

impl Content {
    fn write(&mut self, at: u64, mut bytes: &[u8]) {
        let mut at = at;
        self.len = self.len.max(at + bytes.len() as u64);
        while !bytes.is_empty() {
            let from = (at % PAGE) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(PAGE as usize - from));
            let page = self.pages.entry(at / PAGE).or_insert_with(|| vec![0; PAGE as usize].into());
            page[from..from + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            bytes = later;
        }
    }

    /// Some parts reach the disk, a sector as a whole: one that was written twice has the second write only with the first. What did not
    /// reach it may be there as zeros, if the file's new length was kept.
    fn write_some(&mut self, at: u64, bytes: &[u8], luck: &mut Luck) {
        let end = at + bytes.len() as u64;
        let (mut from, mut part, mut part_is_kept) = (at, None, false);
        while from < end {
            if part != Some(from / luck.part) {
                part = Some(from / luck.part);
                part_is_kept = luck.keeps();
            }
            let sector = from / SECTOR;
            let to = ((sector + 1) * SECTOR).min(end);
            if part_is_kept && !self.lost.contains(&sector) {
                self.write(from, &bytes[(from - at) as usize..(to - at) as usize]);
            } else {
                self.lost.insert(sector);
            }
            from = to;
        }
        if luck.keeps() {
            self.len = self.len.max(end);
        }
    }

    fn resize(&mut self, len: u64) {
        if len < self.len {
            self.pages.split_off(&len.div_ceil(PAGE));
            if let Some(page) = self.pages.get_mut(&(len / PAGE)) {
                page[(len % PAGE) as usize..].fill(0);
            }
        }
        self.len = len;
    }

    fn write_to(&self, path: &Path) {
        let mut options = fs::File::options();
        // No more than any of the store's files needs, and a key file may have.
        let file = options.write(true).create_new(true).mode(0o600).open(path).unwrap();
        file.set_len(self.len).unwrap();
        for (number, page) in &self.pages {
            let at = number * PAGE;
            let part = page.len().min((self.len - at) as usize);
            file.write_all_at(&page[..part], at).unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(at: u64, text: &str) -> Event {
        Event::Written { file: FileId(1), at, bytes: text.into() }
    }

    fn named(name: &str) -> Event {
        Event::Named { folder: ROOT, changes: vec![(name.to_owned(), Some(FileId(1)))] }
    }

    fn recorded(events: Vec<Event>) -> Vec<Recorded> {
        events.into_iter().enumerate().map(|(begun, event)| Recorded { begun, event }).collect()
    }

    /// Every disk that these events may leave, as the text of file `f`, if it is there.
    fn disks(events: &[Recorded], moment: usize) -> BTreeSet<Option<String>> {
        let disk = |seed| {
            let disk = Disk::after_a_cut(events, moment, &mut Luck::of(seed));
            let folder = tempfile::tempdir().unwrap();
            disk.write_to(folder.path());
            fs::read_to_string(folder.path().join("f")).ok().map(|text| text.replace('\0', "0"))
        };
        (0..300).map(disk).collect()
    }

    fn texts(texts: &[Option<&str>]) -> BTreeSet<Option<String>> {
        texts.iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn a_write_without_a_sync_is_kept_or_lost_and_a_synced_one_is_kept() {
        let made = Event::Made { file: FileId(1), is_folder: false };
        let file = FileId(1);
        let events = recorded(vec![
            made,
            named("f"),
            written(0, "ab"),
            Event::Synced { file },
            Event::Synced { file: ROOT },
            Event::Said("it is written".to_owned()),
            written(1, "xy"),
        ]);
        assert_eq!(disks(&events, 3), texts(&[None, Some(""), Some("00"), Some("ab")]));
        assert_eq!(disks(&events, 5), texts(&[Some("ab")]));
        assert_eq!(disks(&events, 7), texts(&[Some("ab"), Some("ab0"), Some("axy")]));
    }

    #[test]
    fn a_sync_keeps_nothing_that_happened_after_it_began() {
        let made = Event::Made { file: FileId(1), is_folder: false };
        let mut events = recorded(vec![
            made,
            named("f"),
            Event::Synced { file: ROOT },
            written(0, "a"),
            Event::Synced { file: FileId(1) },
        ]);
        events[4].begun = 3;
        assert_eq!(disks(&events, 5), texts(&[Some(""), Some("0"), Some("a")]));
    }
}

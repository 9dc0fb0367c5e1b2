//! Watches a child process change a folder: each system call of it, with ptrace, as a debugger does.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::{IoSliceMut, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::recording::{Event, FileId, ROOT, Recorded};

/// Runs a child that waits for a line on its standard input before it does anything to the folder, and records what it does.
/// None: this system lets nobody trace.
#[expect(
    clippy::zombie_processes,
    reason = "who traces a process waits for its threads, the last of which is the process"
)]
pub(super) fn record(root: &Path, command: &mut Command) -> Option<Vec<Recorded>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let main = Pid::from_raw(i32::try_from(child.id()).unwrap());
    if ptrace::seize(main, options()).is_err() {
        child.kill().unwrap();
        child.wait().unwrap();
        return None;
    }
    let mut tracer = Tracer::new(root, main);
    tracer.seize_all();
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    tracer.follow();
    Some(tracer.events)
}

fn options() -> Options {
    Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL
}

struct Tracer {
    root: PathBuf,
    main: Pid,
    /// What each thread is doing; nothing between two system calls.
    threads: HashMap<Pid, Option<Call>>,
    /// By device and inode.
    files: HashMap<(u64, u64), FileId>,
    next_file: u32,
    events: Vec<Recorded>,
}

/// A system call that has begun.
struct Call {
    begun: usize,
    act: Act,
}

enum Act {
    Nothing,
    Open { path: PathBuf, is_new: bool, truncates: bool },
    MakeFolder { path: PathBuf },
    Say { bytes: Vec<u8> },
    Write { file: FileId, at: At, bytes: Vec<u8> },
    Resize { file: FileId, len: u64 },
    Lengthen { file: FileId, len: u64 },
    Sync { file: FileId },
    Name { folder: FileId, changes: Vec<(String, Option<FileId>)> },
}

/// Where a write goes.
enum At {
    Given(u64),
    /// Where the descriptor stands.
    Position(u64),
}

/// A system call's number and arguments.
struct Asked {
    number: i64,
    args: [u64; 6],
}

impl Asked {
    fn of(thread: Pid) -> Self {
        let regs = ptrace::getregs(thread).unwrap();
        let args = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
        Self { number: regs.orig_rax.cast_signed(), args }
    }
}

impl Tracer {
    fn new(root: &Path, main: Pid) -> Self {
        let root = root.canonicalize().unwrap();
        let files = HashMap::from([(key_of(&fs::metadata(&root).unwrap()), ROOT)]);
        Self { root, main, threads: HashMap::new(), files, next_file: 1, events: Vec::new() }
    }

    /// Threads that there are already. Later ones are traced from their first breath.
    fn seize_all(&self) {
        for thread in fs::read_dir(format!("/proc/{}/task", self.main)).unwrap() {
            let thread = thread.unwrap().file_name().to_str().unwrap().parse().unwrap();
            let thread = Pid::from_raw(thread);
            if thread == self.main || ptrace::seize(thread, options()).is_ok() {
                ptrace::interrupt(thread).unwrap();
            }
        }
    }

    /// Follows the child to its end.
    fn follow(&mut self) {
        // Other tests have children of their own, and wait for them.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        loop {
            let (thread, signal) = match waitpid(None, Some(flags)).unwrap() {
                WaitStatus::PtraceSyscall(thread) => {
                    self.step(thread);
                    (thread, None)
                }
                WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
                WaitStatus::PtraceEvent(thread, ..) => (thread, None),
                WaitStatus::Exited(thread, code) if thread == self.main => {
                    assert_eq!(code, 0, "the child ends well");
                    return;
                }
                WaitStatus::Signaled(thread, signal, _) if thread == self.main => {
                    panic!("the child was ended by {signal:?}")
                }
                _ => continue,
            };
            match ptrace::syscall(thread, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(why) => panic!("a thread cannot go on: {why}"),
            }
        }
    }

    /// A thread begins or ends a system call.
    fn step(&mut self, thread: Pid) {
        match self.threads.remove(&thread).flatten() {
            None => {
                let call = Call { begun: self.events.len(), act: self.begin(&Asked::of(thread)) };
                self.threads.insert(thread, Some(call));
            }
            Some(call) => {
                let answer = ptrace::getregs(thread).unwrap().rax.cast_signed();
                if answer >= 0 {
                    self.end(call, answer);
                }
            }
        }
    }

    fn begin(&self, asked: &Asked) -> Act {
        let Asked { number, args } = asked;
        let [a, b, c, d, ..] = *args;
        let at_cwd = libc::AT_FDCWD as u32 as u64;
        match *number {
            libc::SYS_open => self.open(at_cwd, a, b),
            libc::SYS_creat => self.open(at_cwd, a, (libc::O_CREAT | libc::O_TRUNC) as u64),
            libc::SYS_openat => self.open(a, b, c),
            libc::SYS_write if a == 1 => Act::Say { bytes: self.memory(b, c) },
            libc::SYS_write => self.write(a, At::Position(a), || self.memory(b, c)),
            libc::SYS_writev => self.write(a, At::Position(a), || self.vector(b, c)),
            libc::SYS_pwrite64 => self.write(a, At::Given(d), || self.memory(b, c)),
            libc::SYS_pwritev => self.write(a, At::Given(d), || self.vector(b, c)),
            libc::SYS_fsync | libc::SYS_fdatasync => {
                self.file(a).map_or(Act::Nothing, |file| Act::Sync { file })
            }
            libc::SYS_ftruncate => self.file(a).map_or(Act::Nothing, |file| Act::Resize { file, len: b }),
            libc::SYS_fallocate => self.allocate(a, b, c + d),
            libc::SYS_rename => self.rename(&self.path(at_cwd, a), &self.path(at_cwd, b)),
            libc::SYS_renameat | libc::SYS_renameat2 => self.rename(&self.path(a, b), &self.path(c, d)),
            libc::SYS_link => self.link(&self.path(at_cwd, a), &self.path(at_cwd, b)),
            libc::SYS_linkat => self.link(&self.path(a, b), &self.path(c, d)),
            libc::SYS_unlink | libc::SYS_rmdir => self.remove(&self.path(at_cwd, a)),
            libc::SYS_unlinkat => self.remove(&self.path(a, b)),
            libc::SYS_mkdir => Act::MakeFolder { path: self.path(at_cwd, a) },
            libc::SYS_mkdirat => Act::MakeFolder { path: self.path(a, b) },
            _ => {
                self.refuse_what_is_not_understood(asked);
                Act::Nothing
            }
        }
    }

    /// What would change the folder behind our back.
    fn refuse_what_is_not_understood(&self, asked: &Asked) {
        let [a, b, c, d, e, _] = asked.args;
        let (shared, writable) = (libc::MAP_SHARED as u64, libc::PROT_WRITE as u64);
        let in_folder = |descriptor| self.file(descriptor).is_some();
        let changes = match asked.number {
            libc::SYS_mmap => c & writable != 0 && d & shared != 0 && in_folder(e),
            libc::SYS_pwritev2 | libc::SYS_sendfile => in_folder(a),
            libc::SYS_copy_file_range | libc::SYS_splice => in_folder(c),
            libc::SYS_truncate | libc::SYS_symlink => {
                self.path(libc::AT_FDCWD as u32 as u64, b).starts_with(&self.root)
            }
            libc::SYS_openat2 | libc::SYS_io_uring_setup | libc::SYS_sync | libc::SYS_syncfs => true,
            _ => false,
        };
        assert!(!changes, "system call {} is not understood here: teach it", asked.number);
    }

    fn end(&mut self, Call { begun, act }: Call, answer: i64) {
        match act {
            Act::Nothing => {}
            Act::Open { path, is_new: true, .. } => self.made(begun, &path, false),
            Act::Open { path, truncates, .. } => {
                if let (true, Some(file)) = (truncates, self.file_at(&path)) {
                    self.push(begun, Event::Resized { file, len: 0 });
                }
            }
            Act::MakeFolder { path } => self.made(begun, &path, true),
            Act::Say { bytes } => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                self.push(begun, Event::Said(text));
            }
            Act::Write { file, at, mut bytes } => {
                let done = usize::try_from(answer).unwrap();
                bytes.truncate(done);
                let at = match at {
                    At::Given(at) => at,
                    At::Position(descriptor) => self.position(descriptor) - done as u64,
                };
                self.push(begun, Event::Written { file, at, bytes });
            }
            Act::Resize { file, len } => self.push(begun, Event::Resized { file, len }),
            Act::Lengthen { file, len } => {
                self.push(begun, Event::Written { file, at: len, bytes: Vec::new() });
            }
            Act::Sync { file } => self.push(begun, Event::Synced { file }),
            Act::Name { folder, changes } => self.push(begun, Event::Named { folder, changes }),
        }
    }

    fn push(&mut self, begun: usize, event: Event) {
        self.events.push(Recorded { begun, event });
    }

    fn made(&mut self, begun: usize, path: &Path, is_folder: bool) {
        let Some((folder, name)) = self.place(path) else { return };
        let file = FileId(self.next_file);
        self.next_file += 1;
        // An inode's number may be one that was used before.
        self.files.insert(key_of(&fs::symlink_metadata(path).unwrap()), file);
        self.push(begun, Event::Made { file, is_folder });
        self.push(begun, Event::Named { folder, changes: vec![(name, Some(file))] });
    }

    fn open(&self, folder: u64, path: u64, flags: u64) -> Act {
        let (path, flags) = (self.path(folder, path), flags as i32);
        if !path.starts_with(&self.root) {
            return Act::Nothing;
        }
        assert!(flags & libc::O_TMPFILE != libc::O_TMPFILE, "files without a name are not understood here");
        let is_new = flags & libc::O_CREAT != 0 && fs::symlink_metadata(&path).is_err();
        Act::Open { path, is_new, truncates: flags & libc::O_TRUNC != 0 }
    }

    fn write(&self, descriptor: u64, at: At, bytes: impl FnOnce() -> Vec<u8>) -> Act {
        self.file(descriptor).map_or(Act::Nothing, |file| Act::Write { file, at, bytes: bytes() })
    }

    fn allocate(&self, descriptor: u64, mode: u64, end: u64) -> Act {
        let Some(file) = self.file(descriptor) else { return Act::Nothing };
        assert_eq!(mode, 0, "this fallocate is not understood here");
        Act::Lengthen { file, len: end }
    }

    fn rename(&self, from: &Path, to: &Path) -> Act {
        let Some((to_folder, to_name)) = self.place(to) else { return Act::Nothing };
        let (folder, name) = self.place(from).unwrap();
        assert_eq!(folder, to_folder, "a rename from folder to folder is not understood here");
        Act::Name { folder, changes: vec![(name, None), (to_name, self.file_at(from))] }
    }

    fn link(&self, from: &Path, to: &Path) -> Act {
        let Some((folder, name)) = self.place(to) else { return Act::Nothing };
        Act::Name { folder, changes: vec![(name, self.file_at(from))] }
    }

    fn remove(&self, path: &Path) -> Act {
        match self.place(path) {
            Some((folder, name)) => Act::Name { folder, changes: vec![(name, None)] },
            None => Act::Nothing,
        }
    }

    /// The folder, of those that are recorded, and the name in it.
    fn place(&self, path: &Path) -> Option<(FileId, String)> {
        let parent = path.parent().filter(|parent| parent.starts_with(&self.root))?;
        Some((self.file_at(parent)?, path.file_name()?.to_str()?.to_owned()))
    }

    fn file_at(&self, path: &Path) -> Option<FileId> {
        self.files.get(&key_of(&fs::symlink_metadata(path).ok()?)).copied()
    }

    /// The recorded file behind a descriptor.
    fn file(&self, descriptor: u64) -> Option<FileId> {
        let descriptor = descriptor as i32;
        let found = fs::metadata(format!("/proc/{}/fd/{descriptor}", self.main)).ok()?;
        self.files.get(&key_of(&found)).copied()
    }

    fn position(&self, descriptor: u64) -> u64 {
        let info = fs::read_to_string(format!("/proc/{}/fdinfo/{descriptor}", self.main)).unwrap();
        info.lines().find_map(|line| line.strip_prefix("pos:")).unwrap().trim().parse().unwrap()
    }

    /// A path as the child gave it, made absolute.
    fn path(&self, folder: u64, address: u64) -> PathBuf {
        let path = self.text(address);
        let folder = folder as i32;
        let base = match folder {
            libc::AT_FDCWD => format!("/proc/{}/cwd", self.main),
            folder => format!("/proc/{}/fd/{folder}", self.main),
        };
        if path.is_absolute() { path } else { fs::read_link(base).unwrap_or_default().join(path) }
    }

    /// Text that ends with a zero byte. A page behind it may not be there.
    fn text(&self, address: u64) -> PathBuf {
        let (mut text, mut from) = (Vec::new(), address);
        loop {
            let to_the_pages_end = 4096 - from % 4096;
            let part = self.memory(from, to_the_pages_end);
            if let Some(end) = part.iter().position(|byte| *byte == 0) {
                text.extend_from_slice(&part[..end]);
                return OsString::from_vec(text).into();
            }
            text.extend_from_slice(&part);
            from += to_the_pages_end;
        }
    }

    fn vector(&self, address: u64, count: u64) -> Vec<u8> {
        let parts = self.memory(address, count * 16);
        let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap());
        parts.chunks(16).flat_map(|part| self.memory(word(&part[..8]), word(&part[8..]))).collect()
    }

    fn memory(&self, address: u64, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        let remote = RemoteIoVec { base: address as usize, len: bytes.len() };
        let read = process_vm_readv(self.main, &mut [IoSliceMut::new(&mut bytes)], &[remote]);
        assert_eq!(read, Ok(bytes.len()), "the child's memory can be read");
        bytes
    }
}

fn key_of(found: &fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

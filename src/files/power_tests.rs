//! Tests of atomic writes on a simulated disk that fails or loses its power at any step.
//!
//! The simulated disk distinguishes what is in memory from what is durable. A power failure keeps
//! what is durable and an arbitrary part of the rest: any prefix of content that was not synced,
//! and any of the names.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Disk, write_on};

/// A file: its content, and how much of it a power failure keeps.
#[derive(Clone, Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: usize,
}

type Inode = Rc<RefCell<Content>>;
type Names = BTreeMap<PathBuf, Inode>;

/// The way in which a step fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// The step fails without having done anything.
    Refused,
    /// A write writes half of its bytes and reports that; the next write fails.
    Short,
    /// The step is done and nevertheless reports an error.
    DoneAndRefused,
    /// The power fails before the step.
    Power,
}

const FAULTS: [Fault; 4] = [
    Fault::Refused,
    Fault::Short,
    Fault::DoneAndRefused,
    Fault::Power,
];

struct Paper {
    now: RefCell<Names>,
    durable: RefCell<Names>,
    /// Number of steps so far, and the step that fails.
    steps: Rc<Cell<usize>>,
    fault: Option<(usize, Fault)>,
    /// Names of the steps, by which the test checks that all were tried.
    log: Rc<RefCell<Vec<&'static str>>>,
}

struct Handle {
    inode: Inode,
    steps: Rc<Cell<usize>>,
    fault: Option<(usize, Fault)>,
    log: Rc<RefCell<Vec<&'static str>>>,
}

/// Returns the fault of this step; after a power failure all later steps fail.
fn at(steps: &Cell<usize>, fault: Option<(usize, Fault)>) -> Option<Fault> {
    let step = steps.get();
    steps.set(step + 1);
    match fault {
        Some((at, Fault::Power)) if step >= at => Some(Fault::Power),
        Some((at, Fault::Short)) if step == at + 1 => Some(Fault::Refused),
        Some((at, fault)) if step == at => Some(fault),
        _ => None,
    }
}

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

/// Executes `work` or not, according to the fault of this step.
fn step<T>(
    steps: &Cell<usize>,
    fault: Option<(usize, Fault)>,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match at(steps, fault) {
        Some(Fault::Refused | Fault::Power) => Err(full()),
        Some(Fault::DoneAndRefused) => work().and(Err(full())),
        Some(Fault::Short) | None => work(),
    }
}

impl io::Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.log.borrow_mut().push("write");
        // A power failure between the pages of a write keeps some of them.
        let half = bytes.len().div_ceil(2);
        let put = |n: usize| {
            let mut content = self.inode.borrow_mut();
            content.bytes.extend_from_slice(&bytes[..n]);
            n
        };
        match at(&self.steps, self.fault) {
            None => Ok(put(bytes.len())),
            Some(Fault::Short) => Ok(put(half)),
            Some(Fault::Power) if Some(self.steps.get() - 1) == self.fault.map(|f| f.0) => {
                put(half);
                Err(full())
            }
            Some(Fault::DoneAndRefused) => {
                put(half);
                Err(full())
            }
            Some(Fault::Refused | Fault::Power) => Err(full()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for Paper {
    type File = Handle;

    fn create(&self, path: &Path) -> io::Result<Handle> {
        self.log.borrow_mut().push("create");
        step(&self.steps, self.fault, || {
            if self.now.borrow().contains_key(path) {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists));
            }
            let inode = Inode::default();
            self.now.borrow_mut().insert(path.into(), inode.clone());
            Ok(Handle {
                inode,
                steps: self.steps.clone(),
                fault: self.fault,
                log: self.log.clone(),
            })
        })
    }

    fn sync(&self, file: &Handle) -> io::Result<()> {
        self.log.borrow_mut().push("sync");
        step(&self.steps, self.fault, || {
            let mut content = file.inode.borrow_mut();
            content.durable = content.bytes.len();
            Ok(())
        })
    }

    fn rename(&self, _file: Handle, from: &Path, to: &Path) -> io::Result<()> {
        self.log.borrow_mut().push("rename");
        step(&self.steps, self.fault, || {
            let mut now = self.now.borrow_mut();
            let inode = now.remove(from).ok_or(io::ErrorKind::NotFound)?;
            now.insert(to.into(), inode);
            Ok(())
        })
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.log.borrow_mut().push("sync folder");
        step(&self.steps, self.fault, || {
            *self.durable.borrow_mut() = self.now.borrow().clone();
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        step(&self.steps, self.fault, || {
            let mut now = self.now.borrow_mut();
            now.remove(path).ok_or(io::ErrorKind::NotFound)?;
            Ok(())
        })
    }
}

const OLD: &[u8] = b"old";
const PATH: &str = "checkpoint";

impl Paper {
    /// Returns a disk on which the old content is durable.
    fn new(fault: Option<(usize, Fault)>) -> Self {
        let old = Content {
            bytes: OLD.into(),
            durable: OLD.len(),
        };
        let names = Names::from([(PATH.into(), Inode::new(old.into()))]);
        Self {
            now: names.clone().into(),
            durable: names.into(),
            steps: Rc::default(),
            fault,
            log: Rc::default(),
        }
    }

    /// Returns the content that a process reads at `PATH` before a power failure.
    fn read(&self) -> Option<Vec<u8>> {
        let now = self.now.borrow();
        now.get(Path::new(PATH)).map(|i| i.borrow().bytes.clone())
    }

    /// Returns all contents that may be found at `PATH` after a power failure.
    fn after_power_loss(&self) -> Vec<Option<Vec<u8>>> {
        let mut found = Vec::new();
        for names in [&self.now, &self.durable] {
            let names = names.borrow();
            let Some(inode) = names.get(Path::new(PATH)) else {
                found.push(None);
                continue;
            };
            let content = inode.borrow();
            for length in content.durable..=content.bytes.len() {
                found.push(Some(content.bytes[..length].to_vec()));
            }
        }
        found
    }

    fn temporaries(&self) -> usize {
        self.now.borrow().len() - 1
    }
}

/// Returns more than the buffer of a writer, so that there are several writes.
fn new_content() -> Vec<u8> {
    (0..40_000u32).map(|i| (i % 251) as u8).collect()
}

/// Writes the new content in pieces, as a large file is written.
fn write(disk: &Paper) -> io::Result<()> {
    write_on(disk, Path::new(PATH), |writer| {
        use io::Write;
        new_content()
            .chunks(7_000)
            .try_for_each(|piece| writer.write_all(piece))
    })
}

/// Returns the names of the steps of a write without faults.
fn steps() -> Vec<&'static str> {
    let disk = Paper::new(None);
    write(&disk).unwrap();
    assert_eq!(disk.read(), Some(new_content()));
    assert_eq!(disk.temporaries(), 0);
    disk.log.take()
}

#[test]
fn a_write_has_the_steps_that_are_made_to_fail() {
    let steps = steps();
    assert_eq!(steps.first(), Some(&"create"));
    assert_eq!(steps[steps.len() - 3..], ["sync", "rename", "sync folder"]);
    assert!(steps.iter().filter(|&&s| s == "write").count() >= 4);
}

#[test]
fn whatever_step_fails_a_reader_finds_the_old_content_or_the_new() {
    let steps = steps();
    for (i, name) in steps.iter().enumerate() {
        for fault in FAULTS {
            let disk = Paper::new(Some((i, fault)));
            let outcome = write(&disk);
            let what = format!("step {i} ({name}), {fault:?}: {outcome:?}");
            let found = disk.read().expect(&what);
            let whole = found == new_content();
            assert!(whole || found == OLD, "{what}: {} bytes", found.len());
            // A write that reports success has written everything.
            assert!(outcome.is_err() || whole, "{what}");
            // A write may fail with the new content in place only after the rename.
            let renamed = *name == "sync folder"
                || (*name == "rename" && matches!(fault, Fault::DoneAndRefused | Fault::Short));
            assert!(outcome.is_ok() || !whole || renamed, "{what}");
            if fault != Fault::Power {
                assert_eq!(disk.temporaries(), 0, "{what}: a temporary file stays");
            }
        }
    }
}

#[test]
fn whenever_the_power_goes_the_old_content_or_the_new_is_found() {
    let steps = steps();
    for i in 0..=steps.len() {
        let disk = Paper::new(Some((i, Fault::Power)));
        let outcome = write(&disk);
        assert_eq!(outcome.is_ok(), i == steps.len());
        for found in disk.after_power_loss() {
            let found = found.unwrap_or_else(|| panic!("step {i}: the file is gone"));
            let whole = found == new_content();
            assert!(
                whole || found == OLD,
                "step {i}: {} bytes of {}",
                found.len(),
                new_content().len()
            );
            // After a write that reports success, the old content cannot reappear.
            assert!(outcome.is_err() || whole, "step {i}: the old content");
        }
    }
}

//! Tests of atomic writes on the real disk, and of the locks.

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn replaces_a_file_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    write_atomic_bytes(&path, b"old").unwrap();
    write_atomic(&path, |w| w.write_all(b"new and longer")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new and longer");
    assert_eq!(names(folder.path()), ["run.json"]);
}

#[test]
fn the_temporary_is_hidden_beside_the_target_and_ends_in_tmp() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let mut during = Vec::new();
    write_atomic(&path, |w| {
        during = names(folder.path());
        w.write_all(b"x")
    })
    .unwrap();
    assert_eq!(during.len(), 1);
    assert!(during[0].starts_with(".run.json.") && during[0].ends_with(".tmp"));
}

#[test]
fn a_failed_write_keeps_the_old_content_and_removes_the_temporary() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    write_atomic_bytes(&path, b"old").unwrap();
    let error = write_atomic(&path, |w| {
        w.write_all(b"half")?;
        Err(io::Error::other("disk on fire"))
    })
    .unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    let line = error.to_string();
    assert!(
        line.contains("run.json") && line.contains("disk on fire"),
        "{line}"
    );
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["run.json"]);
}

#[test]
fn a_failed_rename_removes_the_temporary() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), b"x").unwrap();
    assert!(write_atomic_bytes(&path, b"new").is_err());
    assert_eq!(names(folder.path()), ["taken"]);
}

#[test]
fn a_missing_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let line = write_atomic_bytes(&folder.path().join("no/such.json"), b"x")
        .unwrap_err()
        .to_string();
    assert!(line.contains("such.json") && !line.contains('\n'), "{line}");
    assert!(write_atomic_bytes(Path::new("/"), b"x").is_err());
}

#[test]
fn a_folder_has_one_owner_until_the_lock_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let lock = FolderLock::acquire(folder.path()).unwrap();
    let line = FolderLock::acquire(folder.path()).unwrap_err().to_string();
    assert!(
        line.ends_with("is in use by another process; wait for it or choose another"),
        "{line}"
    );
    drop(lock);
    FolderLock::acquire(folder.path()).unwrap();
}

#[test]
fn locking_a_missing_folder_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = FolderLock::acquire(&folder.path().join("absent")).unwrap_err();
    assert!(error.to_string().contains("absent"));
}

#[test]
fn one_that_waits_for_a_lock_gets_it_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let lock = FolderLock::acquire(folder.path()).unwrap();
    let path = folder.path().to_path_buf();
    let (send, receive) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        let _lock = FolderLock::wait(&path).unwrap();
        send.send(()).unwrap();
    });
    // The other thread has the lock only after the drop, however long this thread takes to get
    // here.
    assert!(receive.try_recv().is_err());
    drop(lock);
    receive.recv().unwrap();
    other.join().unwrap();
    assert!(FolderLock::wait(&folder.path().join("absent")).is_err());
}

/// Creates a temporary file for `name` as a killed writer leaves it.
fn leftover(folder: &Path, name: &str) -> PathBuf {
    let dir = Dir::open(folder).unwrap();
    let (temporary, file) = temporary::create(&dir, Path::new(name)).unwrap();
    drop(file);
    folder.join(temporary)
}

#[test]
fn what_killed_writers_left_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let kept = [
        ".lock",
        // These files were left by an earlier version, or are of other programs.
        ".run.json.7-1.tmp",
        ".run.json.0123456789abcdef-00000000.tmp",
        ".run.jsonl.7-1.tmp",
        "other.json",
    ];
    for name in kept {
        fs::write(folder.path().join(name), b"x").unwrap();
    }
    let left = [
        leftover(folder.path(), "run.json"),
        leftover(folder.path(), "run.json"),
    ];
    let others = leftover(folder.path(), "other.json");
    // A folder with such a name is not a temporary file of a writer.
    let odd = leftover(folder.path(), "run.json");
    fs::remove_file(&odd).unwrap();
    fs::create_dir(&odd).unwrap();
    let path = folder.path().join("run.json");
    write_atomic_bytes(&path, b"new").unwrap();
    assert!(left.iter().all(|path| !path.exists()));
    assert!(others.exists() && odd.exists());
    for name in kept {
        assert!(folder.path().join(name).exists(), "{name} was removed");
    }
    FolderLock::acquire(folder.path())
        .unwrap()
        .sweep("other.json");
    assert!(!others.exists());
}

#[test]
fn a_writer_at_work_is_not_swept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    write_atomic(&path, |writer| {
        // Another process writes the same file, and removes left files first.
        write_atomic_bytes(&path, b"from the other").unwrap();
        writer.write_all(b"from this one")
    })
    .unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"from this one");
    assert_eq!(names(folder.path()), ["run.json"]);
}

#[test]
fn two_writers_never_take_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open(folder.path()).unwrap();
    let (a, _file) = temporary::create(&dir, Path::new("x")).unwrap();
    let (b, _other) = temporary::create(&dir, Path::new("x")).unwrap();
    assert_ne!(a, b);
    assert!(dir.create(&a).is_err());
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_mode_of_a_replaced_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        for wanted in [0o600, 0o640, 0o444] {
            fs::write(&path, b"old").ok();
            fs::set_permissions(&path, fs::Permissions::from_mode(wanted)).unwrap();
            write_atomic_bytes(&path, b"new").unwrap();
            assert_eq!(mode(&path), wanted);
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let fifo = std::process::Command::new("mkfifo")
            .arg(at("fifo"))
            .status();
        assert!(fifo.unwrap().success());
        fs::create_dir(at("folder")).unwrap();
        for name in ["socket", "fifo", "folder"] {
            let line = write_atomic_bytes(&at(name), b"x").unwrap_err().to_string();
            assert!(line.contains("not a"), "{line}");
            assert!(!fs::symlink_metadata(at(name)).unwrap().is_file());
            // Reading it does not block either.
            let line = read(&at(name), 10, 1).unwrap_err().to_string();
            assert!(line.starts_with("cannot read"), "{line}");
        }
        let line = write_atomic_bytes(Path::new("/dev/null"), b"x").unwrap_err();
        assert!(line.to_string().contains("device"), "{line}");
        assert_eq!(names(folder.path()), ["fifo", "folder", "socket"]);
    }

    #[test]
    fn a_link_is_followed_to_its_file_and_one_that_leads_nowhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("deep")).unwrap();
        fs::write(at("deep/file"), b"old").unwrap();
        symlink("deep/file", at("link")).unwrap();
        write_atomic_bytes(&at("link"), b"new").unwrap();
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(fs::read(at("deep/file")).unwrap(), b"new");
        symlink("nowhere", at("dangling")).unwrap();
        let line = write_atomic_bytes(&at("dangling"), b"x")
            .unwrap_err()
            .to_string();
        assert!(line.contains("leads nowhere"), "{line}");
        assert!(!at("nowhere").exists());
        let line = look(&at("dangling")).unwrap_err().to_string();
        assert!(line.contains("leads nowhere"), "{line}");
    }

    #[test]
    fn a_look_tells_absent_from_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(look(&at("absent")).unwrap().is_none());
        assert!(look(folder.path()).unwrap().unwrap().is_dir());
        fs::write(at("file"), b"x").unwrap();
        // Something other than a folder on the way, a loop of links, a name that is too long.
        symlink("loop", at("loop")).unwrap();
        for path in [at("file/x"), at("loop"), at(&"x".repeat(300))] {
            let line = look(&path).unwrap_err().to_string();
            assert!(line.starts_with("cannot look at "), "{line}");
        }
    }

    #[test]
    fn writes_go_to_the_folder_that_is_locked_and_end_when_it_is_gone() {
        let base = tempfile::tempdir().unwrap();
        let at = |name: &str| base.path().join(name);
        let gone = |lock: &FolderLock| {
            let line = lock.write("a", b"2").unwrap_err().to_string();
            assert!(line.contains("moved, removed or replaced"), "{line}");
            assert!(!line.contains('\n'));
            lock.remove("a").unwrap_err();
        };
        let begin = |name: &str| {
            fs::create_dir(at(name)).unwrap();
            let lock = FolderLock::acquire(&at(name)).unwrap();
            lock.write("a", b"1").unwrap();
            lock
        };
        // The folder is moved, and another folder has its path.
        let lock = begin("run");
        fs::rename(at("run"), at("moved")).unwrap();
        gone(&lock);
        fs::create_dir(at("run")).unwrap();
        gone(&lock);
        assert_eq!(fs::read(at("moved/a")).unwrap(), b"1");
        assert!(names(&at("run")).is_empty());
        // After the folder was moved back, it can be written again.
        fs::remove_dir(at("run")).unwrap();
        fs::rename(at("moved"), at("run")).unwrap();
        lock.write("a", b"3").unwrap();
        assert_eq!(fs::read(at("run/a")).unwrap(), b"3");
        // The folder is removed.
        let lock = begin("other");
        fs::remove_dir_all(at("other")).unwrap();
        gone(&lock);
        // Without the lock file two processes could lock two different files.
        let lock = begin("third");
        fs::remove_file(at("third/.lock")).unwrap();
        gone(&lock);
        FolderLock::acquire(&at("third")).unwrap();
        gone(&lock);
    }

    #[test]
    fn files_of_a_folder_that_moves_are_read_where_it_went() {
        let base = tempfile::tempdir().unwrap();
        let at = |name: &str| base.path().join(name);
        fs::create_dir(at("a")).unwrap();
        fs::write(at("a/x"), b"1").unwrap();
        let dir = Dir::open(&at("a")).unwrap();
        fs::rename(at("a"), at("b")).unwrap();
        assert!(!dir.is_in_place().unwrap());
        let found = read_in(&dir, Path::new("x"), &at("a/x"), (9, 1)).unwrap();
        assert_eq!(found.unwrap(), b"1");
        assert!(
            read_in(&dir, Path::new("y"), &at("a/y"), (9, 1))
                .unwrap()
                .is_none()
        );
    }
}

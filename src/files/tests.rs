//! Atomic writes on the real disk, and the locks.

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
        line.ends_with("is in use by another process; wait for it or choose another --out"),
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
    // It has it only after the drop, however long it takes to get here.
    assert!(receive.try_recv().is_err());
    drop(lock);
    receive.recv().unwrap();
    other.join().unwrap();
    assert!(FolderLock::wait(&folder.path().join("absent")).is_err());
}

#[test]
fn what_killed_writers_left_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str| fs::write(folder.path().join(name), b"x").unwrap();
    let mut kept = vec![
        ".lock",
        ".run.json.7-1",
        ".run.json.7.tmp",
        ".run.json.7-x.tmp",
        ".run.json.-1.tmp",
        ".run.jsonl.7-1.tmp",
        "run.json",
        "run.json.7-1.tmp",
    ];
    for name in &kept {
        put(name);
    }
    put(".run.json.7-1.tmp");
    put(".run.json.4242-17.tmp");
    // A folder of that name is nobody's temporary file, and cannot be removed as one.
    fs::create_dir(folder.path().join(".run.json.7-2.tmp")).unwrap();
    kept.insert(3, ".run.json.7-2.tmp");
    kept.sort_unstable();
    remove_leftovers(&folder.path().join("run.json"));
    assert_eq!(names(folder.path()), kept);
    // Where nothing is, nothing happens.
    remove_leftovers(&folder.path().join("absent/run.json"));
    remove_leftovers(Path::new("/"));
}

#[test]
fn a_look_that_fails_is_not_taken_for_an_absent_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), b"x").unwrap();
    assert!(look(&at("file")).unwrap().unwrap().is_file());
    assert!(look(folder.path()).unwrap().unwrap().is_dir());
    assert!(look(&at("nothing")).unwrap().is_none());
    assert!(look(&at("nothing/below")).unwrap().is_none());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("dangling")).unwrap();
        assert!(look(&at("dangling")).unwrap().is_none());
        for path in [at("loop"), at("file/below")] {
            let line = look(&path).unwrap_err().to_string();
            assert!(
                line.starts_with("cannot look at ") && !line.contains('\n'),
                "{line}"
            );
        }
    }
}

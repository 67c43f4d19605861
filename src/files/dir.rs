//! An open folder. Names are looked up in the open folder itself, even if it is moved or another
//! folder takes its path, so that all files of a run are in the same folder.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::{Disk, cannot_sync};

pub use system::Dir;

impl Dir {
    /// Opens the regular file `name` for reading. A pipe or a device is refused without blocking.
    ///
    /// # Errors
    /// The error of the operating system, or an error for something other than a regular file.
    pub fn open_regular(&self, name: &Path) -> io::Result<File> {
        let file = self.open_to_read(name)?;
        let found = file.metadata()?;
        match found.is_file() {
            true => Ok(file),
            false => Err(Kind::of(&found).refusal()),
        }
    }
}

/// The type of what is in the place of a file.
#[derive(Clone, Debug)]
pub struct Kind {
    what: What,
    /// Permissions, if it is a regular file.
    mode: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Regular,
    Folder,
    Link,
    Other,
}

impl Kind {
    fn of(found: &std::fs::Metadata) -> Self {
        let what = match found {
            f if f.is_file() => What::Regular,
            f if f.is_dir() => What::Folder,
            f if f.is_symlink() => What::Link,
            _ => What::Other,
        };
        #[cfg(unix)]
        let mode = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o7777;
        #[cfg(not(unix))]
        let mode = 0;
        Self { what, mode }
    }

    /// Returns whether it is a regular file.
    pub fn is_regular(&self) -> bool {
        self.what == What::Regular
    }

    /// Returns the error that says why it is neither read nor replaced.
    pub fn refusal(&self) -> io::Error {
        io::Error::other(match self.what {
            What::Regular => "this is a regular file",
            What::Folder => "this is a folder, not a file",
            What::Link => "this is a symbolic link, not a file; put the file itself here",
            What::Other => "this is a pipe, socket or device, not a regular file",
        })
    }

    /// Sets the permissions of another file to those of this one.
    pub fn give_to(&self, file: &File) -> io::Result<()> {
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(self.mode);
            file.set_permissions(mode)?;
        }
        #[cfg(not(unix))]
        let _ = (file, self.mode);
        Ok(())
    }
}

impl Disk for Dir {
    type File = File;

    fn create(&self, name: &Path) -> io::Result<File> {
        let file = self.create_new(name)?;
        // The lock distinguishes a file that is being written from one that a killed writer left.
        // If the file system does not support locks, no file is considered to be left.
        match file.try_lock() {
            Err(std::fs::TryLockError::WouldBlock) => Err(taken()),
            // Another process may have removed the file after it was created and before it was
            // locked.
            Ok(()) if !self.still_names(name, &file)? => Err(taken()),
            _ => Ok(file),
        }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, file: File, from: &Path, to: &Path) -> io::Result<()> {
        // Windows does not rename open files. On other systems the file stays locked until it has
        // its final name.
        #[cfg(windows)]
        drop(file);
        let outcome = self.rename_names(from, to);
        #[cfg(not(windows))]
        drop(file);
        outcome
    }

    fn sync_folder(&self) -> io::Result<()> {
        match self.sync_names() {
            Err(e) if knows_no_sync(&e) => {
                cannot_sync(self.path(), &e);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn remove(&self, name: &Path) -> io::Result<()> {
        self.remove_name(name)
    }
}

fn taken() -> io::Error {
    io::Error::from(io::ErrorKind::AlreadyExists)
}

/// Returns whether the error means that this kind of folder cannot be synced, rather than that
/// syncing failed.
fn knows_no_sync(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

#[cfg(unix)]
mod system {
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::MetadataExt;

    use nix::errno::Errno;
    use nix::fcntl::{AtFlags, OFlag, openat, renameat};
    use nix::sys::stat::{Mode, SFlag, fstatat};
    use nix::unistd::{UnlinkatFlags, unlinkat};

    use super::{File, Kind, Path, PathBuf, What, io};

    /// An open folder, in which names are looked up even if the folder is moved or another one
    /// takes its path.
    #[derive(Debug)]
    pub struct Dir {
        file: File,
        path: PathBuf,
        /// Whether the folder could be opened for reading, which is required for syncing it.
        readable: bool,
    }

    /// Repeats a system call that a signal interrupted.
    fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
        loop {
            match call() {
                Err(Errno::EINTR) => {}
                outcome => return outcome.map_err(io::Error::from),
            }
        }
    }

    impl Dir {
        /// Opens a folder.
        ///
        /// # Errors
        /// The error of the operating system.
        pub fn open(path: &Path) -> io::Result<Self> {
            let open = |flags: OFlag| -> io::Result<OwnedFd> {
                let flags = flags | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                retry(|| nix::fcntl::open(path, flags, Mode::empty()))
            };
            let (fd, readable) = match open(OFlag::O_RDONLY) {
                Ok(fd) => (fd, true),
                // The folder may be searched but not listed.
                #[cfg(target_os = "linux")]
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    (open(OFlag::O_PATH)?, false)
                }
                Err(e) => return Err(e),
            };
            Ok(Self {
                file: File::from(fd),
                path: path.to_path_buf(),
                readable,
            })
        }

        /// Returns the path by which the folder was opened.
        pub fn path(&self) -> &Path {
            &self.path
        }

        /// Returns whether that path still leads to this folder.
        ///
        /// # Errors
        /// Any error of the operating system other than "not found".
        pub fn is_in_place(&self) -> io::Result<bool> {
            let there = match std::fs::metadata(&self.path) {
                Ok(there) => there,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(e) => return Err(e),
            };
            let here = self.file.metadata()?;
            Ok((there.dev(), there.ino()) == (here.dev(), here.ino()))
        }

        fn file(&self, name: &Path, flags: OFlag, mode: u32) -> io::Result<File> {
            let mode = Mode::from_bits_truncate(mode);
            let flags = flags | OFlag::O_CLOEXEC;
            retry(|| openat(&self.file, name, flags, mode)).map(File::from)
        }

        pub(super) fn open_to_read(&self, name: &Path) -> io::Result<File> {
            // Without O_NONBLOCK, opening a pipe blocks until there is a writer.
            self.file(name, OFlag::O_RDONLY | OFlag::O_NONBLOCK, 0)
        }

        pub(super) fn create_new(&self, name: &Path) -> io::Result<File> {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
            self.file(name, flags, 0o666)
        }

        /// Opens the file `name` for writing and creates it if it does not exist; its content is
        /// kept.
        pub(in super::super) fn open_or_create(&self, name: &Path) -> io::Result<File> {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
            let file = self.file(name, flags, 0o666)?;
            let found = file.metadata()?;
            match found.is_file() {
                true => Ok(file),
                false => Err(Kind::of(&found).refusal()),
            }
        }

        /// Returns the type of what has that name, without following links; `None` if there is
        /// nothing.
        ///
        /// # Errors
        /// Any error of the operating system other than "not found".
        pub fn kind(&self, name: &Path) -> io::Result<Option<Kind>> {
            let look = || fstatat(&self.file, name, AtFlags::AT_SYMLINK_NOFOLLOW);
            let found = match retry(look) {
                Ok(found) => found,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(e),
            };
            let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
            let what = match kind {
                SFlag::S_IFREG => What::Regular,
                SFlag::S_IFDIR => What::Folder,
                SFlag::S_IFLNK => What::Link,
                _ => What::Other,
            };
            let mode = found.st_mode & 0o7777;
            Ok(Some(Kind { what, mode }))
        }

        /// Returns whether the name leads to that open file.
        pub(in super::super) fn still_names(&self, name: &Path, file: &File) -> io::Result<bool> {
            let look = || fstatat(&self.file, name, AtFlags::AT_SYMLINK_NOFOLLOW);
            let there = match retry(look) {
                Ok(there) => there,
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(e) => return Err(e),
            };
            let here = file.metadata()?;
            // The types of these numbers differ between operating systems.
            #[allow(clippy::unnecessary_cast, reason = "dev_t and ino_t differ by system")]
            let there = (there.st_dev as u64, there.st_ino as u64);
            Ok(there == (here.dev(), here.ino()))
        }

        pub(super) fn rename_names(&self, from: &Path, to: &Path) -> io::Result<()> {
            retry(|| renameat(&self.file, from, &self.file, to))
        }

        pub(in super::super) fn remove_name(&self, name: &Path) -> io::Result<()> {
            retry(|| unlinkat(&self.file, name, UnlinkatFlags::NoRemoveDir))
        }

        pub(super) fn sync_names(&self) -> io::Result<()> {
            match self.readable {
                true => self.file.sync_all(),
                false => Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "the folder may not be read",
                )),
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::OpenOptions;

    use super::{File, Kind, Path, PathBuf, io};

    /// A folder by its path. On this operating system a folder cannot be held open as a file, so
    /// names are looked up below the folder's path.
    #[derive(Debug)]
    pub struct Dir {
        path: PathBuf,
    }

    impl Dir {
        /// Opens a folder.
        ///
        /// # Errors
        /// The error of the operating system, or an error for something other than a folder.
        pub fn open(path: &Path) -> io::Result<Self> {
            match std::fs::metadata(path)?.is_dir() {
                true => Ok(Self { path: path.into() }),
                false => Err(io::Error::from(io::ErrorKind::NotADirectory)),
            }
        }

        /// Returns the path by which the folder was opened.
        pub fn path(&self) -> &Path {
            &self.path
        }

        /// Returns whether there is still a folder at that path.
        ///
        /// # Errors
        /// Any error of the operating system other than "not found".
        pub fn is_in_place(&self) -> io::Result<bool> {
            match std::fs::metadata(&self.path) {
                Ok(found) => Ok(found.is_dir()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(e) => Err(e),
            }
        }

        pub(super) fn open_to_read(&self, name: &Path) -> io::Result<File> {
            File::open(self.path.join(name))
        }

        pub(super) fn create_new(&self, name: &Path) -> io::Result<File> {
            let mut options = OpenOptions::new();
            options
                .write(true)
                .create_new(true)
                .open(self.path.join(name))
        }

        /// Opens the file `name` for writing and creates it if it does not exist; its content is
        /// kept.
        pub(in super::super) fn open_or_create(&self, name: &Path) -> io::Result<File> {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            options.open(self.path.join(name))
        }

        /// Returns the type of what has that name, without following links; `None` if there is
        /// nothing.
        ///
        /// # Errors
        /// Any error of the operating system other than "not found".
        pub fn kind(&self, name: &Path) -> io::Result<Option<Kind>> {
            match std::fs::symlink_metadata(self.path.join(name)) {
                Ok(found) => Ok(Some(Kind::of(&found))),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(e),
            }
        }

        /// Returns whether the name leads to a file; on this operating system it cannot be checked
        /// which file it is.
        pub(in super::super) fn still_names(&self, name: &Path, _file: &File) -> io::Result<bool> {
            Ok(self.kind(name)?.is_some())
        }

        pub(super) fn rename_names(&self, from: &Path, to: &Path) -> io::Result<()> {
            std::fs::rename(self.path.join(from), self.path.join(to))
        }

        pub(in super::super) fn remove_name(&self, name: &Path) -> io::Result<()> {
            std::fs::remove_file(self.path.join(name))
        }

        /// Does nothing: a folder cannot be opened as a file on this operating system, and the file
        /// itself is synced.
        pub(super) fn sync_names(&self) -> io::Result<()> {
            Ok(())
        }
    }
}

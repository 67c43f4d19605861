//! The SHA-256 of what is read through a reader.

use std::io::{self, Read};
use std::mem;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use sha2::{Digest, Sha256};

use crate::seal::hexadecimal;

/// How many bytes are handed to another thread at a time.
const BLOCK: usize = 1 << 16;

/// How many blocks may wait for that thread: 1 MiB. The reader then waits too.
const QUEUE: usize = 16;

/// A reader that hashes all bytes that are read through it.
pub(super) struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

/// Where the bytes are hashed.
enum Hasher {
    /// On the thread that reads.
    Here(Box<Sha256>),
    /// On a thread of its own, so that a decompressor does not wait for the hash.
    Beside {
        /// Bytes that are not yet a block.
        pending: Vec<u8>,
        blocks: SyncSender<Vec<u8>>,
        /// Blocks that were hashed, to be filled again.
        hashed: Receiver<Vec<u8>>,
        thread: JoinHandle<Sha256>,
    },
}

impl<R: Read> Hashing<R> {
    /// Makes a reader that hashes on the thread that reads.
    pub(super) fn new(inner: R) -> Self {
        let hasher = Hasher::Here(Box::default());
        Self { inner, hasher }
    }

    /// Makes a reader that hashes on another thread. If the program was told to use one thread, or
    /// the system gives no other, it hashes as [`Hashing::new`] does.
    pub(super) fn beside(inner: R) -> Self {
        match (rayon::current_num_threads() > 1).then(Hasher::beside) {
            Some(Ok(hasher)) => Self { inner, hasher },
            Some(Err(_)) | None => Self::new(inner),
        }
    }

    /// Returns the SHA-256 of all bytes that were read, in hexadecimal.
    pub(super) fn sha256(self) -> String {
        let hasher = match self.hasher {
            Hasher::Here(hasher) => *hasher,
            Hasher::Beside {
                pending,
                blocks,
                thread,
                ..
            } => {
                // The thread ends when there is no sender, and never before: it takes every block.
                blocks.send(pending).ok();
                drop(blocks);
                thread.join().unwrap_or_else(|panic| resume_unwind(panic))
            }
        };
        hexadecimal(&hasher.finalize())
    }
}

impl Hasher {
    fn beside() -> io::Result<Self> {
        let (blocks, sent) = sync_channel::<Vec<u8>>(QUEUE);
        let (back, hashed) = channel();
        let hash = move || {
            let mut hasher = Sha256::new();
            for block in sent {
                hasher.update(&block);
                // Nobody takes it back once all was read.
                back.send(block).ok();
            }
            hasher
        };
        Ok(Self::Beside {
            pending: Vec::with_capacity(BLOCK),
            blocks,
            hashed,
            thread: Builder::new().name("sha256".into()).spawn(hash)?,
        })
    }

    fn update(&mut self, mut bytes: &[u8]) {
        match self {
            Self::Here(hasher) => hasher.update(bytes),
            Self::Beside {
                pending,
                blocks,
                hashed,
                ..
            } => {
                while pending.len() + bytes.len() >= BLOCK {
                    let (now, later) = bytes.split_at(BLOCK - pending.len());
                    pending.extend_from_slice(now);
                    let mut next = hashed.try_recv().unwrap_or_default();
                    next.clear();
                    next.reserve_exact(BLOCK);
                    blocks.send(mem::replace(pending, next)).ok();
                    bytes = later;
                }
                pending.extend_from_slice(bytes);
            }
        }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_threads_compute_the_hash_of_the_whole() {
        let all: Vec<u8> = (0..3 * BLOCK + 11).map(|i| (i * i / 7) as u8).collect();
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, all.len()] {
            let bytes = &all[..length];
            let hash = Sha256::digest(bytes);
            let expected: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            for step in [1, 1000, BLOCK, 5 * BLOCK] {
                let hasher = Hasher::beside().unwrap();
                let inner = bytes;
                for mut reader in [Hashing::new(bytes), Hashing { inner, hasher }] {
                    let mut buffer = vec![0; step];
                    while reader.read(&mut buffer).unwrap() > 0 {}
                    assert_eq!(reader.sha256(), expected, "{length} by {step}");
                }
            }
        }
    }

    #[test]
    fn one_thread_is_asked_for_and_one_is_used() {
        for (threads, beside) in [(1, false), (2, true)] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let reader = pool.build().unwrap().install(|| Hashing::beside(&b""[..]));
            assert_eq!(matches!(reader.hasher, Hasher::Beside { .. }), beside);
        }
    }
}

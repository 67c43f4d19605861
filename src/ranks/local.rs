//! Ranks that are threads of one process: what tests run, and what an exchange means.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{Data, Lane, Share, Transport};
use crate::error::{Error, Result};

/// What the parts of an exchange are, while they are exchanged.
#[derive(Clone)]
enum Part {
    F32(Vec<f32>),
    F64(Vec<f64>),
    Bytes(Vec<u8>),
}

/// The exchange under way on a lane.
#[derive(Default)]
struct Table {
    parts: Vec<Option<Part>>,
    /// Ranks that have put their part, and that have taken all.
    put: usize,
    taken: usize,
}

struct Lanes {
    tables: [(Mutex<Table>, Condvar); 2],
    patience: Duration,
}

struct Local {
    share: Share,
    lanes: Arc<Lanes>,
}

/// Returns the transports of `ranks` ranks, one for each thread. A rank that waits longer than
/// `patience` for another one gives up.
pub fn local(ranks: usize, patience: Duration) -> Vec<Arc<dyn Transport>> {
    let table = || Table {
        parts: vec![None; ranks],
        ..Table::default()
    };
    let lanes = Arc::new(Lanes {
        tables: [0, 1].map(|_| (Mutex::new(table()), Condvar::new())),
        patience,
    });
    let transport = |rank| {
        let share = Share::new(rank, ranks);
        let lanes = Arc::clone(&lanes);
        Arc::new(Local { share, lanes }) as Arc<dyn Transport>
    };
    (0..ranks).map(transport).collect()
}

impl Transport for Local {
    fn share(&self) -> Share {
        self.share
    }

    fn all_gather(&self, lane: Lane, mut data: Data<'_>, counts: &[usize]) -> Result<()> {
        let (table, changed) = &self.lanes.tables[usize::from(lane == Lane::Background)];
        let (rank, ranks) = (self.share.rank, self.share.ranks);
        let wait = |table, until: &dyn Fn(&mut Table) -> bool| {
            let waiting = |table: &mut Table| !until(table);
            let patience = self.lanes.patience;
            let (table, late) = changed
                .wait_timeout_while(table, patience, waiting)
                .unwrap_or_else(PoisonError::into_inner);
            match late.timed_out() {
                true => Err(Error::Lost(format!(
                    "rank {rank} of {ranks}: another rank did not answer within {} s",
                    patience.as_secs_f64()
                ))),
                false => Ok(table),
            }
        };
        // The exchange before this one must have been taken by all.
        let now = table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = wait(now, &|table| {
            table.taken == 0 && table.parts[rank].is_none()
        })?;
        now.parts[rank] = Some(part(&data, rank, counts));
        now.put += 1;
        changed.notify_all();
        let mut now = wait(now, &|table| table.put == ranks)?;
        for (from, part) in now.parts.iter().enumerate() {
            if let Some(part) = part {
                copy(part, &mut data, from, counts);
            }
        }
        now.taken += 1;
        if now.taken == ranks {
            (now.put, now.taken) = (0, 0);
            now.parts.fill(None);
        }
        changed.notify_all();
        Ok(())
    }
}

/// Returns a copy of a rank's part.
fn part(data: &Data<'_>, rank: usize, counts: &[usize]) -> Part {
    let first: usize = counts[..rank].iter().sum();
    let range = first..first + counts[rank];
    match data {
        Data::F32(x) => Part::F32(x[range].to_vec()),
        Data::F64(x) => Part::F64(x[range].to_vec()),
        Data::Bytes(x) => Part::Bytes(x[range].to_vec()),
    }
}

/// Copies the part of rank `from` to where it belongs.
///
/// # Panics
/// Panics if the ranks did not call for the same exchange.
fn copy(part: &Part, data: &mut Data<'_>, from: usize, counts: &[usize]) {
    let first: usize = counts[..from].iter().sum();
    let range = first..first + counts[from];
    match (part, data) {
        (Part::F32(part), Data::F32(x)) => x[range].copy_from_slice(part),
        (Part::F64(part), Data::F64(x)) => x[range].copy_from_slice(part),
        (Part::Bytes(part), Data::Bytes(x)) => x[range].copy_from_slice(part),
        _ => panic!("ranks in different exchanges"),
    }
}

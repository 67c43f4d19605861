use std::time::Duration;

use super::*;
use crate::kernels::tree;

const PATIENCE: Duration = Duration::from_secs(20);

/// Runs `work` on that many ranks, each a thread, and returns what each gives.
fn on<T: Send>(count: usize, overlap: bool, work: impl Fn(&Ranks) -> T + Sync) -> Vec<T> {
    let transports = local(count, PATIENCE);
    std::thread::scope(|scope| {
        let work = &work;
        let start = |transport| scope.spawn(move || work(&Ranks::over(transport, overlap)));
        let threads: Vec<_> = transports.into_iter().map(start).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, T>| thread.join().unwrap();
        threads.into_iter().map(join).collect()
    })
}

/// A number whose sums depend on the order of addition.
fn spread(i: usize) -> f32 {
    (i as f32 * 0.37).sin() * 10f32.powi((i * 7 % 13) as i32)
}

#[test]
fn every_rank_gets_all_parts_in_order() {
    for count in [2, 3, 5] {
        let counts: Vec<usize> = (0..count).map(|rank| (rank * 7) % 4).collect();
        let found = on(count, true, |ranks| {
            let before: usize = counts[..ranks.rank()].iter().sum();
            let mut all = vec![0.0; counts.iter().sum()];
            let own = &mut all[before..][..counts[ranks.rank()]];
            own.iter_mut()
                .enumerate()
                .for_each(|(i, x)| *x = (ranks.rank() * 10 + i) as f32);
            ranks.gather(Data::F32(&mut all), &counts);
            let said = ranks.messages(format!("{}", ranks.rank() * 111).as_bytes());
            let first = ranks.from_first(format!("from {}", ranks.rank()).as_bytes());
            ranks.check().unwrap();
            (all, said.unwrap(), first.unwrap())
        });
        let numbers = counts.iter().enumerate();
        let want: Vec<f32> = numbers
            .flat_map(|(rank, &n)| (0..n).map(move |i| (rank * 10 + i) as f32))
            .collect();
        for (all, said, first) in found {
            assert_eq!(all, want);
            let want: Vec<Vec<u8>> = (0..count)
                .map(|rank| format!("{}", rank * 111).into_bytes())
                .collect();
            assert_eq!(said, want);
            assert_eq!(first, b"from 0");
        }
    }
}

#[test]
fn a_sum_is_the_tree_s_on_any_number_of_ranks() {
    let mut differ = 0;
    for leaves in [1, 2, 3, 7, 16, 31, 32] {
        let of_leaf = |leaf: usize, k: usize| spread(leaf * 31 + k);
        let over = |run: Range<usize>, k: usize| {
            let leaf = |i| of_leaf(run.start + i, k);
            tree::fold(run.len(), leaf, |a, b| a + b)
        };
        for count in [1, 2, 3, 4, 8, 40] {
            for overlap in [true, false] {
                let sums = on(count, overlap, |ranks| {
                    let share = ranks.share();
                    let mut total = Vec::new();
                    let node = |node: Range<usize>, sum: &mut [f32]| {
                        for (k, sum) in sum.iter_mut().enumerate() {
                            *sum = over(node.clone(), k);
                        }
                    };
                    for _ in 0..3 {
                        let runs = share.all().map(|share| share.of(leaves));
                        let sum = ranks.begin_sum(leaves, share.of(leaves), runs, 5, node);
                        sum.finish(ranks, |sum| total = sum.to_vec());
                    }
                    ranks.check().unwrap();
                    total
                });
                let want: Vec<f32> = (0..5).map(|k| over(0..leaves, k)).collect();
                // A rank alone has no sum to begin.
                for sum in sums.iter().filter(|_| count > 1) {
                    assert_eq!(*sum, want, "{leaves} leaves, {count} ranks");
                }
                let plain: f32 = (0..leaves).map(|leaf| of_leaf(leaf, 0)).sum();
                differ += usize::from(plain != want[0]);
            }
        }
    }
    assert!(differ > 20, "the test tells no orders apart: {differ}");
}

#[test]
fn traffic_is_what_came_from_others() {
    let found = on(2, true, |ranks| {
        let mut all = [0.0; 5];
        ranks.gather(Data::F32(&mut all), &[2, 3]);
        ranks.gather(Data::Bytes(&mut []), &[0, 0]);
        ranks.traffic()
    });
    let of = |received| Traffic {
        exchanges: 1,
        received,
    };
    assert_eq!(found, [of(12), of(8)]);
}

#[test]
fn a_rank_that_is_gone_fails_the_others_for_good() {
    let mut transports = local(2, Duration::from_millis(50));
    transports.truncate(1);
    let ranks = Ranks::over(transports.remove(0), false);
    let mut all = [7.0, 8.0];
    ranks.gather(Data::F32(&mut all), &[1, 1]);
    let line = ranks.check().unwrap_err().to_string();
    assert_eq!(
        line,
        "rank 0 of 2: another rank did not answer within 0.05 s"
    );
    // Later exchanges return at once, and the failure stays.
    let runs = ranks.share().all().map(|share| share.of(4));
    let sum = ranks.begin_sum(4, 0..2, runs, 3, |_, sum| sum.fill(1.0));
    sum.finish(&ranks, |sum| assert_eq!(sum.len(), 3));
    assert_eq!(ranks.check().unwrap_err().to_string(), line);
    assert!(ranks.messages(b"x").is_err());
}

#[test]
fn shares_cover_everything_once() {
    for count in 1..=20 {
        for pieces in 0..=40 {
            let all: Vec<usize> = Share::new(0, count)
                .all()
                .flat_map(|s| s.of(pieces))
                .collect();
            assert_eq!(all, (0..pieces).collect::<Vec<_>>());
        }
    }
}

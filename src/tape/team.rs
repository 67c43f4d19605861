//! How the threads of a pool share out tasks that last microseconds.
//!
//! A step is some thirty parallel loops in a row, of 10 to 600 µs each. A thread that
//! finds nothing to do between two of them, or at the end of one, soon goes to sleep,
//! and waking it costs as much as a short loop takes. So during a pass nobody sleeps:
//! [`awake`] keeps the other threads looking for work, and in [`share`] who is done
//! first waits for the last task without sleeping. Both give up after a while, so that
//! a thread that the system has taken away is not waited for in vain.
//!
//! **Invariant.** Which thread carries out a task, and when, is left open: a task must
//! depend on nothing but itself.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Rounds of waiting with a processor's pause (some 20 µs), before others get a turn.
const PAUSES: usize = 1000;
/// Rounds of waiting in all (some 2 ms).
const ROUNDS: usize = 5000;

/// Lets some time pass; `false` once it has been enough.
fn pause(round: usize) -> bool {
    if round < PAUSES {
        std::hint::spin_loop();
    } else {
        std::thread::yield_now();
    }
    round < ROUNDS
}

thread_local! {
    /// Which way the loops of this thread went last.
    static INWARD: Cell<bool> = const { Cell::new(false) };
}

/// Carries out every task of two halves of a batch once, on the threads of the pool:
/// every other thread begins with the second half. Each loop goes through its half the
/// other way than the one before, so it begins with the rows that are still in the
/// near caches of its thread.
pub fn share_halves<I>(mut halves: [I; 2], work: impl Fn(I::Item) + Sync)
where
    I: DoubleEndedIterator + ExactSizeIterator + Send,
{
    let inward = !INWARD.replace(!INWARD.get());
    let count = halves[0].len() + halves[1].len();
    let helpers = helpers(count);
    if helpers == 0 {
        if inward {
            halves.into_iter().flatten().for_each(work);
        } else {
            halves.reverse();
            halves.into_iter().flat_map(Iterator::rev).for_each(work);
        }
        return;
    }
    let halves = halves.map(Mutex::new);
    // A thread without tasks of its own takes those that their owner would come to last.
    let take = |half: usize, own: bool| {
        let mut tasks = halves[half].lock().unwrap_or_else(PoisonError::into_inner);
        if (inward == (half == 0)) == own {
            tasks.next()
        } else {
            tasks.next_back()
        }
    };
    let next = |side: usize| take(side, true).or_else(|| take(1 - side, false));
    carry_out(count, helpers, &next, &work);
}

/// Carries out every task once, on the threads of the pool.
pub fn share<I>(tasks: I, work: impl Fn(I::Item) + Sync)
where
    I: ExactSizeIterator + Send,
{
    let count = tasks.len();
    let helpers = helpers(count);
    if helpers == 0 {
        return tasks.for_each(work);
    }
    let tasks = Mutex::new(tasks);
    let next = |_| {
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.next()
    };
    carry_out(count, helpers, &next, &work);
}

/// Threads that can help with so many tasks.
fn helpers(tasks: usize) -> usize {
    rayon::current_num_threads().min(tasks).saturating_sub(1)
}

/// `next(side)` gives the next task of a thread on side 0 or 1.
fn carry_out<T>(
    count: usize,
    helpers: usize,
    next: &(impl Fn(usize) -> Option<T> + Sync),
    work: &(impl Fn(T) + Sync),
) {
    let done = AtomicUsize::new(0);
    let help = |side: usize| {
        while let Some(task) = next(side) {
            work(task);
            done.fetch_add(1, Ordering::Release);
        }
    };
    join(helpers, &help, &|| {
        help(0);
        let mut round = 0;
        while done.load(Ordering::Acquire) < count && pause(round) {
            round += 1;
        }
    });
}

/// `lead` on this thread, `help` on so many others.
fn join(helpers: usize, help: &(dyn Fn(usize) + Sync), lead: &(dyn Fn() + Sync)) {
    if helpers == 0 {
        return lead();
    }
    rayon::join(|| join(helpers - 1, help, lead), || help(helpers % 2));
}

/// Runs `work`, while the other threads of the pool stay awake to help with it.
pub fn awake<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let over = AtomicBool::new(false);
    attended(rayon::current_num_threads() - 1, &over, work)
}

fn attended<R: Send>(helpers: usize, over: &AtomicBool, work: impl FnOnce() -> R + Send) -> R {
    if helpers == 0 {
        let result = work();
        over.store(true, Ordering::Release);
        return result;
    }
    let (result, ()) = rayon::join(|| attended(helpers - 1, over, work), || attend(over));
    result
}

/// Helps until `over`, or until there has been nothing to do for a while.
fn attend(over: &AtomicBool) {
    let mut round = 0;
    while !over.load(Ordering::Acquire) && pause(round) {
        round = match rayon::yield_now() {
            Some(rayon::Yield::Executed) => 0,
            _ => round + 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(threads: usize, work: impl FnOnce() + Send) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(work);
    }

    #[test]
    fn every_task_is_carried_out_once() {
        for threads in [1, 2, 3, 8] {
            on(threads, || {
                for count in [0, 1, 2, 7, 100] {
                    let mut numbers = vec![0; count];
                    awake(|| {
                        share(numbers.iter_mut().enumerate(), |(i, number)| *number += i);
                    });
                    assert_eq!(numbers, (0..count).collect::<Vec<_>>());
                    for _ in 0..2 {
                        let (front, back) = numbers.split_at_mut(count / 3);
                        let halves = [front.iter_mut(), back.iter_mut()];
                        share_halves(halves, |number| *number += 1);
                    }
                    assert_eq!(numbers, (2..count + 2).collect::<Vec<_>>());
                }
            });
        }
    }

    /// Loops within tasks, and tasks that outlast every patience.
    #[test]
    fn loops_within_loops_come_to_an_end() {
        on(3, || {
            let sum = AtomicUsize::new(0);
            awake(|| {
                share(0..6usize, |i| {
                    share(0..5usize, |j| {
                        sum.fetch_add(i * j, Ordering::Relaxed);
                    });
                    if i == 5 {
                        std::thread::sleep(std::time::Duration::from_millis(30));
                    }
                });
            });
            assert_eq!(sum.into_inner(), 150);
        });
    }

    #[test]
    #[should_panic(expected = "task 3")]
    fn a_panic_of_a_task_is_passed_on() {
        on(2, || {
            awake(|| share(0..8usize, |i| assert!(i != 3, "task {i}")));
        });
    }
}

//! Few-shot runs: episodes of training on their way into the network, and evaluations over
//! episodes of characters never seen.

mod embeddings;
mod evaluate;
mod lessons;

pub use evaluate::{FewShotEvaluation, FewShotRecord, FewShotTest};
pub(super) use lessons::Lessons;

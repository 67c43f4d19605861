//! Floor 6: training. What a run is ([`Config`]), the loop that carries it out, in memory
//! ([`train_in_memory`]) or kept in a folder ([`train`], [`RunFolder`]).
//!
//! Nothing here prints: the loop reports [`Event`]s, best weights and checkpoints to an
//! [`Observer`].

mod activity;
mod apply;
mod apply_task;
mod baseline;
mod batch;
mod checkpoint;
mod clip;
mod clock;
mod config;
mod difference;
mod evaluate;
mod event;
mod few_shot;
mod fewest;
mod flips;
mod folder;
mod lints;
mod metrics;
mod model_source;
mod observer;
mod optimiser;
mod partial;
mod partial_model;
mod pixel_choice;
mod placed;
mod record;
mod run;
mod schedule;
mod sign;
mod subject;
mod task;
mod trainer;
mod trouble;
mod verify;

pub use baseline::Baseline;
pub use checkpoint::{Checkpoint, Progress};
pub use config::{Config, MAX_EPOCHS};
pub use evaluate::{Evaluation, Evaluator, Reading};
pub use event::Event;
pub use few_shot::{FewShotEvaluation, FewShotRecord, FewShotTest};
pub use folder::{fit, fit_on, follow, train, train_on};
pub use model_source::{ModelSource, is_preset};
pub use observer::{Best, Observer, State};
pub use optimiser::{Optimiser, OptimiserSpec};
pub use partial::{
    PartialConfig, PartialData, PartialLrSchedule, PartialOptimiser, PartialSlope, PartialTask,
    PartialTemperature,
};
pub use partial_model::PartialModel;
pub use pixel_choice::PixelChoice;
pub use placed::{Placed, firing_name};
pub use record::{EpochRecord, Provenance, TestRecord, processor};
pub use run::{
    BEST, BestWeights, CHECKPOINT, CONFIG, FILES, METRICS, METRICS_CSV, PACKED, RunFolder, TEST,
};
pub use schedule::{LrSchedule, Plateau, SlopeKind, SlopeSchedule, TemperatureSchedule};
pub use sign::{Sign, Trouble};
pub use subject::{DatasetRecord, Subject, slug};
pub use task::{FewShotTask, Task};
pub use trainer::{Trained, train_in_memory, train_in_memory_on};
pub use trouble::Guess;
pub use verify::{Finding, verify};

// Parts of the loop and of its files, public for the program and the tests alone.
#[doc(hidden)]
pub use activity::{Activity, IMAGES as ACTIVITY_IMAGES, Seen, Shares};
#[doc(hidden)]
pub use baseline::BaselineState;
#[doc(hidden)]
pub use flips::{FlipRatio, Flips};
#[doc(hidden)]
pub use metrics::lines as metrics_lines;
#[doc(hidden)]
pub use run::parse_json;
#[doc(hidden)]
pub use verify::{Sealed, seal_run};

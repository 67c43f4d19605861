//! Floor 5: training. What a run is ([`Config`]), the loop that carries it out
//! ([`train`]), and the folder that it leaves behind ([`RunFolder`]).
//!
//! Nothing here prints: the loop reports [`Event`]s to whoever listens.

mod activity;
mod apply;
mod baseline;
mod batch;
mod checkpoint;
mod config;
mod evaluate;
mod event;
mod fewest;
mod flips;
mod metrics;
mod optimiser;
mod partial;
mod partial_model;
mod placed;
mod record;
mod run;
mod schedule;
mod starved;
mod subject;
mod trainer;
mod verify;

pub use activity::{Activity, IMAGES as ACTIVITY_IMAGES, Shares};
pub use baseline::{Baseline, BaselineState};
pub use checkpoint::{Checkpoint, Progress};
pub use config::{Config, MOST_EPOCHS};
pub use evaluate::{Evaluation, Evaluator, Reading};
pub use event::Event;
pub use flips::{FlipRatio, Flips};
pub use metrics::lines as metrics_lines;
pub use optimiser::{Optimiser, OptimiserSpec};
pub use partial::{
    PartialConfig, PartialData, PartialLrSchedule, PartialOptimiser, PartialSlope,
    PartialTemperature,
};
pub use partial_model::{ModelSource, PartialModel, is_preset};
pub use placed::{Placed, firing_name, placement_name};
pub use record::{EpochRecord, Provenance, TestRecord};
pub use run::{
    BEST, BestWeights, CHECKPOINT, CONFIG, FILES, METRICS, METRICS_CSV, PACKED, RunFolder, TEST,
    parse_json,
};
pub use schedule::{LrSchedule, SlopeKind, SlopeSchedule, TemperatureSchedule};
pub use subject::{DatasetRecord, Subject, slug};
pub use trainer::{fit, train};
pub use verify::{Finding, Sealed, seal_run, verify};

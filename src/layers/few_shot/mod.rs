//! The layer [`FewShot`]: the head of a network that learns classes from a few pictures.

mod op;

pub use crate::similarity::{Comparison, Distance, Head};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::layer::{Layer, Recorder, Shapes, values};
use super::tensor_spec::product;
use crate::error::{Error, Result};
use crate::tape::Value;
use crate::tensor::Shape;
use op::FewShotOp;

/// The head of a network that compares queries with a support set. Its input is one
/// embedding a row; its output are the logits of `way` classes.
///
/// The rows of a batch are episodes, one after the other. An episode is its support set,
/// `shot` pictures of each of `way` classes, class by class, and then `queries` queries of
/// each class. With the embeddings `e_ck` of picture `k` of class `c` in the support set,
/// and the similarity `s(q, e) = -a·|q - e|²` (or `a` times the cosine), `a` the scale:
///
/// ```text
/// matching      z_c = log Σ_k exp s(q, e_ck)          softmax(z)_c = attention of class c
/// prototypical  z_c = s(q, 1/K Σ_k e_ck)
/// dq += Σ_c dz_c Σ_k w_ck ∂s/∂q,   de_ck += Σ_q dz_c w_ck ∂s/∂e
///       w_ck = exp(s(q, e_ck) - z_c) for matching; 1/K at the mean for prototypical
/// ```
///
/// With one picture a class both heads are one function. The rows of a support set, and rows
/// behind the last whole episode, have the logits 0 and hand on no gradient of their own:
/// whoever trains gives them no weight. Where an image has several samples, the rows of one
/// sample of all images make the episodes.
///
/// A packed network ends in the embedding, and a support set (`model::Support`) compares.
///
/// Source: Vinyals 2016 (arXiv 1606.04080); Snell 2017 (arXiv 1703.05175).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FewShot {
    /// What the answer is made of.
    pub head: Head,
    /// How far two embeddings are apart.
    pub distance: Distance,
    /// What similarities are multiplied by; the distance's usual scale where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<f32>,
    /// Classes of an episode.
    pub way: usize,
    /// Pictures of a class in the support set.
    pub shot: usize,
    /// Queries of a class.
    pub queries: usize,
}

/// How many classes and pictures an episode has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Classes.
    pub way: usize,
    /// Pictures of a class in the support set.
    pub shot: usize,
    /// Queries of a class.
    pub queries: usize,
}

impl Default for Episode {
    /// The published form: 5 classes, 1 picture of each, 15 queries of each.
    fn default() -> Self {
        Self {
            way: 5,
            shot: 1,
            queries: 15,
        }
    }
}

/// Counts that no machine could hold are the greatest there are: what is too much is refused
/// by whoever is asked for it.
impl Episode {
    /// Pictures of the support set.
    pub fn support(&self) -> usize {
        self.way.saturating_mul(self.shot)
    }

    /// Queries in all.
    pub fn asked(&self) -> usize {
        self.way.saturating_mul(self.queries)
    }

    /// Pictures in all, and so the rows of an episode.
    pub fn rows(&self) -> usize {
        self.support().saturating_add(self.asked())
    }
}

impl Default for FewShot {
    /// A matching network on squared distances and episodes of the published form.
    fn default() -> Self {
        let Episode { way, shot, queries } = Episode::default();
        Self {
            head: Head::default(),
            distance: Distance::default(),
            scale: None,
            way,
            shot,
            queries,
        }
    }
}

impl FewShot {
    /// The geometry of an episode.
    pub fn episode(&self) -> Episode {
        let Self {
            way, shot, queries, ..
        } = *self;
        Episode { way, shot, queries }
    }

    /// How it compares embeddings.
    pub fn comparison(&self) -> Comparison {
        Comparison {
            head: self.head,
            distance: self.distance,
            scale: self.scale(),
        }
    }

    /// What similarities are multiplied by.
    pub fn scale(&self) -> f32 {
        self.scale.unwrap_or_else(|| self.distance.usual_scale())
    }
}

impl Layer for FewShot {
    fn kind(&self) -> &'static str {
        "few_shot"
    }

    fn settled(&self) -> Option<Arc<dyn Layer>> {
        let scale = Some(self.scale());
        self.scale
            .is_none()
            .then(|| -> Arc<dyn Layer> { Arc::new(Self { scale, ..*self }) })
    }

    fn describe(&self) -> String {
        let (head, distance) = (self.head.name(), self.distance.name());
        format!("few-shot head, {head}, {distance}")
    }

    fn output(&self, name: &str, _inputs: &[Shape]) -> Result<Shape> {
        let Episode { way, shot, queries } = self.episode();
        let fail = |what: String| Err(Error::spec(format!("layer {name}: {what}")));
        if way < 2 || shot == 0 || queries == 0 {
            return fail(format!(
                "an episode has 2 classes, 1 picture and 1 query of each at least, not {way}, {shot} and {queries}"
            ));
        }
        let scale = self.scale();
        if !(scale.is_finite() && scale > 0.0) {
            return fail(format!("scale must be above 0, not {scale}"));
        }
        Ok(Shape::vector(way))
    }

    fn memory(&self, shapes: &Shapes, rows: usize, training: bool) -> u64 {
        // Targets and a gradient in double precision, for each of 32 chunks at most.
        let targets = (self.episode().support() as u64).saturating_add(2);
        let scratch = product(&[64, targets, shapes.input().len() as u64 + 1]);
        values(shapes, rows, if training { 2 } else { 1 }).saturating_add(scratch)
    }

    fn record(&self, to: &mut Recorder<'_>, inputs: &[Value]) -> Result<Value> {
        Ok(FewShotOp::record(to.tape, inputs[0], *self))
    }
}

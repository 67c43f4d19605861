//! The op of a [`FewShot`] layer: forward above backward, its gradient check at the foot.

use super::{Episode, FewShot};
use crate::similarity::{Distance, Head, log_sum_exp};
use crate::tape::{Backward, Forward, Op, Tape, Value};
use crate::tensor::Shape;

pub(super) struct FewShotOp {
    head: Head,
    distance: Distance,
    scale: f64,
    episode: Episode,
    /// Numbers of an embedding.
    width: usize,
    scratch: Vec<Scratch>,
}

/// What a chunk of rows works in.
struct Scratch {
    /// What queries are compared with, (targets, width): pictures, or means of classes.
    targets: Vec<f64>,
    /// The row with which the episode begins whose targets these are.
    of: Option<usize>,
    /// The similarities to the targets.
    similar: Vec<f64>,
    grad: Vec<f64>,
}

/// What a row is.
enum Place {
    /// Nothing: a support set in front, or no whole episode.
    Silent,
    /// Picture number `place` of the support set of the episode that begins at `first`.
    Support { first: usize, place: usize },
    /// A query of that episode.
    Query { first: usize },
}

impl FewShotOp {
    /// Records the op over embeddings.
    pub(super) fn record(tape: &mut Tape, x: Value, layer: FewShot) -> Value {
        let (episode, width) = (layer.episode(), tape.shape(x).len());
        let targets = match layer.head {
            Head::Matching => episode.support(),
            Head::Prototypical => episode.way,
        };
        let scratch = || Scratch {
            targets: vec![0.0; targets * width],
            of: None,
            similar: vec![0.0; targets],
            grad: vec![0.0; width],
        };
        let op = Self {
            head: layer.head,
            distance: layer.distance,
            scale: f64::from(layer.scale()),
            episode,
            width,
            scratch: (0..tape.chunks(x)).map(|_| scratch()).collect(),
        };
        tape.push(Box::new(op), &[x], Shape::vector(episode.way))
    }
}

/// The rule of the op, apart from its working memory.
struct Rule<'a> {
    x: &'a [f32],
    images: usize,
    head: Head,
    distance: Distance,
    scale: f64,
    episode: Episode,
    width: usize,
}

impl Rule<'_> {
    fn embedding(&self, row: usize) -> &[f32] {
        &self.x[row * self.width..][..self.width]
    }

    /// What `row` is: the rows of a sample are episodes, one after the other.
    fn place(&self, row: usize) -> Place {
        let (sample, row) = (row / self.images, row % self.images);
        let each = self.episode.rows();
        let (number, place) = (row / each, row % each);
        if (number + 1) * each > self.images {
            return Place::Silent;
        }
        let first = sample * self.images + number * each;
        match place < self.episode.support() {
            true => Place::Support { first, place },
            false => Place::Query { first },
        }
    }

    /// Targets of a class.
    fn each(&self) -> usize {
        match self.head {
            Head::Matching => self.episode.shot,
            Head::Prototypical => 1,
        }
    }

    /// Computes the targets of the episode that begins at row `first`.
    fn prepare(&self, first: usize, s: &mut Scratch) {
        if s.of == Some(first) {
            return;
        }
        s.of = Some(first);
        let (shot, width) = (self.episode.shot, self.width);
        match self.head {
            Head::Matching => {
                let all = &self.x[first * width..][..s.targets.len()];
                for (t, &x) in s.targets.iter_mut().zip(all) {
                    *t = f64::from(x);
                }
            }
            Head::Prototypical => {
                for (c, mean) in s.targets.chunks_exact_mut(width).enumerate() {
                    mean.fill(0.0);
                    for k in 0..shot {
                        let e = self.embedding(first + c * shot + k);
                        for (mean, &e) in mean.iter_mut().zip(e) {
                            *mean += f64::from(e);
                        }
                    }
                    mean.iter_mut().for_each(|mean| *mean /= shot as f64);
                }
            }
        }
    }

    /// The scaled similarities of a query to targets.
    fn similarities(&self, query: &[f32], targets: &[f64], similar: &mut [f64]) {
        for (s, target) in similar.iter_mut().zip(targets.chunks_exact(self.width)) {
            *s = self.scale * self.distance.similarity(query, target);
        }
    }

    /// Turns the similarities to the targets of a class into the weight of each.
    fn weigh(&self, similar: &mut [f64]) {
        let all = log_sum_exp(similar);
        for s in similar {
            *s = libm::exp(*s - all);
        }
    }

    /// Adds the gradient of a query, whose logits have the gradients `dz`.
    fn add_to_query(&self, row: usize, dz: &[f32], s: &mut Scratch) {
        let (query, each, width) = (self.embedding(row), self.each(), self.width);
        self.similarities(query, &s.targets, &mut s.similar);
        let classes = s
            .similar
            .chunks_exact_mut(each)
            .zip(s.targets.chunks_exact(each * width));
        for ((similar, targets), &dz) in classes.zip(dz) {
            self.weigh(similar);
            for (weight, target) in similar.iter().zip(targets.chunks_exact(width)) {
                let by = f64::from(dz) * weight * self.scale;
                self.distance
                    .add_gradient(query, target, by, false, &mut s.grad);
            }
        }
    }

    /// Adds the gradient of a picture of a support set, from all queries of its episode.
    fn add_to_support(&self, (first, place): (usize, usize), dy: &[f32], s: &mut Scratch) {
        let (way, shot, width, each) =
            (self.episode.way, self.episode.shot, self.width, self.each());
        let (class, own) = match self.head {
            Head::Matching => (place / shot, place % shot),
            Head::Prototypical => (place / shot, 0),
        };
        // A picture is a share of its class's mean.
        let share = 1.0 / (shot / each) as f64;
        let targets = &s.targets[class * each * width..][..each * width];
        let similar = &mut s.similar[..each];
        let target = &targets[own * width..][..width];
        let queries = first + self.episode.support()..first + self.episode.rows();
        for row in queries {
            let dz = f64::from(dy[row * way + class]);
            if dz == 0.0 {
                continue;
            }
            let query = self.embedding(row);
            self.similarities(query, targets, similar);
            self.weigh(similar);
            let by = dz * similar[own] * self.scale * share;
            self.distance
                .add_gradient(query, target, by, true, &mut s.grad);
        }
    }
}

impl FewShotOp {
    fn rule<'a>(&self, x: &'a [f32], images: usize) -> Rule<'a> {
        Rule {
            x,
            images,
            head: self.head,
            distance: self.distance,
            scale: self.scale,
            episode: self.episode,
            width: self.width,
        }
    }
}

impl Op for FewShotOp {
    /// A query's loss depends on all rows of its episode.
    fn couples_rows(&self) -> bool {
        true
    }

    fn forward(&mut self, mut cx: Forward<'_>) {
        let y = std::mem::take(&mut cx.y);
        let rule = self.rule(cx.x(0), cx.pass.group.images);
        let (way, each) = (rule.episode.way, rule.each());
        cx.pass.rows.write(y, way, &mut self.scratch, |rows, z, s| {
            s.of = None;
            for (row, z) in rows.zip(z.chunks_exact_mut(way)) {
                let Place::Query { first } = rule.place(row) else {
                    z.fill(0.0);
                    continue;
                };
                rule.prepare(first, s);
                rule.similarities(rule.embedding(row), &s.targets, &mut s.similar);
                for (z, similar) in z.iter_mut().zip(s.similar.chunks_exact(each)) {
                    *z = log_sum_exp(similar) as f32;
                }
            }
        });
    }

    fn backward(&mut self, mut cx: Backward<'_>) {
        let (rule, dy) = (self.rule(cx.x(0), cx.pass.group.images), cx.dy);
        let (way, width) = (rule.episode.way, rule.width);
        let Some(dx) = cx.grads.of(0) else { return };
        dx.add(&mut self.scratch, |rows, dx, s| {
            s.of = None;
            for (row, dx) in rows.zip(dx.chunks_exact_mut(width)) {
                s.grad.fill(0.0);
                match rule.place(row) {
                    Place::Silent => continue,
                    Place::Query { first } => {
                        rule.prepare(first, s);
                        rule.add_to_query(row, &dy[row * way..][..way], s);
                    }
                    Place::Support { first, place } => {
                        rule.prepare(first, s);
                        rule.add_to_support((first, place), dy, s);
                    }
                }
                for (dx, grad) in dx.iter_mut().zip(&s.grad) {
                    *dx += *grad as f32;
                }
            }
        });
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

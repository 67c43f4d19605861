//! Images under way up a gradient: bounded pixels, moved about a little at each step, drawn
//! back to what most pixels are, and smoothed.

use crate::model::Pixels;
use crate::random::{below, between, keyed, purpose};

/// The shape of an image: (height, width, channels).
pub type Sides = (usize, usize, usize);

/// What becomes of the gradient at each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regularised {
    /// How far the step goes, in units of the root mean square of the gradient.
    pub rate: f32,
    /// The share of its distance from the rest that a pixel loses.
    pub decay: f32,
    /// The weight of the total variation, in units of the rate.
    pub smooth: f32,
}

/// One image: numbers from 0 to 1, (height, width, channel).
pub struct Climber {
    sides: Sides,
    /// What pixels of each channel return to.
    rest: Vec<f32>,
    /// The image.
    pub image: Vec<f32>,
    /// By how much it stands aside in this step: rows, columns.
    shift: (i64, i64),
    key: [u64; 3],
    flat: Vec<f32>,
}

impl Climber {
    /// An image at rest but for noise, which `seed`, the channel and the restart address.
    pub fn new(sides: Sides, rest: &[f32], (seed, channel, restart): (u64, usize, usize)) -> Self {
        let key = [seed, channel as u64, restart as u64];
        let mut rng = keyed(&[purpose(b"climbers"), key[0], key[1], key[2]]);
        let numbers = (0..sides.0 * sides.1).flat_map(|_| rest.iter());
        let image = numbers.map(|&rest| {
            // Away from the nearer bound, so that noise is not cut off.
            let room = if rest < 0.5 { 1.0 - rest } else { -rest };
            rest + 0.3 * room * between(&mut rng, 0.0, 1.0)
        });
        Self {
            sides,
            rest: rest.to_vec(),
            image: image.collect(),
            shift: (0, 0),
            key,
            flat: vec![0.0; sides.0 * sides.1 * sides.2],
        }
    }

    /// Draws by how much the image stands aside in that step, at most `most` pixels.
    pub fn stand_aside(&mut self, step: usize, most: usize) {
        let [seed, channel, restart] = self.key;
        let mut rng = keyed(&[purpose(b"jitter\0\0"), seed, channel, restart, step as u64]);
        let mut draw = || below(&mut rng, 2 * most as u64 + 1) as i64 - most as i64;
        self.shift = (draw(), draw());
    }

    /// Where the pixel (y, x) of the network's input is in the image.
    fn at(&self, y: usize, x: usize) -> Option<usize> {
        let (height, width, channels) = self.sides;
        let (y, x) = (y as i64 - self.shift.0, x as i64 - self.shift.1);
        let inside = (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
        inside.then(|| (y as usize * width + x as usize) * channels)
    }

    /// Writes the image as the network takes it.
    pub fn put(&self, pixels: &Pixels, to: &mut [f32]) {
        let (height, width, channels) = self.sides;
        for y in 0..height {
            for x in 0..width {
                let at = self.at(y, x);
                for c in 0..channels {
                    let u = at.map_or(self.rest[c], |at| self.image[at + c]);
                    let (low, high) = (pixels.value(c, 0), pixels.value(c, 255));
                    to[(y * width + x) * channels + c] = low + u * (high - low);
                }
            }
        }
    }

    /// A step along the gradient of the network's input. Where that is 0 everywhere, a step at
    /// random.
    pub fn step(&mut self, pixels: &Pixels, gradient: &[f32], step: usize, by: Regularised) {
        let (height, width, channels) = self.sides;
        self.flat.fill(0.0);
        for y in 0..height {
            for x in 0..width {
                let Some(at) = self.at(y, x) else { continue };
                for c in 0..channels {
                    let scale = pixels.value(c, 255) - pixels.value(c, 0);
                    self.flat[at + c] = scale * gradient[(y * width + x) * channels + c];
                }
            }
        }
        let squares = |of: &[f32]| of.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
        // Units that see little of the image have no gradient elsewhere.
        let there = self.flat.iter().filter(|g| **g != 0.0).count();
        let size = (squares(&self.flat) / there.max(1) as f64).sqrt() as f32;
        if size == 0.0 || !size.is_finite() {
            let [seed, channel, restart] = self.key;
            let mut rng = keyed(&[purpose(b"astray\0\0"), seed, channel, restart, step as u64]);
            let noise = |g: &mut f32| *g = between(&mut rng, -1.0, 1.0);
            self.flat.iter_mut().for_each(noise);
        } else {
            self.flat.iter_mut().for_each(|g| *g /= size);
        }
        variation(&self.image, self.sides, by.smooth, &mut self.flat);
        for (i, (u, g)) in self.image.iter_mut().zip(&self.flat).enumerate() {
            let rest = self.rest[i % channels];
            let moved = *u + by.rate * g;
            *u = (rest + (moved - rest) * (1.0 - by.decay)).clamp(0.0, 1.0);
        }
    }

    /// The image in bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let byte = |u: &f32| (u * 255.0).round() as u8;
        self.image.iter().map(byte).collect()
    }
}

/// Takes `weight` times the gradient of the total variation from `gradient`:
/// `Σ √((u[y+1,x] - u[y,x])² + (u[y,x+1] - u[y,x])² + ε²)`, channel by channel.
fn variation(u: &[f32], (height, width, channels): Sides, weight: f32, gradient: &mut [f32]) {
    const EPS: f32 = 0.02;
    for y in 0..height {
        for x in 0..width {
            for c in 0..channels {
                let at = (y * width + x) * channels + c;
                let down = (y + 1 < height).then(|| at + width * channels);
                let across = (x + 1 < width).then(|| at + channels);
                let step = |to: Option<usize>| to.map_or(0.0, |to| u[to] - u[at]);
                let (dy, dx) = (step(down), step(across));
                let size = (dy * dy + dx * dx + EPS * EPS).sqrt();
                for (to, d) in [(down, dy), (across, dx)] {
                    let Some(to) = to else { continue };
                    gradient[to] -= weight * d / size;
                    gradient[at] += weight * d / size;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_variation_goes_down_along_its_gradient() {
        let sides = (5, 4, 2);
        let mut rng = keyed(&[3]);
        let u: Vec<f32> = (0..40).map(|_| between(&mut rng, 0.0, 1.0)).collect();
        let value = |u: &[f32]| {
            let mut sum = 0f64;
            for i in 0..40 {
                let (c, x, y) = (i % 2, i / 2 % 4, i / 8);
                let of = |y: usize, x: usize| f64::from(u[(y * 4 + x) * 2 + c]);
                let dy = if y < 4 { of(y + 1, x) - of(y, x) } else { 0.0 };
                let dx = if x < 3 { of(y, x + 1) - of(y, x) } else { 0.0 };
                sum += (dy * dy + dx * dx + 0.0004).sqrt();
            }
            sum
        };
        let mut gradient = vec![0.0; 40];
        variation(&u, sides, 1.0, &mut gradient);
        for i in 0..40 {
            let (mut more, mut less) = (u.clone(), u.clone());
            (more[i], less[i]) = (u[i] + 1e-3, u[i] - 1e-3);
            let numeric = (value(&more) - value(&less)) / 2e-3;
            assert!(
                (numeric + f64::from(gradient[i])).abs() < 2e-2,
                "{i}: {numeric}"
            );
        }
    }

    #[test]
    fn gradients_come_back_to_where_the_image_stood() {
        let pixels = Pixels::normalised(0.0, 0.5);
        let mut climber = Climber::new((3, 3, 1), &[0.0], (1, 2, 3));
        climber.image = vec![0.0; 9];
        climber.image[4] = 1.0;
        climber.shift = (1, -1);
        let mut x = vec![0.0; 9];
        climber.put(&pixels, &mut x);
        assert_eq!(x[6], 2.0, "the middle stands one down and one to the left");
        assert_eq!(x.iter().filter(|x| **x != 0.0).count(), 1);
        let mut gradient = vec![0.0; 9];
        gradient[6] = -7.0;
        let by = Regularised {
            rate: 0.25,
            decay: 0.0,
            smooth: 0.0,
        };
        climber.step(&pixels, &gradient, 0, by);
        assert_eq!(climber.image[4], 0.75);
        // Pixels stay within their bounds, and return to rest.
        climber.step(&pixels, &[9.0; 9], 1, Regularised { rate: 5.0, ..by });
        assert!(climber.image.iter().all(|u| (0.0..=1.0).contains(u)));
        let by = Regularised {
            rate: 0.0,
            decay: 0.5,
            smooth: 0.0,
        };
        climber.step(&pixels, &gradient, 2, by);
        assert!(climber.image.iter().all(|u| *u <= 0.5));
    }
}

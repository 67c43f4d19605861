//! Element-wise functions, written once and compiled for every instruction set.
//!
//! Images are stored as (height, width, channel), so a per-channel function has its channels in
//! neighbouring lanes. No function fuses a multiplication with an addition, and a reduction has one
//! accumulator per channel for any vector width. Therefore all instruction sets give the same bits.
//!
//! Gradient functions *add* to their last argument, as all backward passes do.

use super::bit_loss::loss_differences_of;
pub use super::depthwise::Taps;
use super::depthwise::{taps_product_of, taps_transposed_of};
#[cfg(test)]
pub(crate) use super::math::logit;
use super::math::sqrt;
#[cfg_attr(not(feature = "std"), allow(unused_imports))]
pub(crate) use super::math::{exp, ln, logistic, relaxed};
use super::norm_pool::{norm_max_pool_grad_of, norm_max_pool_of};
pub use super::pool::Pool;
use super::pool::{max_pool_grad_of, max_pool_of};
use super::prelu::{prelu_grad_of, prelu_of, prelu_sums_of};

/// Settings of an [`Elementwise::sgd`] step, as in `torch.optim.SGD`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f32,
    /// Momentum factor; 0 for no momentum.
    pub momentum: f32,
    /// Whether Nesterov momentum is used.
    pub nesterov: bool,
    /// Factor of the L2 penalty, which is added to the gradient.
    pub weight_decay: f32,
}

/// Settings of an [`Elementwise::adam`] step, as in `torch.optim.Adam` and `AdamW`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Learning rate.
    pub lr: f32,
    /// Decay rate of the first moment.
    pub beta1: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// Number that is added to the denominator.
    pub eps: f32,
    /// Factor of the L2 penalty (Adam), or decay rate of the weights (AdamW).
    pub weight_decay: f32,
    /// Whether the weight decay is decoupled from the gradient (AdamW).
    pub decoupled: bool,
    /// Bias correction `1 - beta1^t` of the first moment, at step `t` counted from 1.
    pub correction1: f32,
    /// Bias correction `1 - beta2^t` of the second moment, at step `t` counted from 1.
    pub correction2: f32,
}

/// Momentum of a smaller magnitude is set to 0. If gradients stay zero, momentum would otherwise
/// decay to subnormal numbers and stay there (0.9 times one of the smallest rounds to itself), and
/// arithmetic with subnormal numbers is a hundred times slower on many processors. The limit times
/// a learning rate is still a normal number, and the change is lost in rounding for every weight
/// above about 1e-20.
pub const TINY: f32 = 1e-30;

/// Returns `x`, or 0 if its magnitude is below `least`.
#[inline(always)]
fn flushed(x: f32, least: f32) -> f32 {
    if x.abs() < least { 0.0 } else { x }
}

/// Declares the bodies, the table of function pointers, and the macro `functions`, which compiles
/// the bodies for an instruction set: `functions!(["features"])`. A macro cannot write `$` for the
/// arguments of a macro that it declares, so `$` is passed as an argument.
macro_rules! table {
    ($d:tt $( $(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $body:block )*) => {
        pub(super) mod body {
            use super::*;
            $( #[inline(always)] pub(in crate::kernels) fn $name($($arg: $ty),*) $body )*
        }

        /// The element-wise functions of one instruction set. The comment of each field states its
        /// formula and the order of its arguments.
        pub struct Elementwise { $( $(#[$doc])* pub $name: fn($($ty),*), )* }

        macro_rules! functions {
            ($d features:tt) => {{
                use $crate::kernels::elementwise::{Adam, Elementwise, Pool, Sgd, Taps, body};
                $crate::kernels::compile::compiled! { $d features
                    $( fn $name($($arg: $ty),*) = body::$name; )*
                }
                Elementwise { $( $name, )* }
            }};
        }
        pub(super) use functions;
    };
}

/// Runs `$call` with the number of channels as a constant for common numbers, so that the
/// accumulators stay in registers; `0` stands for any number.
macro_rules! by_channels {
    ($channels:expr, $f:ident($($arg:expr),*)) => {
        match $channels {
            8 => $f::<8>($($arg),*),
            16 => $f::<16>($($arg),*),
            32 => $f::<32>($($arg),*),
            64 => $f::<64>($($arg),*),
            _ => $f::<0>($($arg),*),
        }
    };
}

table! { $
    /// `y += x`. Arguments `(x, y)`.
    fn add(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }

    /// `y = x · scale[c] + shift[c]`, rounded after each operation. Arguments `(x, scale, shift,
    /// y)`; x and y have the shape (pixels, channels).
    fn affine(x: &[f32], scale: &[f32], shift: &[f32], y: &mut [f32]) {
        by_channels!(scale.len(), affine_of(x, scale, shift, y));
    }

    /// `sum[c] += Σ (x - origin[c])`, `squares[c] += Σ (x - origin[c])²`. Arguments `(x, origin,
    /// sum, squares)`; x has the shape (pixels, channels).
    fn channel_sums(x: &[f32], origin: &[f32], sum: &mut [f32], squares: &mut [f32]) {
        by_channels!(origin.len(), channel_sums_of(x, origin, sum, squares));
    }

    /// `sum[c] += Σ dy`, `dot[c] += Σ dy · (x - mean[c])`: the sums in the gradient of batch norm.
    /// Arguments `(x, mean, dy, sum, dot)`.
    fn batch_norm_sums(x: &[f32], mean: &[f32], dy: &[f32], sum: &mut [f32], dot: &mut [f32]) {
        by_channels!(mean.len(), batch_norm_sums_of(x, mean, dy, sum, dot));
    }

    /// `dx += a[c] · dy + b[c] · x + d[c]`: the gradient of batch norm. Arguments `(x, dy, a, b, d,
    /// dx)`.
    fn batch_norm_grad(x: &[f32], dy: &[f32], a: &[f32], b: &[f32], d: &[f32], dx: &mut [f32]) {
        by_channels!(a.len(), batch_norm_grad_of(x, dy, a, b, d, dx));
    }

    /// Maximum of each window, and the index of its pixel within the window, row by row; the first
    /// among equals, and a NaN counts as the maximum, as in PyTorch. Arguments `(pool, x, y,
    /// index)`.
    fn max_pool(pool: &Pool, x: &[f32], y: &mut [f32], index: &mut [u8]) {
        max_pool_of(pool, x, y, index);
    }

    /// Adds each `dy` to the pixel of the maximum. Arguments `(pool, dy, index, dx)`.
    fn max_pool_grad(pool: &Pool, dy: &[f32], index: &[u8], dx: &mut [f32]) {
        max_pool_grad_of(pool, dy, index, dx);
    }

    /// [`Self::affine`], then [`Self::max_pool`], for a pool that [can be fused](Pool::fuses); `at`
    /// is the input `x` of each maximum. Arguments `(pool, x, scale, shift, y, at)`.
    fn norm_max_pool(
        pool: &Pool,
        x: &[f32],
        scale: &[f32],
        shift: &[f32],
        y: &mut [f32],
        at: &mut [f32],
    ) {
        norm_max_pool_of(pool, x, scale, shift, y, at);
    }

    /// [`Self::max_pool_grad`], then [`Self::batch_norm_grad`]; adds to `dx` or assigns it.
    /// Arguments `(pool, x, (at, dy), (a, b, d), add, dx)`.
    fn norm_max_pool_grad(
        pool: &Pool,
        x: &[f32],
        top: (&[f32], &[f32]),
        factors: (&[f32], &[f32], &[f32]),
        add: bool,
        dx: &mut [f32],
    ) {
        norm_max_pool_grad_of(pool, x, top, factors, add, dx);
    }

    /// `y[p][c] (+)= Σ_t a[start(p) + offset(t)][c] · w[t][c]`, either added to `y`, or assigned
    /// with the bias as the first term. Arguments `(taps, a, w, bias, add, y)`; [`Taps`] describes
    /// the shapes.
    fn taps_product(
        taps: &Taps,
        a: &[f32],
        w: &[f32],
        bias: Option<&[f32]>,
        add: bool,
        y: &mut [f32],
    ) {
        taps_product_of(taps, a, w, bias, add, y);
    }

    /// `d[t][c] += Σ_p a[start(p) + offset(t)][c] · g[p][c]`. Arguments `(taps, a, g, d)`.
    fn taps_transposed(taps: &Taps, a: &[f32], g: &[f32], d: &mut [f32]) {
        taps_transposed_of(taps, a, g, d);
    }

    /// `y = max(x, 0)`, NaN for NaN. Arguments `(x, y)`.
    fn relu(x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = if x < 0.0 { 0.0 } else { x };
        }
    }

    /// `dx += dy · [x > 0]`. Arguments `(x, dy, dx)`.
    fn relu_grad(x: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
            *dx += if x > 0.0 { dy } else { 0.0 };
        }
    }

    /// `y = x` if `x > 0`, else `slope[c] · x`. Arguments `(x, slope, y)`; x has the shape (pixels,
    /// channels).
    fn prelu(x: &[f32], slope: &[f32], y: &mut [f32]) {
        prelu_of(x, slope, y);
    }

    /// `dx += dy` if `x > 0`, else `dx += slope[c] · dy`. Arguments `(x, dy, slope, dx)`.
    fn prelu_grad(x: &[f32], dy: &[f32], slope: &[f32], dx: &mut [f32]) {
        prelu_grad_of(x, dy, slope, dx);
    }

    /// `sum[c] += Σ dy · x · [x <= 0]`, the gradient of the slope. Arguments `(x, dy, sum)`.
    fn prelu_sums(x: &[f32], dy: &[f32], sum: &mut [f32]) {
        prelu_sums_of(x, dy, sum);
    }

    /// `y = (clip(slope · x, -1, 1) + 1) / 2`. Arguments `(slope, x, y)`.
    fn hard_sigmoid(slope: f32, x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = ((slope * x).clamp(-1.0, 1.0) + 1.0) * 0.5;
        }
    }

    /// `dx += dy · slope / 2 · [|slope · x| < 1]`. Arguments `(slope, x, dy, dx)`.
    fn hard_sigmoid_grad(slope: f32, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let half = slope * 0.5;
        for ((dx, &dy), &x) in dx.iter_mut().zip(dy).zip(x) {
            *dx += if (slope * x).abs() < 1.0 { dy * half } else { 0.0 };
        }
    }

    /// `y = 1 / (1 + exp(-slope · x))`, 0 if `slope · x < -69`. Arguments `(slope, x, y)`.
    fn sigmoid(slope: f32, x: &[f32], y: &mut [f32]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = logistic(slope * x);
        }
    }

    /// `dx += dy · slope · y (1 - y)` with the `y` of [`Self::sigmoid`]. Arguments `(slope, y, dy,
    /// dx)`.
    fn sigmoid_grad(slope: f32, y: &[f32], dy: &[f32], dx: &mut [f32]) {
        for ((dx, &dy), &y) in dx.iter_mut().zip(dy).zip(y) {
            *dx += dy * (slope * (y * (1.0 - y)));
        }
    }

    /// `h = [x > 0]`, the bit of a deterministic binary unit. Arguments `(x, h)`.
    fn step(x: &[f32], h: &mut [f32]) {
        for (h, &x) in h.iter_mut().zip(x) {
            *h = if x > 0.0 { 1.0 } else { 0.0 };
        }
    }

    /// `h = [u < p]`, a Bernoulli sample from a uniform `u`. Arguments `(p, u, h)`.
    fn bernoulli(p: &[f32], u: &[f32], h: &mut [f32]) {
        for ((h, &p), &u) in h.iter_mut().zip(p).zip(u) {
            *h = if u < p { 1.0 } else { 0.0 };
        }
    }

    /// `r = σ((slope · x - logit u) / temperature)`, a relaxed bit of the uniform `u`. Arguments
    /// `((slope, temperature), x, u, r)`.
    fn relaxed_bits(factors: (f32, f32), x: &[f32], u: &[f32], r: &mut [f32]) {
        for ((r, &x), &u) in r.iter_mut().zip(x).zip(u) {
            *r = relaxed(factors.0, factors.1, x, u);
        }
    }

    /// `d_i = L[h_i = 1] - L[h_i = 0]`, with all other bits unchanged, for the loss `L = log Σ_j
    /// exp z_j - z_label` of logits `z = b + W·h`. Arguments `(z, label, h, w, d)`; w has the shape
    /// (logits, units).
    fn loss_differences(z: &[f32], label: usize, h: &[f32], w: &[f32], d: &mut [f32]) {
        loss_differences_of(z, label, h, w, d);
    }

    /// One step of SGD, as in `torch.optim.SGD`. Arguments `(settings, gradient, momentum,
    /// weight)`. A momentum below [`TINY`] becomes 0.
    fn sgd(s: &Sgd, grad: &[f32], buffer: &mut [f32], weight: &mut [f32]) {
        for ((w, b), &g) in weight.iter_mut().zip(buffer).zip(grad) {
            let g = g + s.weight_decay * *w;
            *b = flushed(s.momentum * *b + g, TINY);
            let step = if s.nesterov { g + s.momentum * *b } else { *b };
            *w -= s.lr * step;
        }
    }

    /// One step of Adam or AdamW, as in PyTorch. Arguments `(settings, gradient, first moment,
    /// second moment, weight)`. A first moment below [`TINY`] becomes 0, and so does a second
    /// moment that is subnormal.
    fn adam(s: &Adam, grad: &[f32], m: &mut [f32], v: &mut [f32], weight: &mut [f32]) {
        let rate = s.lr / s.correction1;
        let root = sqrt(s.correction2);
        let (decay, penalty) = if s.decoupled {
            (1.0 - s.lr * s.weight_decay, 0.0)
        } else {
            (1.0, s.weight_decay)
        };
        for (((w, m), v), &g) in weight.iter_mut().zip(m).zip(v).zip(grad) {
            let g = g + penalty * *w;
            *m = flushed(*m + (g - *m) * (1.0 - s.beta1), TINY);
            *v = flushed(*v * s.beta2 + (1.0 - s.beta2) * (g * g), f32::MIN_POSITIVE);
            *w = *w * decay - rate * (*m / (sqrt(*v) / root + s.eps));
        }
    }
}

/// Returns the number of channels: `C`, or `channels` if `C` is 0.
#[inline(always)]
fn count<const C: usize>(channels: usize) -> usize {
    if C == 0 { channels } else { C }
}

#[inline(always)]
fn affine_of<const C: usize>(x: &[f32], scale: &[f32], shift: &[f32], y: &mut [f32]) {
    let c = count::<C>(scale.len());
    let (scale, shift) = (&scale[..c], &shift[..c]);
    for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
        for i in 0..c {
            y[i] = x[i] * scale[i] + shift[i];
        }
    }
}

#[inline(always)]
fn channel_sums_of<const C: usize>(x: &[f32], origin: &[f32], sum: &mut [f32], sq: &mut [f32]) {
    let c = count::<C>(origin.len());
    let origin = &origin[..c];
    if C == 0 {
        let (sum, sq) = (&mut sum[..c], &mut sq[..c]);
        for x in x.chunks_exact(c) {
            for i in 0..c {
                let d = x[i] - origin[i];
                sum[i] += d;
                sq[i] += d * d;
            }
        }
        return;
    }
    // Local arrays of constant length stay in registers.
    let (mut s, mut q) = ([0.0f32; C], [0.0f32; C]);
    s.copy_from_slice(&sum[..c]);
    q.copy_from_slice(&sq[..c]);
    for x in x.chunks_exact(c) {
        for i in 0..c {
            let d = x[i] - origin[i];
            s[i] += d;
            q[i] += d * d;
        }
    }
    sum[..c].copy_from_slice(&s);
    sq[..c].copy_from_slice(&q);
}

#[inline(always)]
fn batch_norm_sums_of<const C: usize>(
    x: &[f32],
    mean: &[f32],
    dy: &[f32],
    sum: &mut [f32],
    dot: &mut [f32],
) {
    let c = count::<C>(mean.len());
    let mean = &mean[..c];
    if C == 0 {
        let (sum, dot) = (&mut sum[..c], &mut dot[..c]);
        for (x, dy) in x.chunks_exact(c).zip(dy.chunks_exact(c)) {
            for i in 0..c {
                sum[i] += dy[i];
                dot[i] += dy[i] * (x[i] - mean[i]);
            }
        }
        return;
    }
    let (mut s, mut q) = ([0.0f32; C], [0.0f32; C]);
    s.copy_from_slice(&sum[..c]);
    q.copy_from_slice(&dot[..c]);
    for (x, dy) in x.chunks_exact(c).zip(dy.chunks_exact(c)) {
        for i in 0..c {
            s[i] += dy[i];
            q[i] += dy[i] * (x[i] - mean[i]);
        }
    }
    sum[..c].copy_from_slice(&s);
    dot[..c].copy_from_slice(&q);
}

#[inline(always)]
fn batch_norm_grad_of<const C: usize>(
    x: &[f32],
    dy: &[f32],
    a: &[f32],
    b: &[f32],
    d: &[f32],
    dx: &mut [f32],
) {
    let c = count::<C>(a.len());
    let (a, b, d) = (&a[..c], &b[..c], &d[..c]);
    for ((dx, dy), x) in dx
        .chunks_exact_mut(c)
        .zip(dy.chunks_exact(c))
        .zip(x.chunks_exact(c))
    {
        for i in 0..c {
            dx[i] += (a[i] * dy[i] + b[i] * x[i]) + d[i];
        }
    }
}

//! PReLU, a rectifier with a learned slope below zero for each channel: the bodies of three
//! functions of [`super::Elementwise`].

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over one length: the form that becomes vectors"
)]

#[inline(always)]
pub(super) fn prelu_of(x: &[f32], slope: &[f32], y: &mut [f32]) {
    let c = slope.len();
    for (x, y) in x.chunks_exact(c).zip(y.chunks_exact_mut(c)) {
        for i in 0..c {
            y[i] = if x[i] > 0.0 { x[i] } else { slope[i] * x[i] };
        }
    }
}

#[inline(always)]
pub(super) fn prelu_grad_of(x: &[f32], dy: &[f32], slope: &[f32], dx: &mut [f32]) {
    let c = slope.len();
    let pixels = x.chunks_exact(c).zip(dy.chunks_exact(c));
    for ((x, dy), dx) in pixels.zip(dx.chunks_exact_mut(c)) {
        for i in 0..c {
            dx[i] += if x[i] > 0.0 { dy[i] } else { slope[i] * dy[i] };
        }
    }
}

#[inline(always)]
pub(super) fn prelu_sums_of(x: &[f32], dy: &[f32], sum: &mut [f32]) {
    let c = sum.len();
    for (x, dy) in x.chunks_exact(c).zip(dy.chunks_exact(c)) {
        for i in 0..c {
            sum[i] += if x[i] > 0.0 { 0.0 } else { dy[i] * x[i] };
        }
    }
}

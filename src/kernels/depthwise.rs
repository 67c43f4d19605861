//! Products of windows and weights for each channel separately, as in depthwise convolutions; the
//! bodies of two functions of [`super::Elementwise`].
//!
//! ```text
//! forwards     y[p][c] (+)= Σ_t a[start(p) + offset(t)][c] · w[t][c]    (+ bias[c])
//! transposed   d[t][c]  +=  Σ_p a[start(p) + offset(t)][c] · g[p][c]
//! ```
//!
//! Channels are in neighbouring lanes. The accumulators of a block of channels stay in registers:
//! for up to eight windows while their taps are added, or for a few taps while the windows are
//! added.

#![allow(
    clippy::needless_range_loop,
    reason = "index loops over constants: the form that stays in registers"
)]

/// The numbers of channels of `a`, `w` and `d` are multiples of this.
pub const LANES: usize = 8;

/// The windows over an image with its border, and the taps of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taps {
    /// Number of rows of windows.
    pub rows: usize,
    /// Number of columns of windows; window `p` is at row `p / cols`, column `p % cols`.
    pub cols: usize,
    /// Distance from a window to the one below, in elements.
    pub row_step: usize,
    /// Distance from a window to the one on its right, in elements.
    pub col_step: usize,
    /// Number of rows of taps.
    pub down: usize,
    /// Number of columns of taps; tap `t` is at row `t / across`, column `t % across`.
    pub across: usize,
    /// Distance from a tap to the one below, in elements.
    pub down_step: usize,
    /// Distance from a tap to the one on its right, in elements.
    pub across_step: usize,
    /// Number of channels of `y`, `g` and the bias; further channels of `a` and `w` are 0.
    pub channels: usize,
}

impl Taps {
    /// Returns the number of channels of `a`, `w` and `d`.
    pub fn lanes(&self) -> usize {
        self.channels.next_multiple_of(LANES)
    }

    /// Returns the number of taps of a window.
    pub fn count(&self) -> usize {
        self.down * self.across
    }

    fn offset(&self, u: usize, v: usize) -> usize {
        u * self.down_step + v * self.across_step
    }
}

/// Returns the first `L` elements of a slice.
#[inline(always)]
fn first<const L: usize>(x: &[f32]) -> &[f32; L] {
    x.first_chunk().expect("a block lies within its image")
}

/// Returns `sum + x · w`, rounded after each operation.
#[inline(always)]
fn more<const L: usize>(sum: &[f32; L], x: &[f32; L], w: &[f32; L]) -> [f32; L] {
    let mut out = [0.0; L];
    for i in 0..L {
        out[i] = sum[i] + x[i] * w[i];
    }
    out
}

/// Returns the first `L` elements of a slice of `live` channels, followed by zeros.
#[inline(always)]
fn some<const L: usize>(x: &[f32], live: usize) -> [f32; L] {
    if live >= L {
        return *first(x);
    }
    let mut numbers = [0.0; L];
    for (number, &x) in numbers.iter_mut().zip(&x[..live]) {
        *number = x;
    }
    numbers
}

/// Implements [`super::Elementwise::taps_product`]; with `add` the sums start with the content of
/// `y`, and there is no bias.
#[inline(always)]
pub(super) fn taps_product_of(
    taps: &Taps,
    a: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    add: bool,
    y: &mut [f32],
) {
    let mut c = 0;
    while c < taps.lanes() {
        if taps.lanes() - c >= 2 * LANES {
            product_block::<{ 2 * LANES }>(taps, c, a, w, bias, add, y);
            c += 2 * LANES;
        } else {
            product_block::<LANES>(taps, c, a, w, bias, add, y);
            c += LANES;
        }
    }
}

/// Computes the channels `c` to `c + L`.
#[inline(always)]
fn product_block<const L: usize>(
    taps: &Taps,
    c: usize,
    a: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    add: bool,
    y: &mut [f32],
) {
    let (channels, live) = (taps.channels, L.min(taps.channels - c));
    let bias = bias.map_or([0.0; L], |bias| some(&bias[c..], live));
    let w = &w[c..];
    for row in 0..taps.rows {
        let a = &a[row * taps.row_step + c..];
        let y = &mut y[row * taps.cols * channels..][..taps.cols * channels];
        let mut col = 0;
        while col < taps.cols {
            let (a, y) = (&a[col * taps.col_step..], &mut y[col * channels + c..]);
            col += match taps.cols - col {
                8.. => product_tile::<L, 8>(taps, a, w, &bias, (add, live), y),
                7 => product_tile::<L, 7>(taps, a, w, &bias, (add, live), y),
                4..=6 => product_tile::<L, 4>(taps, a, w, &bias, (add, live), y),
                2 | 3 => product_tile::<L, 2>(taps, a, w, &bias, (add, live), y),
                _ => product_tile::<L, 1>(taps, a, w, &bias, (add, live), y),
            };
        }
    }
}

/// Computes up to `P` neighbouring windows; returns their number.
#[inline(always)]
fn product_tile<const L: usize, const P: usize>(
    taps: &Taps,
    a: &[f32],
    w: &[f32],
    bias: &[f32; L],
    (add, live): (bool, usize),
    y: &mut [f32],
) -> usize {
    let mut sums = [*bias; P];
    if add {
        for p in 0..P {
            sums[p] = some(&y[p * taps.channels..], live);
        }
    }
    for u in 0..taps.down {
        for v in 0..taps.across {
            let w: &[f32; L] = first(&w[(u * taps.across + v) * taps.lanes()..]);
            let a = &a[taps.offset(u, v)..];
            for p in 0..P {
                let x: &[f32; L] = first(&a[p * taps.col_step..]);
                sums[p] = more(&sums[p], x, w);
            }
        }
    }
    for p in 0..P {
        y[p * taps.channels..][..live].copy_from_slice(&sums[p][..live]);
    }
    P
}

/// Implements [`super::Elementwise::taps_transposed`].
#[inline(always)]
pub(super) fn taps_transposed_of(taps: &Taps, a: &[f32], g: &[f32], d: &mut [f32]) {
    let mut c = 0;
    while c < taps.lanes() {
        if taps.lanes() - c >= 2 * LANES {
            transposed_block::<{ 2 * LANES }>(taps, c, a, g, d);
            c += 2 * LANES;
        } else {
            transposed_block::<LANES>(taps, c, a, g, d);
            c += LANES;
        }
    }
}

/// Computes the channels `c` to `c + L`, up to five taps of a row at a time.
#[inline(always)]
fn transposed_block<const L: usize>(taps: &Taps, c: usize, a: &[f32], g: &[f32], d: &mut [f32]) {
    for u in 0..taps.down {
        let mut v = 0;
        while v < taps.across {
            let a = &a[taps.offset(u, v) + c..];
            let d = &mut d[(u * taps.across + v) * taps.lanes() + c..];
            let g = &g[c..];
            v += match taps.across - v {
                1 => transposed_tile::<L, 1>(taps, c, a, g, d),
                2 => transposed_tile::<L, 2>(taps, c, a, g, d),
                3 => transposed_tile::<L, 3>(taps, c, a, g, d),
                4 => transposed_tile::<L, 4>(taps, c, a, g, d),
                5 => transposed_tile::<L, 5>(taps, c, a, g, d),
                // Six taps are split into 3 + 3, seven into 4 + 3.
                6 => transposed_tile::<L, 3>(taps, c, a, g, d),
                _ => transposed_tile::<L, 4>(taps, c, a, g, d),
            };
        }
    }
}

/// Computes up to `T` neighbouring taps, adding the sums of a row of windows to those of the rows
/// before; returns their number.
#[inline(always)]
fn transposed_tile<const L: usize, const T: usize>(
    taps: &Taps,
    c: usize,
    a: &[f32],
    g: &[f32],
    d: &mut [f32],
) -> usize {
    let (channels, live) = (taps.channels, L.min(taps.channels - c));
    let mut all = [[0.0f32; L]; T];
    for row in 0..taps.rows {
        let mut sums = [[0.0f32; L]; T];
        for col in 0..taps.cols {
            let g: [f32; L] = some(&g[(row * taps.cols + col) * channels..], live);
            let a = &a[row * taps.row_step + col * taps.col_step..];
            for t in 0..T {
                let x: &[f32; L] = first(&a[t * taps.across_step..]);
                sums[t] = more(&sums[t], x, &g);
            }
        }
        for t in 0..T {
            for i in 0..L {
                all[t][i] += sums[t][i];
            }
        }
    }
    for t in 0..T {
        for (d, sum) in d[t * taps.lanes()..][..L].iter_mut().zip(all[t]) {
            *d += sum;
        }
    }
    T
}

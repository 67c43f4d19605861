//! Products over reals, computed by the dense kernels of training, and their conversion to bits.

use alloc::vec;
use alloc::vec::Vec;

use super::layout::Nibbles;
use super::op::{Cx, Op};
use super::scratch::Sizes;
use super::window_spec::WindowSpec;
use crate::kernels::gemm::{Patches, Store, pack_panels, panel_len};
use crate::tensor::Shape;

/// The operation that converts pixels to reals, stored as (height, width, channel).
pub(super) struct Load {
    /// The number for each pixel value: one table for all channels, or one per channel.
    pub tables: Vec<[f32; 256]>,
    pub to: usize,
}

impl Op for Load {
    fn name(&self) -> &'static str {
        "pixels"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let to = &mut cx.s.reals[self.to];
        if let [table] = &self.tables[..] {
            for (x, &p) in to.iter_mut().zip(cx.image) {
                *x = table[usize::from(p)];
            }
            return;
        }
        let pixels = cx.image.chunks_exact(self.tables.len());
        for (x, bytes) in to.chunks_exact_mut(self.tables.len()).zip(pixels) {
            for ((x, &p), table) in x.iter_mut().zip(bytes).zip(&self.tables) {
                *x = table[usize::from(p)];
            }
        }
    }
}

/// The operation that converts pixels to integers.
pub(super) struct LoadInts {
    pub to: usize,
}

impl Op for LoadInts {
    fn name(&self) -> &'static str {
        "pixels"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        for (x, &p) in cx.s.ints[self.to].iter_mut().zip(cx.image) {
            *x = i32::from(p);
        }
    }
}

/// The operation of a convolution or linear layer over reals.
pub(super) struct RealConv {
    from: usize,
    to: usize,
    input: Shape,
    columns: usize,
    padding: usize,
    border: f32,
    padded: usize,
    patches: Patches,
    panels: Vec<f32>,
    bias: Vec<f32>,
}

impl RealConv {
    /// Makes the operation; `weight(o, i)` is the weight of input `i` in the order (channel, row,
    /// column).
    pub fn new(
        spec: &WindowSpec,
        weight: impl Fn(usize, usize) -> f32,
        bias: &[f32],
        from: usize,
        to: usize,
        sizes: &mut Sizes,
    ) -> Self {
        let (input, columns) = (spec.input, spec.output.channels);
        let width = (input.width + 2 * spec.padding) * input.channels;
        let patches = Patches {
            rows: spec.output.height,
            cols: spec.output.width,
            row_step: spec.stride * width,
            col_step: spec.stride * input.channels,
            runs: spec.kernel.0,
            run_len: spec.kernel.1 * input.channels,
            run_step: width,
        };
        Self {
            from,
            to,
            input,
            columns,
            padding: spec.padding,
            border: f32::from(spec.border),
            padded: sizes.reals((input.height + 2 * spec.padding) * width),
            patches,
            panels: panels_of(spec, weight),
            bias: bias.to_vec(),
        }
    }
}

/// Returns the weights in panels, of the shape (row, column, channel) by outputs.
fn panels_of(spec: &WindowSpec, weight: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let (channels, columns, depth) = (spec.input.channels, spec.output.channels, spec.depth());
    let taps = spec.kernel.0 * spec.kernel.1;
    let mut w = vec![0.0; depth * columns];
    for (at, w) in w.iter_mut().enumerate() {
        let (k, o) = (at / columns, at % columns);
        *w = weight(o, k % channels * taps + k / channels);
    }
    let mut panels = vec![0.0; panel_len(depth, columns)];
    pack_panels(depth, columns, &w, (columns, 1), &mut panels);
    panels
}

impl Op for RealConv {
    fn name(&self) -> &'static str {
        "real product"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let mut out = core::mem::take(&mut cx.s.reals[self.to]);
        let mut padded = core::mem::take(&mut cx.s.reals[self.padded]);
        let x = &cx.s.reals[self.from];
        let row = self.input.width * self.input.channels;
        let a: &[f32] = if self.padding == 0 {
            x
        } else {
            let edge = self.padding * self.input.channels;
            if self.border != 0.0 {
                padded.fill(self.border);
            }
            let rows = padded.chunks_exact_mut(row + 2 * edge);
            for (to, from) in rows.skip(self.padding).zip(x.chunks_exact(row)) {
                to[edge..][..row].copy_from_slice(from);
            }
            &padded
        };
        let (bias, columns) = (Some(&*self.bias), self.columns);
        let store = Store::Assign;
        cx.kernels.product(
            &self.patches,
            a,
            &self.panels,
            columns,
            bias,
            &mut out,
            store,
        );
        cx.s.reals[self.padded] = padded;
        cx.s.reals[self.to] = out;
    }
}

/// The operation that turns real sums into bits and pools them by 2 x 2 windows: each bit is
/// `[largest sum > threshold]`. The threshold contains batch norm and the binary unit; for a
/// negative γ the weights were negated.
pub(super) struct CutPool2 {
    pub from: usize,
    /// The shape of the sums.
    pub shape: Shape,
    pub threshold: Vec<f32>,
    pub to: usize,
    pub nibbles: Nibbles,
}

impl Op for CutPool2 {
    fn name(&self) -> &'static str {
        "cut and pool"
    }

    fn run(&self, cx: &mut Cx<'_>) {
        let Shape {
            channels,
            height,
            width,
        } = self.shape;
        let step = width * channels;
        let (x, out) = (&cx.s.reals[self.from], &mut cx.s.bytes[self.to]);
        for y in 0..height / 2 {
            let nibbles =
                &mut out[self.nibbles.place(0, y, 0)..][..width / 2 * self.nibbles.groups];
            let rows = &x[2 * y * step..][..2 * step];
            cx.kernels
                .cut_pool2(rows, step, channels, &self.threshold, nibbles);
        }
    }
}

/// Returns the largest x for which `x · scale + shift`, rounded after each operation, is at most 0;
/// `scale` must be at least 0. The bit is `[x > threshold]` for every finite x: the function is
/// monotone, and its step is found by bisection over all floats.
pub(super) fn real_threshold(scale: f32, shift: f32) -> f32 {
    let above = |x: f32| x * scale + shift > 0.0;
    // The floats in ascending order: their bit patterns as i32, with the negative ones reversed.
    let float = |i: i32| {
        f32::from_bits(if i < 0 {
            (i ^ i32::MAX) as u32
        } else {
            i as u32
        })
    };
    let order = |x: f32| {
        let bits = x.to_bits() as i32;
        if bits < 0 { bits ^ i32::MAX } else { bits }
    };
    let (mut low, mut high) = (order(f32::MIN), order(f32::MAX));
    if above(f32::MIN) {
        return f32::NEG_INFINITY;
    }
    if !above(f32::MAX) {
        return f32::INFINITY;
    }
    while i64::from(high) - i64::from(low) > 1 {
        let middle = ((i64::from(high) + i64::from(low)) / 2) as i32;
        if above(float(middle)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    float(low)
}

#[cfg(test)]
mod tests {
    use super::real_threshold;

    #[test]
    fn a_real_threshold_is_where_the_function_changes_sign() {
        let numbers = [0.0f32, 1e-30, 0.3, 1.0, 7.5, 1e20];
        for scale in numbers {
            for shift in numbers.iter().flat_map(|&s| [s, -s]) {
                let t = real_threshold(scale, shift);
                let up = t.next_up();
                for x in [
                    f32::MIN,
                    -1e10,
                    -1.0,
                    t,
                    up,
                    up.next_up(),
                    0.0,
                    2.0,
                    f32::MAX,
                ] {
                    if x.is_finite() {
                        assert_eq!(x > t, x * scale + shift > 0.0, "{x}·{scale} + {shift}");
                    }
                }
            }
        }
    }
}

//! A layer's output in fewer numbers: pooled to a square grid of cells.

use serde::Serialize;

use crate::tensor::Shape;

/// How the numbers of a cell become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// Their mean.
    Mean,
    /// The greatest.
    Max,
}

/// The first and the end of cell `i` of `side` along a length, as PyTorch's adaptive pools
/// have them: `floor(i·length/side)` to `ceil((i + 1)·length/side)`.
fn cell(i: usize, side: usize, length: usize) -> std::ops::Range<usize> {
    i * length / side..((i + 1) * length).div_ceil(side)
}

/// Appends an output of that shape, pooled channel by channel to `side`·`side` cells, to
/// `out`, stored (height, width, channel).
pub fn pooled(y: &[f32], shape: Shape, pool: Pool, side: usize, out: &mut Vec<f32>) {
    for i in 0..side {
        for j in 0..side {
            let (rows, columns) = (cell(i, side, shape.height), cell(j, side, shape.width));
            let count = (rows.len() * columns.len()) as f32;
            for c in 0..shape.channels {
                let places = rows
                    .clone()
                    .flat_map(|r| columns.clone().map(move |k| (r, k)));
                let numbers = places.map(|(r, k)| y[(r * shape.width + k) * shape.channels + c]);
                out.push(match pool {
                    Pool::Mean => numbers.sum::<f32>() / count,
                    Pool::Max => numbers.fold(f32::NEG_INFINITY, f32::max),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_those_of_adaptive_pools() {
        // torch.nn.functional.adaptive_avg_pool2d of arange(15) as 3x5 to 2x2, and the max.
        let y: Vec<f32> = (0..15).map(|i| i as f32).collect();
        let shape = Shape::image(1, 3, 5);
        let mut out = Vec::new();
        pooled(&y, shape, Pool::Mean, 2, &mut out);
        assert_eq!(out, [3.5, 5.5, 8.5, 10.5]);
        out.clear();
        pooled(&y, shape, Pool::Max, 2, &mut out);
        assert_eq!(out, [7.0, 9.0, 12.0, 14.0]);
        out.clear();
        // Channels are pooled by themselves.
        pooled(
            &[1.0, -1.0, 3.0, -5.0],
            Shape::image(2, 1, 2),
            Pool::Mean,
            1,
            &mut out,
        );
        assert_eq!(out, [2.0, -3.0]);
    }
}

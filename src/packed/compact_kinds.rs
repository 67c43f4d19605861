//! The numbers of the kinds of products and steps in the compact form of a packed network.

use alloc::vec::Vec;

use super::bit_stream::{Coder, Fault};
use super::layer::{Function, Product, Step, Thresholds};

/// The number that stands for a value among `values`, which are told apart by `same`.
pub(super) fn choice<C: Coder, T: Clone>(
    c: &mut C,
    x: &mut T,
    values: &[T],
    same: impl Fn(&T, &T) -> bool,
) -> core::result::Result<(), Fault> {
    let bits = usize::BITS - (values.len() - 1).leading_zeros();
    let known = values.iter().position(|v| same(v, x));
    let mut number = known.ok_or("it has a part of an unknown kind")? as u64;
    c.bits(&mut number, bits)?;
    if C::READS {
        let of = values.get(number as usize);
        *x = of.ok_or("it has a part of an unknown kind")?.clone();
    }
    Ok(())
}

/// Whether two values are of the same variant.
pub(super) fn alike<T>(a: &T, b: &T) -> bool {
    core::mem::discriminant(a) == core::mem::discriminant(b)
}

/// Returns a convolution in that many groups, without sizes.
const fn conv(groups: usize) -> Product {
    Product::Conv {
        out: 0,
        kernel: 0,
        stride: 0,
        padding: 0,
        border: 0,
        groups,
    }
}

/// The kinds of products, in the order of their numbers. The last is a convolution in several groups.
pub(super) const PRODUCTS: [Product; 6] = [
    conv(1),
    Product::Linear { out: 0 },
    Product::Input,
    Product::Add,
    Product::Concat,
    conv(2),
];

/// Thresholds of no channels.
const THRESHOLDS: Thresholds = Thresholds {
    threshold: Vec::new(),
    inverted: Vec::new(),
};

/// The kinds of steps, in the order of their numbers.
pub(super) const STEPS: [Step; 14] = [
    Step::Threshold {
        thresholds: THRESHOLDS,
    },
    Step::Draw {
        node: 0,
        thresholds: THRESHOLDS,
        p: Vec::new(),
    },
    Step::PoolBits {
        kernel: 0,
        stride: 0,
        and: Vec::new(),
    },
    Step::PoolInts {
        kernel: 0,
        stride: 0,
        min: Vec::new(),
    },
    Step::Affine {
        scale: Vec::new(),
        shift: Vec::new(),
    },
    Step::Function {
        function: Function::Relu,
        slope: 1.0,
    },
    Step::MaxPool {
        kernel: 0,
        stride: 0,
    },
    Step::SumPool {
        height: 0,
        width: 0,
        stride: 0,
    },
    Step::AvgPool {
        height: 0,
        width: 0,
        stride: 0,
    },
    Step::Divide { by: 0 },
    Step::Flatten,
    Step::Signs,
    Step::Fire,
    Step::Sample {
        node: 0,
        probability: Function::HardSigmoid,
        slope: 1.0,
    },
];

/// The activation functions.
pub(super) const FUNCTIONS: [Function; 3] =
    [Function::Relu, Function::HardSigmoid, Function::Sigmoid];

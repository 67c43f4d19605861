//! Constants by which MNIST and Omniglot are recognised. Every data set is compared with MNIST's,
//! also in builds that cannot read its files.

use super::Normalisation;

/// The name of MNIST in [`Contents::name`](super::Contents::name).
pub const NAME: &str = "MNIST";

/// The [`Dataset::fingerprint`](super::Dataset::fingerprint) of MNIST: a data set is MNIST if and
/// only if it has this fingerprint.
pub const FINGERPRINT: &str = "5ac2405e66bb51b9ebb36b9ccc2e2801ef62115f0c55c4fbc8c31140d3f4877b";

/// The constants by which MNIST is normalised in the literature.
pub const NORMALISATION: Normalisation = Normalisation {
    mean: 0.1307,
    std: 0.3081,
};

/// The name of the built-in digits in [`Contents::name`](super::Contents::name).
pub const DIGITS: &str = "built-in digits (synthetic)";

/// The name of Omniglot's background set.
#[cfg(feature = "idx")]
pub const OMNIGLOT: &str = "Omniglot";

/// The [`Dataset::fingerprint`](super::Dataset::fingerprint) of Omniglot's background set in its
/// own size, 105x105, with a tenth of every character's drawings held out to test on, as
/// [`super::load`] reads it.
#[cfg(feature = "idx")]
pub const OMNIGLOT_FINGERPRINT: &str =
    "cee4f930037b3cb156e7a7e6909f4feb26d39eef5105b52953329078e8523205";

/// The same of the set made into images of 28x28.
#[cfg(feature = "idx")]
pub const OMNIGLOT_28_FINGERPRINT: &str =
    "37df77866f062e8328fe99c0691ab8929183cc169d393666a4d99ba632517715";

//! The small functions that passes call. Those that a network needs are written in front of it.

use super::text::Text;

/// A function, and what it is for.
struct Helper {
    name: &'static str,
    about: &'static str,
    text: &'static str,
}

/// All helpers; one calls only those above it.
const HELPERS: &[Helper] = &[
    Helper {
        name: "clear_bits",
        about: "Sets words to 0.",
        text: "\
static void clear_bits(bits_word *to, int32_t words) {
  for (int32_t i = 0; i < words; i++) {
    to[i] = 0;
  }
}
",
    },
    Helper {
        name: "get_bit",
        about: "Returns a bit of a stream: bit 0 is the lowest one of the first word.",
        text: "\
static int32_t get_bit(const bits_word *bits, int32_t at) {
  const uint32_t i = (uint32_t)at;
  return (int32_t)(bits[i / WORD_BITS] >> (i % WORD_BITS) & 1);
}
",
    },
    Helper {
        name: "set_bit",
        about: "Sets a bit of a stream to 1.",
        text: "\
static void set_bit(bits_word *bits, int32_t at) {
  const uint32_t i = (uint32_t)at;
  bits[i / WORD_BITS] |= (bits_word)1 << (i % WORD_BITS);
}
",
    },
    Helper {
        name: "flip_bit",
        about: "Inverts a bit of a stream.",
        text: "\
static void flip_bit(bits_word *bits, int32_t at) {
  const uint32_t i = (uint32_t)at;
  bits[i / WORD_BITS] ^= (bits_word)1 << (i % WORD_BITS);
}
",
    },
    Helper {
        name: "set_bits",
        about: "Sets n bits of a stream to 1.",
        text: "\
static void set_bits(bits_word *bits, int32_t at, int32_t n) {
  for (int32_t i = at; i < at + n; i++) {
    const uint32_t k = (uint32_t)i;
    bits[k / WORD_BITS] |= (bits_word)1 << (k % WORD_BITS);
  }
}
",
    },
    Helper {
        name: "copy_bits",
        about: "Copies n bits of one stream into another, as many at a time as lie in one word of \
                both.",
        text: "\
static void copy_bits(bits_word *to, int32_t to_at, const bits_word *from,
                      int32_t from_at, int32_t n) {
  uint32_t a = (uint32_t)to_at, b = (uint32_t)from_at, left = (uint32_t)n;
  while (left > 0) {
    const uint32_t shift_a = a % WORD_BITS, shift_b = b % WORD_BITS;
    uint32_t some = WORD_BITS - (shift_a > shift_b ? shift_a : shift_b);
    some = some < left ? some : left;
    const bits_word mask = (bits_word)~(bits_word)0 >> (WORD_BITS - some);
    const bits_word bits = from[b / WORD_BITS] >> shift_b & mask;
    to[a / WORD_BITS] = (to[a / WORD_BITS] & ~(mask << shift_a)) | bits << shift_a;
    a += some;
    b += some;
    left -= some;
  }
}
",
    },
    Helper {
        name: "pixel_sum",
        about: "Returns the sum of n pixels, each with the sign of its weight: a bit 1 is +1.",
        text: PIXEL_SUM,
    },
    Helper {
        name: "patch_sum",
        about: "Returns the sum of n numbers, each with the sign of its weight: a bit 1 is +1.",
        text: PATCH_SUM,
    },
    Helper {
        name: "affine",
        about: "Returns x * scale + shift, rounded after the product too: a fused operation would \
                give other bits.",
        text: "\
static float affine(float x, float scale, float shift) {
  volatile float product = x * scale;
  return product + shift;
}
",
    },
    Helper {
        name: "relu",
        about: "",
        text: "\
static float relu(float x) {
  return x < 0.0f ? 0.0f : x;
}
",
    },
    Helper {
        name: "hard_sigmoid",
        about: "",
        text: "\
static float hard_sigmoid(float x) {
  const float y = x < -1.0f ? -1.0f : x > 1.0f ? 1.0f : x;
  return (y + 1.0f) * 0.5f;
}
",
    },
    Helper {
        name: "sigmoid",
        about: "Returns 1 / (1 + exp(-x)), with exp by a polynomial: the same bits on every \
                processor whose floats are those of IEEE 754.",
        text: SIGMOID,
    },
];

const PIXEL_SUM: &str = "\
static int32_t pixel_sum(const uint8_t *x, const bits_word *weights, int32_t n) {
  int32_t sum = 0;
  bits_word bits = 0;
  for (int32_t i = 0; i < n; i++) {
    bits = i % WORD_BITS == 0 ? *weights++ : bits >> 1;
    sum += bits & 1 ? x[i] : -x[i];
  }
  return sum;
}
";

const PATCH_SUM: &str = "\
static int32_t patch_sum(const int16_t *x, const bits_word *weights, int32_t n) {
  int32_t sum = 0;
  bits_word bits = 0;
  for (int32_t i = 0; i < n; i++) {
    bits = i % WORD_BITS == 0 ? *weights++ : bits >> 1;
    sum += bits & 1 ? x[i] : -x[i];
  }
  return sum;
}
";

const SIGMOID: &str = "\
static float sigmoid(float x) {
  const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to whole numbers */
  float z = -x, power = 1.0f, n, r, p;
  volatile float rounded;
  if (x != x || x < -69.0f) {
    return x != x ? x : 0.0f;
  }
  z = z < -87.0f ? -87.0f : z > 88.0f ? 88.0f : z;
  rounded = z * 1.44269504f;
  rounded = rounded + round;
  n = rounded - round;
  r = (z - n * 0.6933594f) + n * 2.1219444e-4f;
  p = 1.9875691e-4f;
  p = p * r + 1.3981999e-3f;
  p = p * r + 8.333452e-3f;
  p = p * r + 4.1665796e-2f;
  p = p * r + 1.6666665e-1f;
  p = p * r + 0.5f;
  p = (p * (r * r) + r) + 1.0f;
  for (int32_t i = (int32_t)n; i != 0; i += i < 0 ? 1 : -1) {
    power *= n < 0.0f ? 0.5f : 2.0f;
  }
  return 1.0f / (1.0f + p * power);
}
";

/// Counting bits of words that are combined in some way: the name of the function, its operands
/// and their combination.
const COUNTS: &[(&str, &[&str], &str)] = &[
    ("count", &["a"], "a[i]"),
    ("and_count", &["a", "b"], "a[i] & b[i]"),
    ("xor_count", &["a", "b"], "a[i] ^ b[i]"),
    ("masked_count", &["a", "b", "m"], "(a[i] ^ b[i]) & m[i]"),
];

/// Writes the counting function of that name. Without an instruction for it, the bits of each
/// byte are counted in the byte, and the bytes of up to 31 words added before they are summed.
fn write_count(
    (name, operands, combined): (&str, &[&str], &str),
    instruction: bool,
    to: &mut Text,
) {
    to.comment(&format!("Returns how many bits are 1 in {combined}."));
    let parameters: Vec<String> = operands
        .iter()
        .map(|o| format!("const bits_word *{o}"))
        .collect();
    to.open(format_args!(
        "static int32_t {name}({}, int32_t words)",
        parameters.join(", ")
    ));
    to.line("int32_t total = 0;");
    if instruction {
        to.line("#ifdef COUNT_BITS");
        to.open("for (int32_t i = 0; i < words; i++)");
        to.line(format_args!("total += (int32_t)COUNT_BITS({combined});"));
        to.close();
        to.line("#else");
    }
    to.open("while (words > 0)");
    to.line("const int32_t some = words < 31 ? words : 31;");
    to.line("bits_word bytes = 0;");
    to.open("for (int32_t i = 0; i < some; i++)");
    to.line(format_args!("bits_word v = {combined};"));
    to.line("v -= v >> 1 & EACH_BYTE(0x55);");
    to.line("v = (v & EACH_BYTE(0x33)) + (v >> 2 & EACH_BYTE(0x33));");
    to.line("bytes += (v + (v >> 4)) & EACH_BYTE(0x0f);");
    to.close();
    to.line("bytes = (bytes & LOW_BYTES) + (bytes >> 8 & LOW_BYTES);");
    to.line("total += (int32_t)(bits_word)(bytes * LOW_ONES >> (WORD_BITS - 16));");
    for operand in operands {
        to.line(format_args!("{operand} += some;"));
    }
    to.line("words -= some;");
    to.close();
    if instruction {
        to.line("#endif");
    }
    to.line("return total;");
    to.close();
}

/// Returns whether a text calls a function of that name.
fn calls(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        text[at + name.len()..].starts_with('(')
            && !before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// Returns the helpers that `code` calls; those that count bits use the processor's instruction
/// where `instruction` says so.
pub(super) fn needed(code: &str, instruction: bool) -> String {
    let mut to = Text::default();
    for count in COUNTS.iter().filter(|count| calls(code, count.0)) {
        write_count(*count, instruction, &mut to);
        to.line("");
    }
    for helper in HELPERS.iter().filter(|helper| calls(code, helper.name)) {
        if !helper.about.is_empty() {
            to.comment(helper.about);
        }
        to.append(helper.text);
        to.line("");
    }
    to.into_string()
}

/// Returns whether `code` counts bits.
pub(super) fn counts_bits(code: &str) -> bool {
    COUNTS.iter().any(|count| calls(code, count.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_called_is_written() {
        assert!(calls("x = count(a)", "count") && !calls("and_count(a)", "count"));
        let text = needed("y = relu(get_bit(a, 1));", false);
        assert!(text.contains("float relu(") && text.contains("get_bit("));
        assert!(!text.contains("set_bit(") && !text.contains("count("));
    }
}

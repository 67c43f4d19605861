#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::support_file(bytes));

libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| {
    targets::mutate_safetensors(bytes, (size, most, seed), libfuzzer_sys::fuzzer_mutate)
});

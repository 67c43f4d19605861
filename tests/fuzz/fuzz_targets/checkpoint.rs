#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::checkpoint_file(bytes));

libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], size: usize, most: usize, seed: u32| {
    let mut change = |part: &mut Vec<u8>| {
        let length = part.len();
        part.resize((length + 64).min(length.max(most)), 0);
        let capacity = part.len();
        let length = libfuzzer_sys::fuzzer_mutate(part, length, capacity);
        part.truncate(length);
    };
    match targets::change_safetensors(&bytes[..size], seed, &mut change) {
        Some(changed) if changed.len() <= most => {
            bytes[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => libfuzzer_sys::fuzzer_mutate(bytes, size, most),
    }
});

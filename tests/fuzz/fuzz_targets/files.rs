#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::data_file(bytes));

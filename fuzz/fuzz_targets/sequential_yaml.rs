#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exstreamd_fuzz::sequential_yaml(bytes));

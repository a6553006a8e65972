#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exstreamd_fuzz::mp4_play(bytes));

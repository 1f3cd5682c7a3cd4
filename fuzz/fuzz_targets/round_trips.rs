#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conformance::fuzz::round_trips(data));

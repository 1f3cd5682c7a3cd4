#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conformance::fuzz::socketio_v5(data));

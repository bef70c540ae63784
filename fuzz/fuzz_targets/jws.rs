#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = iidi_fuzz::jws::check(bytes);
});

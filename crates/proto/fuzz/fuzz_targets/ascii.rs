//! The ASCII translation does not depend on how the stream was cut.
#![no_main]

use ftpdlib_proto::{AsciiReceiver, AsciiSender};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, stream)) = data.split_first() else {
        return;
    };
    let size = usize::from(size).max(1);

    let wire = send(stream.chunks(size));
    assert_eq!(wire, send([stream]));
    assert!(wire.len() <= 2 * stream.len());

    let file = receive(stream.chunks(size));
    assert_eq!(file, receive([stream]));
    assert!(file.len() <= stream.len());

    if !stream.contains(&b'\r') {
        assert_eq!(receive([&wire[..]]), stream);
    }
});

fn send<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut sender, mut out) = (AsciiSender::default(), Vec::new());
    chunks
        .into_iter()
        .for_each(|chunk| sender.translate(chunk, &mut out));
    out
}

fn receive<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut receiver, mut out) = (AsciiReceiver::default(), Vec::new());
    chunks
        .into_iter()
        .for_each(|chunk| receiver.translate(chunk, &mut out));
    receiver.finish(&mut out);
    out
}

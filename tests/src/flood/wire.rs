//! What the server writes: WebSocket frames and HTTP answers.

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const PING: u8 = 9;

pub(super) fn frame(last: bool, opcode: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut frame = vec![u8::from(last) << 7 | opcode];
    frame.extend(length_of_frame(content.len()));
    frame.extend(content);
    frame
}

pub(super) fn length_of_frame(len: usize) -> Vec<u8> {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..126), _) => vec![len],
        (_, Ok(len)) => [&[126][..], &len.to_be_bytes()].concat(),
        _ => [&[127][..], &(len as u64).to_be_bytes()].concat(),
    }
}

pub(super) fn text(content: impl AsRef<[u8]>) -> Vec<u8> {
    frame(true, TEXT, content)
}

pub(super) fn http(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

//! The encoder's process: answers one request after the other until its input ends.

use std::io::{self, Read, Write};

use bytes::Bytes;
use gstreamer as gst;

use super::framing::{Request, encode_answer, head_length};
use super::pipeline::encode;
use crate::camera::Trouble;

/// How much less than others this process gets of the processor: what is published comes first.
const NICE: i32 = 10;

/// Encodes what requests on `input` ask for, and answers on `output`, until `input` ends.
///
/// # Errors
/// Where `input` has something that is no request, or nobody reads the answers. That encoding fails is an answer.
pub fn work(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    // Without it encoding only competes more.
    let _ = rustix::process::nice(NICE);
    let ready = gst::init().map_err(|error| Trouble::Job { reason: error.to_string() });
    loop {
        let mut length = [0; 4];
        match input.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            read => read?,
        }
        let head = read(&mut input, head_length(length)?)?;
        let request = Request::decode(&head, |bytes| read(&mut input, bytes))?;
        let answer = ready.clone().and_then(|()| encode(&request));
        for piece in encode_answer(answer)? {
            output.write_all(&piece)?;
        }
        output.flush()?;
    }
}

fn read(input: &mut impl Read, bytes: usize) -> io::Result<Bytes> {
    let mut buffer = vec![0; bytes];
    input.read_exact(&mut buffer)?;
    Ok(Bytes::from(buffer))
}

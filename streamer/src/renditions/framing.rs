//! What passes between the node and an encoder's process: a request and its answer, each a head in JSON behind its length, then
//! the bytes of the pictures that the head counts. Pure.

use std::io;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::camera::Trouble;

/// Bytes of a head: a minute of 120 pictures a second in eight outputs is below.
const MAX_HEAD: u32 = 16 << 20;
/// Bytes of pictures in all: what a segment may have, in some outputs.
const MAX_BODY: u64 = 256 << 20;

/// Pictures with the times at which they are shown, in ticks of 1/90000 s, whether they are keyframes, and their bytes (NAL units
/// behind their lengths), in decode order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pictures(pub(crate) Vec<(u64, bool, Bytes)>);

/// Encode these pictures in all of these outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// AVCDecoderConfigurationRecord of the pictures.
    pub(crate) config: Bytes,
    pub(crate) pictures: Pictures,
    pub(crate) outputs: Vec<Output>,
    /// Pictures from one keyframe to the next, at most.
    pub(crate) keyframe_interval: NonZeroU32,
}

/// One output of an encoder. Widths and heights are in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Output {
    /// All pictures, in H.264.
    H264 { width: u32, height: u32, kbps: NonZeroU32 },
    /// One JPEG of some pictures side by side, each with such sides.
    Jpeg(Sheet),
}

/// A JPEG of pictures side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sheet {
    /// Of one of them, in pixels; a multiple of four. Black is added to what has another shape.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// How many there are, spread evenly over those of the request.
    pub(crate) columns: NonZeroU32,
    /// 1 to 100.
    pub(crate) quality: u32,
}

/// A picture of an output: without reordering, so that it is decoded when it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedPicture {
    /// Ticks of 1/90000 s.
    pub(crate) shown: u64,
    pub(crate) keyframe: bool,
    pub(crate) data: Bytes,
}

/// What became of one output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// AVCDecoderConfigurationRecord; empty where it is a JPEG.
    pub(crate) config: Bytes,
    pub(crate) pictures: Vec<EncodedPicture>,
}

/// The answer: all outputs in the order of the request, or why there are none.
pub(crate) type Answer = Result<Vec<Encoded>, Trouble>;

#[derive(Serialize, Deserialize)]
struct Picture {
    shown: u64,
    keyframe: bool,
    bytes: u32,
}

#[derive(Serialize, Deserialize)]
struct RequestHead {
    config: String,
    pictures: Vec<Picture>,
    outputs: Vec<Output>,
    keyframe_interval: NonZeroU32,
}

#[derive(Serialize, Deserialize)]
enum AnswerHead {
    Encoded(Vec<EncodedHead>),
    Trouble(Trouble),
}

#[derive(Serialize, Deserialize)]
struct EncodedHead {
    config: String,
    pictures: Vec<Picture>,
}

impl Request {
    /// Head and pictures, to be written one after the other.
    pub(crate) fn encode(&self) -> io::Result<Vec<Bytes>> {
        let head = RequestHead {
            config: STANDARD.encode(&self.config),
            pictures: self.pictures.0.iter().map(picture_head).collect::<io::Result<_>>()?,
            outputs: self.outputs.clone(),
            keyframe_interval: self.keyframe_interval,
        };
        with_head(&head, self.pictures.0.iter().map(|(_, _, data)| data.clone()))
    }

    /// The request whose head this is, and whose pictures `read` reads.
    #[cfg(any(test, feature = "gstreamer"))]
    pub(crate) fn decode(head: &[u8], read: impl FnMut(usize) -> io::Result<Bytes>) -> io::Result<Self> {
        let head: RequestHead = serde_json::from_slice(head)?;
        let pictures = bodies(&head.pictures, read)?;
        Ok(Self {
            config: binary(&head.config)?,
            pictures: Pictures(pictures),
            outputs: head.outputs,
            keyframe_interval: head.keyframe_interval,
        })
    }
}

/// Head and pictures of an answer, to be written one after the other.
#[cfg(any(test, feature = "gstreamer"))]
pub(crate) fn encode_answer(answer: Answer) -> io::Result<Vec<Bytes>> {
    match answer {
        Err(trouble) => with_head(&AnswerHead::Trouble(trouble), std::iter::empty()),
        Ok(outputs) => {
            let head = |output: &Encoded| {
                let pictures = output
                    .pictures
                    .iter()
                    .map(|picture| picture_head(&(picture.shown, picture.keyframe, picture.data.clone())));
                Ok(EncodedHead {
                    config: STANDARD.encode(&output.config),
                    pictures: pictures.collect::<io::Result<_>>()?,
                })
            };
            let head = AnswerHead::Encoded(outputs.iter().map(head).collect::<io::Result<_>>()?);
            with_head(&head, outputs.into_iter().flat_map(|output| output.pictures).map(|picture| picture.data))
        }
    }
}

/// Bytes of pictures that follow the head of an answer.
pub(crate) fn answer_body(head: &[u8]) -> io::Result<u64> {
    let head: AnswerHead = serde_json::from_slice(head)?;
    let AnswerHead::Encoded(outputs) = head else { return Ok(0) };
    let bytes = outputs.iter().flat_map(|output| &output.pictures).map(|picture| u64::from(picture.bytes)).sum();
    if bytes > MAX_BODY { Err(wrong("more pictures than an encoder makes")) } else { Ok(bytes) }
}

/// The answer of a head and the pictures behind it.
pub(crate) fn decode_answer(head: &[u8], mut body: Bytes) -> io::Result<Answer> {
    let outputs = match serde_json::from_slice(head)? {
        AnswerHead::Trouble(trouble) => return Ok(Err(trouble)),
        AnswerHead::Encoded(outputs) => outputs,
    };
    let mut encoded = Vec::with_capacity(outputs.len());
    for output in outputs {
        let pictures = bodies(&output.pictures, |bytes| {
            if bytes > body.len() { Err(wrong("an answer that is cut short")) } else { Ok(body.split_to(bytes)) }
        })?;
        let pictures = pictures.into_iter().map(|(shown, keyframe, data)| EncodedPicture { shown, keyframe, data });
        encoded.push(Encoded { config: binary(&output.config)?, pictures: pictures.collect() });
    }
    Ok(Ok(encoded))
}

/// The length of a head, as it stands before it.
pub(crate) fn head_length(length: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(length);
    if length > MAX_HEAD { Err(wrong("a head that is too long")) } else { Ok(length as usize) }
}

fn with_head(head: &impl Serialize, bodies: impl Iterator<Item = Bytes>) -> io::Result<Vec<Bytes>> {
    let head = serde_json::to_vec(head)?;
    let length = u32::try_from(head.len()).map_err(|_| wrong("a head that is too long"))?;
    let mut pieces = vec![Bytes::copy_from_slice(&length.to_be_bytes()), Bytes::from(head)];
    pieces.extend(bodies);
    Ok(pieces)
}

fn picture_head((shown, keyframe, data): &(u64, bool, Bytes)) -> io::Result<Picture> {
    let bytes = u32::try_from(data.len()).map_err(|_| wrong("a picture that is too large"))?;
    Ok(Picture { shown: *shown, keyframe: *keyframe, bytes })
}

fn bodies(heads: &[Picture], mut read: impl FnMut(usize) -> io::Result<Bytes>) -> io::Result<Vec<(u64, bool, Bytes)>> {
    heads.iter().map(|head| Ok((head.shown, head.keyframe, read(head.bytes as usize)?))).collect()
}

fn binary(text: &str) -> io::Result<Bytes> {
    STANDARD.decode(text).map(Bytes::from).map_err(|_| wrong("a configuration that is no base64"))
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(byte: u8) -> Bytes {
        Bytes::from(vec![byte; usize::from(byte)])
    }

    fn head_and_body(pieces: Vec<Bytes>) -> (Vec<u8>, Bytes) {
        let all = pieces.concat();
        let (length, rest) = all.split_first_chunk().unwrap();
        let (head, body) = rest.split_at(head_length(*length).unwrap());
        (head.to_vec(), Bytes::copy_from_slice(body))
    }

    #[test]
    fn requests_read_back_as_they_were_written() {
        let request = Request {
            config: data(3),
            pictures: Pictures(vec![(90_000, true, data(9)), (93_000, false, data(0))]),
            outputs: vec![
                Output::H264 { width: 854, height: 480, kbps: NonZeroU32::new(900).unwrap() },
                Output::Jpeg(Sheet { width: 256, height: 144, columns: NonZeroU32::MIN, quality: 60 }),
            ],
            keyframe_interval: NonZeroU32::new(60).unwrap(),
        };
        let (head, mut body) = head_and_body(request.encode().unwrap());
        assert_eq!(Request::decode(&head, |bytes| Ok(body.split_to(bytes))).unwrap(), request);
    }

    #[test]
    fn answers_read_back_as_they_were_written_and_cut_ones_are_refused() {
        let picture = |shown, byte| EncodedPicture { shown, keyframe: shown == 0, data: data(byte) };
        let encoded = vec![
            Encoded { config: data(1), pictures: vec![picture(0, 7), picture(3_000, 8)] },
            Encoded { config: data(2), pictures: vec![picture(0, 9)] },
        ];
        let (head, body) = head_and_body(encode_answer(Ok(encoded.clone())).unwrap());
        assert_eq!(answer_body(&head).unwrap(), body.len() as u64);
        assert_eq!(decode_answer(&head, body.clone()).unwrap(), Ok(encoded));
        assert!(decode_answer(&head, body.slice(1..)).is_err());
        let trouble = Trouble::Stalled { seconds: 3 };
        let (head, body) = head_and_body(encode_answer(Err(trouble.clone())).unwrap());
        assert_eq!((answer_body(&head).unwrap(), body.len()), (0, 0));
        assert_eq!(decode_answer(&head, body).unwrap(), Err(trouble));
    }

    #[test]
    fn what_no_encoder_says_is_refused() {
        assert!(head_length([0xff; 4]).is_err());
        assert!(answer_body(b"{}").is_err());
        let huge = r#"{"Encoded":[{"config":"","pictures":[{"shown":0,"keyframe":true,"bytes":4000000000}]}]}"#;
        assert!(answer_body(huge.as_bytes()).is_err());
    }
}

//! The blobs that a peer is getting from us, and how it asks. Pure.
//!
//! Only the place in each blob is held; the bytes stay on the disk until the socket takes them. Streams take turns.

use std::collections::VecDeque;

use serde_json::Value;
use stream_model::BlobId;

/// Blobs that a peer may get at once; JavaScript asks for each as soon as it hears of it.
pub const MAX_GETS: usize = 32;
/// Bytes sent at once, so that messages go between.
pub const PIECE: u64 = 32 * 1024;
/// Blobs in one question of `blobs.has`.
const MAX_QUESTION: usize = 512;

/// Which part of which blob a peer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Which.
    pub id: BlobId,
    /// The first byte.
    pub start: u64,
    /// The byte after the last, where it is not the whole rest.
    pub end: Option<u64>,
    /// Refused where the blob has another size.
    pub size: Option<u64>,
    /// Refused where the blob is larger.
    pub max: Option<u64>,
}

/// Which blobs a peer asks about: one, or several that are answered as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// One.
    One(BlobId),
    /// Several.
    Several(Vec<BlobId>),
}

/// Why a blob is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotGiven {
    /// The arguments name none.
    #[error("the id is not a blob")]
    NotABlob,
    /// It is not held.
    #[error("could not get blob: it is not here")]
    NotHere,
    /// Not of the size, or larger than the peer asks for.
    #[error("incorrect file length")]
    Size,
    /// The peer is getting too many.
    #[error("too many blobs at once")]
    TooMany,
}

/// Reads the arguments of `blobs.get` and `blobs.getSlice`: an id, or an object with it.
///
/// # Errors
/// [`NotGiven::NotABlob`] where there is no id.
pub fn parse_get(args: &[Value]) -> Result<Asked, NotGiven> {
    let number = |name: &str| args.first().and_then(|options| options.get(name)).and_then(Value::as_u64);
    Ok(Asked {
        id: parse_id(args.first())?,
        start: number("start").unwrap_or(0),
        end: number("end"),
        size: number("size"),
        max: number("max"),
    })
}

/// Reads the argument of `blobs.has` and `blobs.size`.
///
/// # Errors
/// [`NotGiven::NotABlob`] where it is no id, nor a list of not too many.
pub fn parse_question(args: &[Value]) -> Result<Question, NotGiven> {
    match args.first() {
        Some(Value::Array(ids)) if ids.len() <= MAX_QUESTION => {
            ids.iter().map(|id| parse_id(Some(id))).collect::<Result<_, _>>().map(Question::Several)
        }
        Some(Value::Array(_)) => Err(NotGiven::TooMany),
        one => parse_id(one).map(Question::One),
    }
}

fn parse_id(value: Option<&Value>) -> Result<BlobId, NotGiven> {
    let id = match value {
        Some(Value::String(id)) => Some(id.as_str()),
        Some(Value::Object(options)) => ["id", "key", "hash"].iter().find_map(|name| options.get(*name)?.as_str()),
        _ => None,
    };
    id.filter(|id| id.starts_with('&')).and_then(|id| id.parse().ok()).ok_or(NotGiven::NotABlob)
}

/// What to send next. `S` names a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<S> {
    /// A piece of a blob; then call [`Giving::handle_sent`].
    Piece {
        /// On which stream.
        stream: S,
        /// Of which.
        id: BlobId,
        /// The first byte.
        from: u64,
        /// The byte after the last.
        to: u64,
    },
    /// The stream is at its end.
    End(S),
}

#[derive(Debug)]
struct Get<S> {
    stream: S,
    id: BlobId,
    next: u64,
    end: u64,
}

/// All blobs that one peer is getting.
#[derive(Debug)]
pub struct Giving<S> {
    gets: VecDeque<Get<S>>,
}

impl<S> Default for Giving<S> {
    fn default() -> Self {
        Self { gets: VecDeque::new() }
    }
}

impl<S: Copy + PartialEq> Giving<S> {
    /// The peer asks for a blob that has `size` bytes here.
    ///
    /// # Errors
    /// Why it does not get it.
    pub fn open(&mut self, stream: S, asked: &Asked, size: Option<u64>) -> Result<(), NotGiven> {
        let size = size.ok_or(NotGiven::NotHere)?;
        if asked.size.is_some_and(|expected| expected != size) || asked.max.is_some_and(|max| max < size) {
            return Err(NotGiven::Size);
        }
        if self.gets.len() >= MAX_GETS {
            return Err(NotGiven::TooMany);
        }
        let end = asked.end.unwrap_or(size).min(size);
        self.gets.push_back(Get { stream, id: asked.id, next: asked.start, end });
        Ok(())
    }

    /// What to send next.
    pub fn poll_output(&mut self) -> Option<Output<S>> {
        let get = self.gets.front()?;
        if get.next < get.end {
            let to = get.end.min(get.next + PIECE);
            return Some(Output::Piece { stream: get.stream, id: get.id, from: get.next, to });
        }
        self.gets.pop_front().map(|get| Output::End(get.stream))
    }

    /// The piece was sent; it is another's turn.
    pub fn handle_sent(&mut self) {
        if let Some(mut get) = self.gets.pop_front() {
            get.next = get.end.min(get.next + PIECE);
            self.gets.push_back(get);
        }
    }

    /// The peer ended a stream, or its blob is gone.
    pub fn handle_ended(&mut self, stream: S) {
        self.gets.retain(|get| get.stream != stream);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: BlobId = BlobId([1; 32]);
    const B: BlobId = BlobId([2; 32]);

    fn whole(id: BlobId) -> Asked {
        Asked { id, start: 0, end: None, size: None, max: None }
    }

    fn drain(giving: &mut Giving<u32>) -> Vec<(u32, u64, u64)> {
        let mut sent = Vec::new();
        while let Some(output) = giving.poll_output() {
            match output {
                Output::Piece { stream, from, to, .. } => {
                    sent.push((stream, from, to));
                    giving.handle_sent();
                }
                Output::End(stream) => sent.push((stream, u64::MAX, u64::MAX)),
            }
        }
        sent
    }

    const END: u64 = u64::MAX;

    #[test]
    fn blobs_go_out_in_pieces_by_turns() {
        let mut giving = Giving::default();
        giving.open(1, &whole(A), Some(PIECE + 5)).unwrap();
        giving.open(2, &whole(B), Some(3)).unwrap();
        assert_eq!(drain(&mut giving), [(1, 0, PIECE), (2, 0, 3), (1, PIECE, PIECE + 5), (2, END, END), (1, END, END)]);
    }

    #[test]
    fn slices_are_cut_to_the_blob_and_an_empty_one_ends_at_once() {
        let mut giving = Giving::default();
        giving.open(1, &Asked { start: 2, end: Some(99), ..whole(A) }, Some(5)).unwrap();
        giving.open(2, &Asked { start: 9, ..whole(A) }, Some(5)).unwrap();
        giving.open(3, &whole(A), Some(0)).unwrap();
        assert_eq!(drain(&mut giving), [(1, 2, 5), (2, END, END), (3, END, END), (1, END, END)]);
    }

    #[test]
    fn what_is_not_here_or_of_another_size_is_refused_and_so_are_too_many() {
        let mut giving = Giving::default();
        assert_eq!(giving.open(1, &whole(A), None), Err(NotGiven::NotHere));
        assert_eq!(giving.open(1, &Asked { max: Some(4), ..whole(A) }, Some(5)), Err(NotGiven::Size));
        assert_eq!(giving.open(1, &Asked { size: Some(4), ..whole(A) }, Some(5)), Err(NotGiven::Size));
        for stream in 0..MAX_GETS {
            giving.open(stream as u32, &whole(A), Some(5)).unwrap();
        }
        assert_eq!(giving.open(99, &whole(A), Some(5)), Err(NotGiven::TooMany));
        giving.handle_ended(0);
        assert_eq!(giving.open(99, &whole(A), Some(5)), Ok(()));
    }

    #[test]
    fn ids_are_read_in_every_form_that_javascript_sends() {
        for args in [json!([A]), json!([{ "id": A }]), json!([{ "key": A }]), json!([{ "hash": A }])] {
            assert_eq!(parse_get(args.as_array().unwrap()), Ok(whole(A)));
        }
        let slice = json!([{ "hash": A, "start": 3, "end": 9, "size": 20, "max": 30 }]);
        let expected = Asked { id: A, start: 3, end: Some(9), size: Some(20), max: Some(30) };
        assert_eq!(parse_get(slice.as_array().unwrap()), Ok(expected));
        assert_eq!(parse_question(&[json!(A)]), Ok(Question::One(A)));
        assert_eq!(parse_question(&[json!([A, B])]), Ok(Question::Several(vec![A, B])));
        for bad in [json!([]), json!([5]), json!(["&x.sha256"]), json!([{}]), json!([{ "id": [A] }]), json!([A.slug()])]
        {
            assert_eq!(parse_get(bad.as_array().unwrap()), Err(NotGiven::NotABlob), "{bad}");
        }
        assert_eq!(parse_question(&[json!(vec![A; MAX_QUESTION + 1])]), Err(NotGiven::TooMany));
    }
}

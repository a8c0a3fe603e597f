//! The arguments of `createHistoryStream`. Pure.

use serde_json::{Value, json};
use stream_model::{FeedId, FeedSequence};

use crate::muxrpc::session::{Call, CallKind};

/// What each message is sent as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{"key", "value", "timestamp"}`.
    Full,
    /// The value alone, as it is signed.
    Value,
    /// The key alone.
    Key,
}

/// Which messages a peer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments {
    /// Whose.
    pub feed: FeedId,
    /// The first one.
    pub from: FeedSequence,
    /// How many at most.
    pub limit: Option<u64>,
    /// Whether those that are there already are asked for.
    pub old: bool,
    /// Whether those that are still to come are asked for.
    pub live: bool,
    /// In which form.
    pub format: Format,
}

/// Why arguments are not understood. The text goes to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadArguments {
    /// Neither an object nor the positional form of old callers.
    #[error("createHistoryStream expects an object with an id")]
    NoOptions,
    /// The `id` is not a feed of the classic format.
    #[error("the id is not a feed")]
    NotAFeed,
    /// An option has a value of a wrong type.
    #[error("{0} has a wrong type")]
    WrongType(&'static str),
}

/// Reads what a peer sent: an object, or `id, sequence, live` one after the other as early versions of JavaScript's
/// `ssb-db` take them. `reverse` and whatever else is there is not looked at, as in `ssb-db2`.
///
/// # Errors
/// [`BadArguments`] says which is wrong.
pub fn parse(args: &[Value]) -> Result<Arguments, BadArguments> {
    let options = match args.first() {
        Some(Value::Object(options)) => options,
        Some(Value::String(id)) => {
            return Ok(Arguments {
                feed: feed(Some(id))?,
                from: FeedSequence(number(args.get(1), "sequence")?.unwrap_or(0)),
                limit: None,
                old: true,
                live: flag(args.get(2), "live")?.unwrap_or(false),
                format: Format::Full,
            });
        }
        _ => return Err(BadArguments::NoOptions),
    };
    let sequence = match number(options.get("sequence"), "sequence")?.filter(|sequence| *sequence > 0) {
        Some(sequence) => sequence,
        None => number(options.get("seq"), "seq")?.unwrap_or(0),
    };
    let keys = flag(options.get("keys"), "keys")?.unwrap_or(true);
    let values = flag(options.get("values"), "values")?.unwrap_or(true);
    Ok(Arguments {
        feed: feed(options.get("id").and_then(Value::as_str))?,
        from: FeedSequence(sequence),
        limit: number(options.get("limit"), "limit")?.filter(|limit| *limit > 0),
        old: flag(options.get("old"), "old")?.unwrap_or(true),
        live: flag(options.get("live"), "live")?.unwrap_or(false),
        format: match (keys, values) {
            (true, true) | (false, false) => Format::Full,
            (false, true) => Format::Value,
            (true, false) => Format::Key,
        },
    })
}

/// The call that asks a peer for the messages of a feed from `from` on, and for those to come.
pub fn call(feed: FeedId, from: FeedSequence) -> Call {
    Call {
        name: vec!["createHistoryStream".to_owned()],
        kind: CallKind::Source,
        args: vec![json!({ "id": feed, "seq": from.0, "sequence": from.0, "live": true, "old": true, "keys": false })],
    }
}

fn feed(id: Option<impl AsRef<str>>) -> Result<FeedId, BadArguments> {
    id.and_then(|id| id.as_ref().parse().ok()).ok_or(BadArguments::NotAFeed)
}

/// A count: negative numbers mean none, as -1 does for a limit in JavaScript; fractions count up to the next message.
fn number(value: Option<&Value>, name: &'static str) -> Result<Option<u64>, BadArguments> {
    match value {
        None | Some(Value::Null) => Ok(None),
        // A number beyond the range becomes its end.
        Some(Value::Number(number)) => Ok(Some(number.as_f64().unwrap_or(0.0).ceil() as u64)),
        Some(_) => Err(BadArguments::WrongType(name)),
    }
}

fn flag(value: Option<&Value>, name: &'static str) -> Result<Option<bool>, BadArguments> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::Number(number)) => Ok(Some(number.as_f64() != Some(0.0))),
        Some(_) => Err(BadArguments::WrongType(name)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FEED: FeedId = FeedId([7; 32]);

    fn everything() -> Arguments {
        Arguments { feed: FEED, from: FeedSequence(0), limit: None, old: true, live: false, format: Format::Full }
    }

    fn check(mut options: Value, expected: Arguments) {
        options["id"] = json!(FEED);
        assert_eq!(parse(&[options.clone()]), Ok(expected), "{options}");
    }

    #[test]
    fn options_are_read_as_javascript_reads_them() {
        let from = |from| Arguments { from: FeedSequence(from), ..everything() };
        check(json!({}), everything());
        check(json!({ "seq": 5 }), from(5));
        check(json!({ "sequence": 5 }), from(5));
        check(json!({ "sequence": 6, "seq": 5 }), from(6));
        check(json!({ "sequence": 0, "seq": 5 }), from(5));
        check(json!({ "seq": -3 }), from(0));
        check(json!({ "seq": 2.5 }), from(3));
        check(json!({ "limit": 3, "reverse": true }), Arguments { limit: Some(3), ..everything() });
        check(json!({ "limit": -1 }), everything());
        check(json!({ "limit": 0 }), everything());
        check(json!({ "live": true, "old": false }), Arguments { live: true, old: false, ..everything() });
        check(json!({ "live": 1, "seq": null }), Arguments { live: true, ..everything() });
        check(json!({ "keys": false }), Arguments { format: Format::Value, ..everything() });
        check(json!({ "values": false }), Arguments { format: Format::Key, ..everything() });
    }

    #[test]
    fn the_positional_form_of_early_callers_is_read() {
        let id = json!(FEED);
        assert_eq!(parse(std::slice::from_ref(&id)), Ok(everything()));
        let expected = Arguments { from: FeedSequence(4), live: true, ..everything() };
        assert_eq!(parse(&[id, json!(4), json!(true)]), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (args, error) in [
            (vec![], BadArguments::NoOptions),
            (vec![json!(7)], BadArguments::NoOptions),
            (vec![json!([])], BadArguments::NoOptions),
            (vec![json!("@me")], BadArguments::NotAFeed),
            (vec![json!({})], BadArguments::NotAFeed),
            (vec![json!({ "id": 5 })], BadArguments::NotAFeed),
            (vec![json!({ "id": FEED, "seq": "1" })], BadArguments::WrongType("seq")),
            (vec![json!({ "id": FEED, "limit": {} })], BadArguments::WrongType("limit")),
            (vec![json!({ "id": FEED, "live": "yes" })], BadArguments::WrongType("live")),
            (vec![json!({ "id": FEED, "keys": [] })], BadArguments::WrongType("keys")),
        ] {
            assert_eq!(parse(&args), Err(error), "{args:?}");
        }
    }

    proptest! {
        #[test]
        fn what_we_ask_for_is_read_back(bytes: [u8; 32], from in 1u64..1 << 53) {
            let feed = FeedId(bytes);
            let read = parse(&call(feed, FeedSequence(from)).args).unwrap();
            let expected = Arguments { feed, from: FeedSequence(from), limit: None, old: true, live: true, format: Format::Value };
            prop_assert_eq!(read, expected);
        }
    }
}

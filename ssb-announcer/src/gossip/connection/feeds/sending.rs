//! What goes out on one connection: notes, and messages as the socket takes them. They stay in the store until then.

use bytes::Bytes;
use metrics::counter;

use super::super::wire::Wire;
use super::{ConnectionError, Feeds};
use crate::feed::Message;
use crate::muxrpc::packet::Encoding;
use crate::muxrpc::session::SubstreamId;
use crate::replication::history::arguments::Format;
use crate::replication::history::serving;
use crate::replication::note;
use crate::replication::session::Output;

/// Messages read from the store at once.
const BATCH: usize = 64;

impl Feeds {
    /// Sends notes, or a batch of messages; `false` where there is nothing to send. EBT and histories take turns.
    pub(in super::super) async fn send_some(&mut self, wire: &mut Wire) -> Result<bool, ConnectionError> {
        for _ in 0..2 {
            self.histories_next = !self.histories_next;
            let sent = if self.histories_next { self.send_history(wire).await? } else { self.send_ebt(wire).await? };
            if sent {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn send_ebt(&mut self, wire: &mut Wire) -> Result<bool, ConnectionError> {
        let Some((id, ebt)) = &mut self.ebt else { return Ok(false) };
        match ebt.poll_output() {
            None => return Ok(false),
            Some(Output::Notes(notes)) => wire.data(*id, note::write(&notes)),
            Some(Output::Messages { feed, after }) => {
                let mut sent = after;
                for message in self.store.get(feed, after.next(), BATCH).await? {
                    if !wire.has_room() {
                        break;
                    }
                    send_message(wire, *id, &message, Format::Value);
                    sent = message.sequence;
                }
                ebt.handle_sent(feed, sent);
            }
        }
        Ok(true)
    }

    async fn send_history(&mut self, wire: &mut Wire) -> Result<bool, ConnectionError> {
        let (stream, feed, from, limit, format) = match self.serving.poll_output() {
            None => return Ok(false),
            Some(serving::Output::End(stream)) => {
                wire.end(stream, None);
                return Ok(true);
            }
            Some(serving::Output::Messages { stream, feed, from, limit, format }) => {
                (stream, feed, from, limit, format)
            }
        };
        if self.store.wanted().borrow().is_blocked(&feed) {
            self.serving.handle_sent(stream, 0, None);
            return Ok(true);
        }
        let most = usize::try_from(limit).unwrap_or(BATCH).min(BATCH);
        let (mut sent, mut last) = (0, None);
        for message in self.store.get(feed, from, most).await? {
            if !wire.has_room() && sent > 0 {
                break;
            }
            send_message(wire, stream, &message, format);
            sent += 1;
            last = Some(message.sequence);
        }
        self.serving.handle_sent(stream, sent, last);
        if let (Some(last), Some((_, ebt)), true) = (last, &mut self.ebt, format != Format::Key) {
            ebt.handle_sent_otherwise(feed, from, last);
        }
        Ok(true)
    }
}

fn send_message(wire: &mut Wire, stream: SubstreamId, message: &Message, format: Format) {
    counter!("meshstream_ssb_messages_sent_total").increment(1);
    match format {
        Format::Value => wire.data(stream, Bytes::copy_from_slice(message.value_json.as_bytes())),
        Format::Full => wire.data(stream, message.to_kvt_json()),
        Format::Key => wire.data_as(stream, Encoding::Text, message.key.to_string()),
    }
}

//! Files to and from a running node, with how far they are: a bar on a terminal, lines in a log.
//!
//! `-` stands for standard input and output. A file that is written is `FILE.part` until it is whole.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use bytesize::ByteSize;
use futures::stream::{self, BoxStream, StreamExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use stream_model::CarProgress;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::control::Client;

/// Bytes read from a file at once.
const PIECE: usize = 256 << 10;
/// How often a bar is drawn anew, and a line is written where there is no terminal.
const DRAWN: Duration = Duration::from_millis(200);
const LOGGED: Duration = Duration::from_secs(10);
/// Longest line of JSON that is taken from the node.
const MAX_LINE: usize = 1 << 20;

/// How far something is, for people.
#[derive(Debug)]
pub(crate) struct Meter {
    what: &'static str,
    unit: Unit,
    total: Option<u64>,
    started: Instant,
    told: Instant,
    on_terminal: bool,
    drawn: bool,
}

/// What a meter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Blocks,
    Segments,
}

impl Meter {
    pub(crate) fn new(what: &'static str, unit: Unit, total: Option<u64>) -> Self {
        let (started, on_terminal) = (Instant::now(), std::io::stderr().is_terminal());
        Self { what, unit, total, started, told: started, on_terminal, drawn: false }
    }

    /// Says how much there is in all.
    pub(crate) fn of(&mut self, total: u64) {
        self.total = Some(total);
    }

    /// Tells how far it is, where it is time to.
    pub(crate) fn at(&mut self, done: u64) {
        if self.told.elapsed() < if self.on_terminal { DRAWN } else { LOGGED } {
            return;
        }
        self.told = Instant::now();
        let line = line(self.what, self.unit, done, self.total, self.started.elapsed());
        // Nobody is told of a terminal that is gone.
        let mut out = std::io::stderr();
        let _ = if self.on_terminal {
            self.drawn = true;
            write!(out, "\r\x1b[K{line}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
    }

    /// Says something besides.
    pub(crate) fn note(&mut self, text: &str) {
        self.clear();
        // Nobody is told of a terminal that is gone.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Makes way for what is printed next.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let mut out = std::io::stderr();
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}

fn line(what: &str, unit: Unit, done: u64, total: Option<u64>, elapsed: Duration) -> String {
    const BAR: u64 = 24;
    let number = |count: u64| match unit {
        Unit::Bytes => ByteSize::b(count).to_string(),
        Unit::Blocks | Unit::Segments => count.to_string(),
    };
    let per_second = done as f64 / elapsed.as_secs_f64().max(0.001);
    let rate = match unit {
        Unit::Bytes => format!("{}/s", ByteSize::b(per_second as u64)),
        Unit::Blocks => format!("{per_second:.0} blocks/s"),
        Unit::Segments => format!("{per_second:.1} segments/s"),
    };
    let Some(total) = total.filter(|total| *total > 0) else { return format!("{what} {}, {rate}", number(done)) };
    let done = done.min(total);
    let filled = (u128::from(done) * u128::from(BAR) / u128::from(total)) as usize;
    let bar = format!("{}{}", "#".repeat(filled), "-".repeat(BAR as usize - filled));
    let percent = u128::from(done) * 100 / u128::from(total);
    let left = Duration::from_secs(((total - done) as f64 / per_second.max(1.0)) as u64);
    let left = humantime::format_duration(left);
    format!("{what} [{bar}] {percent} % of {}, {rate}, {left} left", number(total))
}

/// Writes what the node answers at a path to a file.
pub(crate) async fn download(client: &Client, path: &str, to: &Path) -> anyhow::Result<u64> {
    let answer = client.open(path).await?;
    let total = answer.content_length();
    let mut meter = Meter::new("exporting", Unit::Bytes, total);
    let pieces = answer.bytes_stream().map(|piece| piece.context("the node broke off: its log says why"));
    let written = if to == Path::new("-") {
        copy(pieces.boxed(), &mut tokio::io::stdout(), &mut meter).await
    } else {
        save(pieces.boxed(), to, &mut meter).await
    };
    meter.clear();
    let written = written?;
    match total {
        Some(total) if total != written => {
            bail!("the node broke off after {written} of {total} bytes: its log says why")
        }
        _ => Ok(written),
    }
}

async fn save(pieces: BoxStream<'_, anyhow::Result<Bytes>>, to: &Path, meter: &mut Meter) -> anyhow::Result<u64> {
    if tokio::fs::try_exists(to).await.unwrap_or(false) {
        bail!("{} is there already: choose another name, or remove it", to.display());
    }
    let part = part_of(to);
    let cannot = || format!("cannot write {}", part.display());
    let mut file = File::create(&part).await.with_context(cannot)?;
    let copied = async {
        let written = copy(pieces, &mut file, meter).await?;
        file.sync_all().await.with_context(cannot)?;
        tokio::fs::rename(&part, to)
            .await
            .with_context(|| format!("cannot name {} {}", part.display(), to.display()))?;
        Ok(written)
    };
    let copied = copied.await;
    if copied.is_err() {
        // What is left of it is of no use, and the failure is what matters.
        let _ = tokio::fs::remove_file(&part).await;
    }
    copied
}

fn part_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

async fn copy(
    mut pieces: BoxStream<'_, anyhow::Result<Bytes>>,
    to: &mut (impl AsyncWrite + Unpin),
    meter: &mut Meter,
) -> anyhow::Result<u64> {
    let mut written = 0;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        to.write_all(&piece).await.context("cannot write the file: is the disk full?")?;
        written += piece.len() as u64;
        meter.at(written);
    }
    to.flush().await.context("cannot write the file: is the disk full?")?;
    Ok(written)
}

/// What the node says of an import.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ImportEvent<T> {
    Progress(CarProgress),
    Imported(T),
    Failed(String),
}

/// Sends a CAR file to the node, and returns what the node says it brought.
pub(crate) async fn import<T: DeserializeOwned>(client: &Client, path: &str, file: &Path) -> anyhow::Result<T> {
    let (reader, total) = source(file).await?;
    let failure = ReadFailure::default();
    let imported = send(client, path, pieces(reader, failure.clone()), total).await;
    match (imported, failure.take()) {
        (Err(_), Some(error)) => bail!(
            "cannot read {} to its end: {error}; what came is kept for a day: import it again to go on",
            file.display()
        ),
        (imported, _) => imported,
    }
}

/// The same with a CAR file that is made on the way, of about so many bytes.
pub(crate) async fn import_pieces<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    pieces: BoxStream<'static, std::io::Result<Bytes>>,
    bytes: u64,
) -> anyhow::Result<T> {
    send(client, path, pieces, Some(bytes)).await
}

async fn send<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    pieces: BoxStream<'static, std::io::Result<Bytes>>,
    total: Option<u64>,
) -> anyhow::Result<T> {
    let mut meter = Meter::new("importing", Unit::Bytes, total);
    let imported = async {
        let answer = client.send_stream(path, pieces).await?;
        let last = events(answer, |event| match event {
            ImportEvent::Progress(progress) => {
                meter.at(progress.bytes_read);
                None
            }
            ImportEvent::Imported(imported) => Some(Ok(imported)),
            ImportEvent::Failed(error) => Some(Err(anyhow!(error))),
        });
        last.await?
    };
    let imported = imported.await;
    meter.clear();
    imported
}

/// A file to read, and its length where it has one.
async fn source(from: &Path) -> anyhow::Result<(Box<dyn AsyncRead + Send + Unpin>, Option<u64>)> {
    if from == Path::new("-") {
        return Ok((Box::new(tokio::io::stdin()), None));
    }
    let cannot = || format!("cannot read {}", from.display());
    let file = File::open(from).await.with_context(cannot)?;
    let metadata = file.metadata().await.with_context(cannot)?;
    if metadata.is_dir() {
        bail!("{} is a directory: name a file", from.display());
    }
    Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
}

/// Why a reader failed while it was sent: the node can only tell that it did.
#[derive(Debug, Clone, Default)]
struct ReadFailure(Arc<Mutex<Option<std::io::Error>>>);

impl ReadFailure {
    /// The failure, where there was one.
    fn take(&self) -> Option<std::io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A reader's bytes as they are sent.
fn pieces(
    reader: impl AsyncRead + Send + Unpin + 'static,
    failure: ReadFailure,
) -> BoxStream<'static, std::io::Result<Bytes>> {
    stream::try_unfold((reader, failure), |(mut reader, failure)| async {
        let mut piece = Vec::with_capacity(PIECE);
        if let Err(error) = (&mut reader).take(PIECE as u64).read_to_end(&mut piece).await {
            let kind = error.kind();
            *failure.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            return Err(kind.into());
        }
        Ok((!piece.is_empty()).then(|| (piece.into(), (reader, failure))))
    })
    .boxed()
}

/// Calls `each` with what each line of an answer says, until it has what it waits for.
pub(crate) async fn events<E: DeserializeOwned, T>(
    answer: reqwest::Response,
    mut each: impl FnMut(E) -> Option<T>,
) -> anyhow::Result<T> {
    let mut pieces = answer.bytes_stream();
    let mut line = Vec::new();
    while let Some(piece) = pieces.next().await {
        for byte in piece.context("the node broke off: its log says why")? {
            if byte != b'\n' {
                line.push(byte);
                if line.len() > MAX_LINE {
                    bail!("the node's answer is not understood: a line of it does not end");
                }
                continue;
            }
            let event = serde_json::from_slice(&line).context("the node's answer is not understood")?;
            line.clear();
            if let Some(last) = each(event) {
                return Ok(last);
            }
        }
    }
    bail!("the node ended before it was done: start it and run this again")
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    /// A file that cannot be read.
    struct PulledOut;

    impl AsyncRead for PulledOut {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut tokio::io::ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Poll::Ready(Err(std::io::Error::other("the stick was pulled out")))
        }
    }

    fn meter() -> Meter {
        Meter::new("exporting", Unit::Bytes, None)
    }

    #[test]
    fn a_line_tells_how_far_it_is_and_how_long_it_takes() {
        let half = line("exporting", Unit::Bytes, 1 << 30, Some(2 << 30), Duration::from_secs(10));
        assert_eq!(half, "exporting [############------------] 50 % of 2.0 GiB, 102.4 MiB/s, 10s left");
        let unknown = line("importing", Unit::Bytes, 1 << 20, None, Duration::from_secs(1));
        assert_eq!(unknown, "importing 1.0 MiB, 1.0 MiB/s");
        let more = line("checking", Unit::Blocks, 9, Some(3), Duration::ZERO);
        assert!(more.contains("100 % of 3") && more.ends_with("0s left"), "{more}");
    }

    #[tokio::test]
    async fn a_file_is_there_once_it_is_whole_and_never_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("a.car");
        let broken = stream::iter([Ok(Bytes::from_static(b"half")), Err(anyhow::anyhow!("broke off"))]).boxed();
        assert!(save(broken, &to, &mut meter()).await.is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let whole = || stream::iter([Ok(Bytes::from_static(b"who")), Ok(Bytes::from_static(b"le"))]).boxed();
        assert_eq!(save(whole(), &to, &mut meter()).await.unwrap(), 5);
        assert_eq!(std::fs::read(&to).unwrap(), b"whole");
        let refused = save(whole(), &to, &mut meter()).await.unwrap_err().to_string();
        assert!(refused.contains("there already"), "{refused}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_file_is_read_in_pieces_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("a.car");
        std::fs::write(&from, vec![7; PIECE + 5]).unwrap();
        let (reader, length) = source(&from).await.unwrap();
        assert_eq!(length, Some(PIECE as u64 + 5));
        let lengths: Vec<_> = pieces(reader, ReadFailure::default()).map(|piece| piece.unwrap().len()).collect().await;
        assert_eq!(lengths, [PIECE, 5]);
        let error = source(folder.path()).await.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("directory"), "{error}");
        let error = source(&folder.path().join("none")).await.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
    }
    #[tokio::test]
    async fn why_a_file_cannot_be_read_on_is_kept_for_who_asks() {
        let failure = ReadFailure::default();
        let pieces: Vec<_> = pieces(PulledOut, failure.clone()).collect().await;
        assert!(pieces.iter().any(Result::is_err));
        assert!(failure.take().unwrap().to_string().contains("pulled out"));
    }
}

//! A helper process that answers JSON lines with JSON lines.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A guard against hanging, not a measure.
pub(crate) const GUARD: Duration = Duration::from_secs(120);

/// A process with a conversation over its standard input and output. Killed when dropped, unless it ends by itself.
#[derive(Debug)]
pub(crate) struct JsonChild {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// Lines that were passed over while others were looked for.
    seen: Vec<Value>,
}

impl JsonChild {
    /// Starts it. `needs` is a file that `make test-deps` installs.
    pub(crate) fn spawn(name: &'static str, mut command: Command, needs: &Path) -> Result<Self> {
        command.kill_on_drop(true);
        Self::spawn_to_end_by_itself(name, command, needs)
    }

    /// Starts one that ends when its standard input does, and has to tidy up then. `needs` is a file that `make test-deps`
    /// installs.
    pub(crate) fn spawn_to_end_by_itself(name: &'static str, mut command: Command, needs: &Path) -> Result<Self> {
        ensure!(needs.exists(), "{} is missing: run 'make test-deps' first", needs.display());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}: run 'make test-deps' first"))?;
        let input = child.stdin.take().context("no standard input")?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        Ok(Self { name, child, input, output, seen: Vec::new() })
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Sends a line.
    pub(crate) async fn send(&mut self, line: &str) -> Result<()> {
        self.input.write_all(line.as_bytes()).await?;
        self.input.write_all(b"\n").await?;
        Ok(self.input.flush().await?)
    }

    /// The first line still to come from which `wanted` makes something. Those before it are passed over: of what is told
    /// again and again only the latest counts.
    pub(crate) async fn until<T>(&mut self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> Result<T> {
        self.search(what, false, &wanted).await
    }

    /// The first line from which `wanted` makes something, still to come or passed over by such a search before: of what is
    /// told once nothing is lost.
    pub(crate) async fn find<T>(&mut self, what: &str, wanted: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let seen = self.seen.iter().enumerate().find_map(|(at, line)| Some((at, wanted(line)?)));
        if let Some((at, found)) = seen {
            self.seen.remove(at);
            return Ok(found);
        }
        self.search(what, true, &wanted).await
    }

    async fn search<T>(&mut self, what: &str, remember: bool, wanted: &impl Fn(&Value) -> Option<T>) -> Result<T> {
        let mut last = Value::Null;
        let search = async {
            while let Some(line) = self.output.next_line().await? {
                // Libraries print warnings among the lines.
                let Ok(line) = serde_json::from_str(&line) else { continue };
                if let Some(found) = wanted(&line) {
                    return Ok(found);
                }
                last = line;
                if remember {
                    self.seen.push(last.clone());
                }
            }
            bail!("{} ended", self.name)
        };
        match tokio::time::timeout(GUARD, search).await {
            Ok(result) => result.with_context(|| format!("{}: waiting for {what}", self.name)),
            Err(_) => bail!("{}: {what} did not come; the last line was {last}", self.name),
        }
    }
}

/// The root of the repository, where the drivers are.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the testkit lies in the repository")
}

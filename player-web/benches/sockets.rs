//! A thousand WebSockets on one node: memory of each, the delay of an event until all have it, and what stalled ones cost.
//!
//! The server is a process of its own, this program again, whose memory and CPU time are read from `/proc`; the clients come
//! from several addresses of this machine. Prints a table.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails should say where")]
#![allow(clippy::print_stdout, reason = "the benchmark's result")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use stream_model::{BroadcastState, DirectoryChange, MediaSequence, PlaylistChange};
use support::{FakeNode, broadcast_id, listing};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_util::sync::CancellationToken;

const SOCKETS: usize = 1_000;

/// Sockets of one address: below the limit for each.
const PER_ADDRESS: usize = 25;

/// Broadcasts in the directory, as a community of some size has them.
const BROADCASTS: u8 = 20;

/// Events whose delays are taken.
const ROUNDS: u64 = 50;

/// Sockets that read nothing, and how many seconds long they are to be told of a new directory each second: beyond the minute
/// after which they are given up.
const STALLED: usize = 200;
const SECONDS: usize = 180;

/// The seconds whose memory is told.
const TOLD: [usize; 6] = [5, 20, 40, 60, 90, SECONDS];

type Client = WebSocketStream<TcpStream>;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if std::env::args().any(|argument| argument == "--serve") {
        runtime.block_on(serve());
    } else {
        runtime.block_on(measure());
    }
}

/// Prints its address; then does what the lines on standard input say.
async fn serve() {
    let node = FakeNode::new();
    let listings = (0..BROADCASTS).map(|number| listing(number, "A broadcast of the main hall", BroadcastState::Live));
    node.listings.lock().unwrap().extend(listings);
    let listener = listener::Listener::bind("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
    println!("{}", listener.local_addr());
    let config = player_web::Config::default();
    let router = player_web::app(node.ports(), &config);
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    let server =
        tokio::spawn(async move { player_web::serve(listener, router, player_web::Places::new(&config), token).await });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        match line.parse::<u64>() {
            Ok(number) => {
                let media_sequence = Some(MediaSequence(number));
                let change = PlaylistChange { broadcast: broadcast_id(7), media_sequence, ended: false };
                let _ = node.playlist_changes.send(change);
            }
            Err(_) => {
                node.listings.lock().unwrap()[0].title = line;
                let _ = node.directory_changes.send(DirectoryChange::Broadcast(broadcast_id(0)));
            }
        }
    }
    shutdown.cancel();
    server.await.unwrap();
}

struct Server {
    child: Child,
    stdin: ChildStdin,
    _stdout: Lines<BufReader<ChildStdout>>,
    address: std::net::SocketAddr,
}

impl Server {
    async fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--serve").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = stdout.next_line().await.unwrap().unwrap().parse().unwrap();
        Self { stdin: child.stdin.take().unwrap(), _stdout: stdout, child, address }
    }

    async fn tell(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        self.stdin.flush().await.unwrap();
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id().unwrap())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// User and kernel mode.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id().unwrap())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    async fn connect(&self, address: u8) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, address], 0).into()).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let request = format!("ws://{}/ws?v=1", self.address).into_client_request().unwrap();
        tokio_tungstenite::client_async(request, stream).await.unwrap().0
    }
}

async fn until(client: &mut Client, kind: &str) -> serde_json::Value {
    loop {
        let message = client.next().await.unwrap().unwrap();
        let Message::Text(text) = message else { continue };
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        if value["type"] == kind {
            return value;
        }
    }
}

async fn measure() {
    let mut server = Server::start().await;
    // What is made once for all is there before.
    let mut first = server.connect(2).await;
    until(&mut first, "node").await;
    let empty = server.resident_kib();
    let began = Instant::now();
    let mut clients = Vec::new();
    for number in 0..SOCKETS {
        let mut client = server.connect(u8::try_from(10 + number / PER_ADDRESS).unwrap()).await;
        let slug = broadcast_id(7).slug();
        let message = format!(r#"{{"type":"subscribe","broadcast":"{slug}","playing":true}}"#);
        until(&mut client, "node").await;
        client.send(Message::text(message)).await.unwrap();
        until(&mut client, "statistics").await;
        clients.push(client);
    }
    row(
        "connect, greet and subscribe, one after the other",
        &format!("{:.2} ms each", millis(began.elapsed()) / SOCKETS as f64),
    );
    let full = server.resident_kib();
    let each = full.saturating_sub(empty) as f64 / SOCKETS as f64;
    row("resident memory: without sockets / with all", &format!("{} / {} MB", empty / 1024, full / 1024));
    row("memory of a socket", &format!("{each:.1} KiB"));
    playlists(&mut server, &mut clients).await;
    directory(&mut server, &mut clients).await;
    drop(clients);
    stalled().await;
}

/// The delay of an event: from the moment when the server is told until each socket has it.
async fn playlists(server: &mut Server, clients: &mut Vec<Client>) {
    let (mut firsts, mut medians, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    let cpu = server.cpu();
    for round in 0..ROUNDS {
        let delays = delays(server, clients, &(round + 10).to_string(), "playlist").await;
        firsts.push(delays[0]);
        medians.push(delays[delays.len() / 2]);
        lasts.push(delays[delays.len() - 1]);
    }
    let cpu = (server.cpu() - cpu) / u32::try_from(ROUNDS).unwrap();
    for (what, mut all) in [("the first socket", firsts), ("half of the sockets", medians), ("the last socket", lasts)]
    {
        all.sort_unstable();
        let (median, worst) = (millis(all[all.len() / 2]), millis(all[all.len() - 1]));
        row(
            &format!("a playlist's change until {what} has it"),
            &format!("median {median:.1} ms, worst {worst:.1} ms"),
        );
    }
    row("CPU time of the server for it", &format!("{:.1} ms", millis(cpu)));
}

async fn directory(server: &mut Server, clients: &mut Vec<Client>) {
    let (mut lasts, cpu) = (Vec::new(), server.cpu());
    const TIMES: u32 = 5;
    for number in 0..TIMES {
        lasts.push(*delays(server, clients, &format!("title {number}"), "directory").await.last().unwrap());
    }
    lasts.sort_unstable();
    let cpu = (server.cpu() - cpu) / TIMES;
    let median = millis(lasts[lasts.len() / 2]);
    row(
        &format!(
            "a change of the directory ({BROADCASTS} broadcasts) until the last socket has it; CPU time of the server"
        ),
        &format!("median {median:.0} ms, up to 1 s of which is the pause between two copies; {:.1} ms", millis(cpu)),
    );
}

async fn delays(server: &mut Server, clients: &mut Vec<Client>, line: &str, kind: &'static str) -> Vec<Duration> {
    let waiting: Vec<_> = clients
        .drain(..)
        .map(|mut client| {
            tokio::spawn(async move {
                until(&mut client, kind).await;
                (Instant::now(), client)
            })
        })
        .collect();
    let told = Instant::now();
    server.tell(line).await;
    let mut delays = Vec::new();
    for task in waiting {
        let (at, client) = task.await.unwrap();
        delays.push(at - told);
        clients.push(client);
    }
    delays.sort_unstable();
    delays
}

/// Sockets that do not read, while one that does is told of many changes.
async fn stalled() {
    let mut server = Server::start().await;
    let mut reader = server.connect(2).await;
    until(&mut reader, "node").await;
    let mut stalled = Vec::new();
    for number in 0..STALLED {
        let mut client = server.connect(u8::try_from(10 + number / PER_ADDRESS).unwrap()).await;
        until(&mut client, "node").await;
        stalled.push(client);
    }
    let before = server.resident_kib();
    let mut during = Vec::new();
    for number in 0..SECONDS {
        server.tell(&format!("{number} {}", "a long title ".repeat(3_000))).await;
        until(&mut reader, "directory").await;
        during.push(server.resident_kib());
    }
    let most = during.iter().max().unwrap() / 1024;
    let told = TOLD.map(|second| format!("{} MB after {second} s", during[second - 1] / 1024)).join(", ");
    row(
        &format!("{STALLED} sockets that read nothing, a directory of 45 KB each second: resident before; meanwhile"),
        &format!("{} MB; at most {most} MB: {told}", before / 1024),
    );
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn row(what: &str, figure: &str) {
    println!("| {what} | {figure} |");
}

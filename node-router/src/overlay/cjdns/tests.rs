//! The client against an admin server on loopback that does as it is told.

use std::sync::{Arc, Mutex};

use super::*;

const OWN: &str = "sbltg693xdpc9l5cg4zxxc91pr69ul70x5wuuqsmxglhjp1wu9g0.k";
const OWN_ADDRESS: &str = "fcab:7b51:27d0:275b:300f:2d86:1839:94de";
const PEERS: [(&str, &str); 2] = [
    ("xrwhk84h2247y6szm8xjl91uv0ybchzs41vtpg3p11qg6jmypz00.k", "fc0d:61bf:ed66:fbc7:d216:e456:c4b3:de8"),
    ("nwzqfpy0svwjc52vqyn2wdzphx1g18ru6gqzdkhdh90wdqtrjs90.k", "fcfc:d014:7478:290f:3a4e:f14a:6e77:45da"),
];

/// Lengths as the daemon pads them.
fn string(text: &str) -> String {
    format!("000{}:{text}", text.len())
}

fn entry(pairs: &[(&str, String)]) -> String {
    format!("d{}e", pairs.iter().map(|(key, value)| string(key) + value).collect::<String>())
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("l{}e", items.into_iter().collect::<String>())
}

fn name(path: &str, key: &str) -> String {
    string(&format!("v22.0000.0000.0000.{path}.{key}"))
}

/// How the server behaves.
#[derive(Clone, Default)]
struct Script {
    /// Asked of every question; else only of those that the daemon guards.
    password: Option<&'static str>,
    guards_all: bool,
    without_node_info: bool,
    without_quality: bool,
    /// The same page again and again.
    endless: bool,
    /// Datagrams that answer nothing, before each answer.
    stray: Vec<Vec<u8>>,
    /// Instead of each answer to a function.
    instead: Option<(&'static str, Vec<u8>)>,
    silent_on: Option<&'static str>,
    down: bool,
}

#[derive(Deserialize)]
struct Request {
    q: String,
    aq: Option<String>,
    args: Option<RequestArgs>,
    cookie: Option<String>,
    hash: Option<String>,
    txid: String,
}

#[derive(Deserialize)]
struct RequestArgs {
    page: u32,
}

impl Script {
    fn answer(&self, datagram: &[u8]) -> Option<Vec<u8>> {
        let request: Request = serde_bencode::from_bytes(datagram).unwrap();
        let function = request.aq.as_deref().unwrap_or(&request.q);
        if self.silent_on == Some(function) {
            return None;
        }
        if let Some((_, instead)) = self.instead.as_ref().filter(|(instead, _)| *instead == function) {
            return Some(instead.clone());
        }
        let guarded = self.guards_all || function == messages::PEER_INFO;
        let mut answer = if function == "cookie" {
            vec![("cookie", string("4711"))]
        } else if guarded && !self.is_authentic(&request, datagram) {
            vec![("error", string("Auth failed."))]
        } else {
            self.tell(function, request.args.map_or(0, |args| args.page))
        };
        answer.push(("txid", string(&request.txid)));
        Some(entry(&answer).into_bytes())
    }

    fn is_authentic(&self, request: &Request, datagram: &[u8]) -> bool {
        let (Some(cookie), Some(hash)) = (&request.cookie, &request.hash) else { return false };
        let password = self.password.unwrap_or("NONE");
        let query = Query {
            function: [messages::NODE_INFO, messages::PEER_STATS, messages::PEER_INFO, messages::DUMP_TABLE]
                .into_iter()
                .find(|function| request.aq.as_deref() == Some(function))
                .unwrap(),
            page: request.args.as_ref().map(|args| args.page),
        };
        assert_eq!((cookie.as_str(), hash.len()), ("4711", 64));
        query.authenticated(&request.txid, password, cookie) == datagram
    }

    fn tell(&self, function: &str, page: u32) -> Vec<(&'static str, String)> {
        let missing = vec![("error", string("No functions matched your request."))];
        let shown = if self.endless { 0 } else { page as usize };
        let peer = PEERS.get(shown);
        let state = if self.down { "UNRESPONSIVE" } else { "ESTABLISHED" };
        match function {
            messages::NODE_INFO if self.without_node_info => missing,
            messages::NODE_INFO => vec![("error", string("none")), ("myAddr", name("0001", OWN))],
            messages::PEER_STATS => {
                let stats = |key| entry(&[("addr", name("0015", key)), ("state", string(state))]);
                vec![("peers", list(peer.map(|(key, _)| stats(key)))), ("total", "i2e".into())]
            }
            messages::PEER_INFO if self.without_quality => missing,
            messages::PEER_INFO => {
                let lag = |key| if key == PEERS[0].0 { "i90e" } else { "i7e" };
                let info = |key| entry(&[("addr", name("0015", key)), ("lagSlots", format!("li0e{}e", lag(key)))]);
                vec![("error", string("none")), ("peers", list(peer.map(|(key, _)| info(key))))]
            }
            messages::DUMP_TABLE => {
                let own = (shown == 0).then(|| entry(&[("addr", name("0001", OWN))]));
                let routes = peer.map(|(key, _)| entry(&[("addr", name("0015", key))]));
                vec![("more", "i1e".into()), ("routingTable", list(own.into_iter().chain(routes)))]
            }
            _ => missing,
        }
    }
}

struct Server {
    script: Arc<Mutex<Script>>,
    client: Client,
}

impl Server {
    async fn start(script: Script) -> Self {
        Self::start_for(script, CjdnsPassword::default()).await
    }

    async fn start_for(script: Script, password: CjdnsPassword) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let script = Arc::new(Mutex::new(script));
        let shared = script.clone();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
                let script = shared.lock().unwrap().clone();
                for stray in &script.stray {
                    let _ = socket.send_to(stray, client).await;
                }
                if let Some(answer) = script.answer(&buffer[..length]) {
                    let _ = socket.send_to(&answer, client).await;
                }
            }
        });
        Self { script, client: Client::new(CjdnsAdmin { address, password }) }
    }

    fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    async fn view(&mut self) -> Result<View, DaemonError> {
        self.client.view().await
    }

    /// Does not wait for what never comes.
    fn impatient(mut self) -> Self {
        self.client.answer_timeout = Duration::from_millis(100);
        self
    }
}

fn linked(view: &View) -> Vec<String> {
    view.linked().map(|address| address.to_string()).collect()
}

fn addresses() -> Vec<String> {
    PEERS.iter().map(|(_, address)| (*address).to_owned()).collect()
}

#[tokio::test]
async fn a_daemon_tells_the_own_address_and_the_neighbours_the_quickest_first() {
    let mut server = Server::start(Script::default()).await;
    let view = server.view().await.unwrap();
    assert_eq!(view.own(), OWN_ADDRESS.parse().ok());
    assert_eq!(linked(&view), [PEERS[1].1, PEERS[0].1]);
    assert!(view.reachable().is_empty());
}

#[tokio::test]
async fn a_neighbour_whose_link_is_down_is_one_of_the_nodes_in_reach() {
    let mut server = Server::start(Script { down: true, ..Script::default() }).await;
    let view = server.view().await.unwrap();
    assert_eq!(linked(&view), [""; 0]);
    assert_eq!(view.reachable().iter().map(ToString::to_string).collect::<Vec<_>>(), addresses());
}

#[tokio::test]
async fn a_daemon_that_guards_all_is_asked_with_the_password() {
    let secret = CjdnsPassword::from_file("secret\n").unwrap();
    let script = Script { password: Some("secret"), guards_all: true, ..Script::default() };
    let mut server = Server::start_for(script.clone(), secret).await;
    for _ in 0..2 {
        assert_eq!(linked(&server.view().await.unwrap()).len(), 2);
    }
    let mut server = Server::start(script).await;
    let refused = server.view().await.unwrap_err();
    assert!(matches!(&refused, DaemonError::Refused(why) if why.contains("mesh.cjdns_password_file")), "{refused}");
}

#[tokio::test]
async fn another_password_costs_only_what_it_guards() {
    let mut server = Server::start(Script { password: Some("secret"), ..Script::default() }).await;
    let view = server.view().await.unwrap();
    assert_eq!((view.own(), linked(&view)), (OWN_ADDRESS.parse().ok(), addresses()));
}

#[tokio::test]
async fn older_daemons_without_some_functions_do() {
    let script = Script { without_node_info: true, without_quality: true, ..Script::default() };
    let view = Server::start(script).await.view().await.unwrap();
    assert_eq!((view.own(), linked(&view)), (OWN_ADDRESS.parse().ok(), addresses()));
}

#[tokio::test]
async fn lists_without_end_are_cut_off() {
    let view = Server::start(Script { endless: true, ..Script::default() }).await.view().await.unwrap();
    assert_eq!(linked(&view), addresses()[..1]);
}

#[tokio::test]
async fn what_answers_nothing_is_passed_over() {
    let other = entry(&[("error", string("none")), ("txid", string("other"))]).into_bytes();
    let stray = vec![b"garbage".to_vec(), Vec::new(), other, b"l".repeat(8000)];
    let mut server = Server::start(Script { stray, ..Script::default() }).await;
    assert_eq!(linked(&server.view().await.unwrap()).len(), 2);
    server.set(|script| script.stray = vec![b"garbage".to_vec(); MAX_STRAY]);
    assert!(matches!(server.view().await, Err(DaemonError::Malformed(_))));
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_an_error_and_the_next_look_starts_anew() {
    let script = Script { silent_on: Some(messages::PEER_STATS), ..Script::default() };
    let mut server = Server::start(script).await.impatient();
    assert_eq!(server.view().await, Err(DaemonError::TimedOut));
    // It carries no transaction.
    server.set(|script| {
        script.silent_on = None;
        script.instead = Some((messages::PEER_STATS, b"d5:peersi5ee".to_vec()));
    });
    assert_eq!(server.view().await, Err(DaemonError::TimedOut));
    server.set(|script| script.instead = None);
    assert_eq!(linked(&server.view().await.unwrap()).len(), 2);
}

#[tokio::test]
async fn the_neighbours_count_where_the_rest_is_too_slow() {
    let script = Script { silent_on: Some(messages::DUMP_TABLE), ..Script::default() };
    let view = Server::start(script).await.impatient().view().await.unwrap();
    assert_eq!(linked(&view).len(), 2);
}

#[tokio::test]
async fn no_daemon_and_one_that_restarts_are_told_apart_from_one_that_answers() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let mut client = Client::new(CjdnsAdmin { address, password: CjdnsPassword::default() });
    assert!(matches!(client.view().await, Err(DaemonError::Absent(_))));
    let socket = UdpSocket::bind(address).await.unwrap();
    let daemon = tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
            let answer = Script::default().answer(&buffer[..length]).unwrap();
            socket.send_to(&answer, client).await.unwrap();
        }
    });
    assert_eq!(linked(&client.view().await.unwrap()).len(), 2);
    daemon.abort();
    let _aborted = daemon.await;
    assert!(matches!(client.view().await, Err(DaemonError::Absent(_))));
}

#[test]
fn passwords_are_read_from_what_cjdns_tools_keep_and_from_plain_files() {
    let tools = r#"{"addr":"127.0.0.1","port":11234,"password":"p4ss","config":"/etc/cjdroute.conf"}"#;
    assert_eq!(CjdnsPassword::from_file(tools), Some(CjdnsPassword("p4ss".into())));
    assert_eq!(CjdnsPassword::from_file(" p4ss\n"), Some(CjdnsPassword("p4ss".into())));
    for text in ["", "\n", "{}", r#"{"password":5}"#, r#"{"password":""}"#, &"x".repeat(MAX_PASSWORD_FILE + 1)] {
        assert_eq!(CjdnsPassword::from_file(text), None, "{text:.40}");
    }
    assert_eq!(format!("{:?}", CjdnsPassword("p4ss".into())), "CjdnsPassword(…)");
}

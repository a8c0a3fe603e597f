//! Conformance of the secret handshake with npm `shs1-test`: that suite starts this same program as the peer to test
//! (arguments in hexadecimal, messages over standard input and output) and tries it with good and bad messages.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ed25519_dalek::SigningKey;
use ssb_announcer::handshake::state::SessionKeys;
use ssb_announcer::handshake::{HandshakeError, NetworkKey, authenticate_client, authenticate_server};
use stream_model::FeedId;

/// Makes a run repeatable; the suite derives all its keys and faults from it.
const SEED: &str = "meshstream";

fn main() -> ExitCode {
    let arguments: Vec<Vec<u8>> = std::env::args().skip(1).filter_map(|argument| from_hex(&argument)).collect();
    let parts: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    match parts.as_slice() {
        [network, server_secret, _server_public] if server_secret.len() == 64 => serve(network, server_secret),
        [network, server] if server.len() == 32 => dial(network, server),
        _ => {
            conforms("test-server.js");
            conforms("test-client.js");
            ExitCode::SUCCESS
        }
    }
}

fn conforms(suite: &str) {
    let script = suites().join(suite);
    assert!(script.exists(), "{} is missing: run 'make test-deps'", script.display());
    let this = std::env::current_exe().unwrap();
    let output = Command::new("node").arg(script).arg(this).arg(SEED).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{suite}: {text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{suite}: {}", text.trim());
}

fn suites() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/js/node_modules/shs1-test")
}

fn serve(network: &[u8], secret: &[u8]) -> ExitCode {
    let identity = SigningKey::from_keypair_bytes(secret.try_into().unwrap()).unwrap();
    let network = NetworkKey::new(network.try_into().unwrap());
    run(async |stream| authenticate_server(stream, &network, &identity).await)
}

fn dial(network: &[u8], server: &[u8]) -> ExitCode {
    let identity = SigningKey::from_bytes(&[7; 32]);
    let network = NetworkKey::new(network.try_into().unwrap());
    let server = FeedId(server.try_into().unwrap());
    run(async |stream| authenticate_client(stream, &network, &identity, server).await)
}

type Stdio = tokio::io::Join<tokio::io::Stdin, tokio::io::Stdout>;

fn run(handshake: impl AsyncFnOnce(&mut Stdio) -> Result<SessionKeys, HandshakeError>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let result = runtime.block_on(async {
        let mut stream = tokio::io::join(tokio::io::stdin(), tokio::io::stdout());
        handshake(&mut stream).await
    });
    let code = match result {
        Ok(keys) => {
            let mut out = std::io::stdout();
            out.write_all(&keys.send.expose()).unwrap();
            out.write_all(&keys.receive.expose()).unwrap();
            out.flush().unwrap();
            0
        }
        Err(_) => 1,
    };
    // A read of standard input may still block a thread of the runtime.
    std::process::exit(code)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() >= 64 && digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

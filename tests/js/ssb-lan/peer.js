// JavaScript's ssb-lan in a real server (secret-stack) for the tests.
//
//   node peer.js NETWORK_KEY_BASE64 PLAIN_PORT SEALED_PORT
//
// Broadcasts on the loopback network and hears what is broadcast there, at ports of the test's choice. Tells, a JSON line
// each, whose announcement it heard, {"event": "plain" | "sealed", "feed"}, and who connected, {"event": "connected",
// "feed"}. Ends when its standard input does.
'use strict'

const fs = require('fs')
const net = require('net')
const os = require('os')
const path = require('path')
const pull = require('pull-stream')
const ssbKeys = require('ssb-keys')
const { getKeyFromAddress } = require('ssb-ref')

const [shs, plainPort, sealedPort] = process.argv.slice(2)
const HOST = '127.0.0.1'

// ssb-lan has its ports as constants, leaves out the loopback network, and takes what comes from this host and its own
// port for its own. The rest is its own code.
const ports = { 8008: Number(plainPort), 26830: Number(sealedPort) }
const broadcastPath = require.resolve('dgram-broadcast', { paths: [require.resolve('ssb-lan')] })
const broadcast = require(broadcastPath)
require.cache[broadcastPath].exports = (port, loopback) =>
  broadcast(ports[port], loopback, ['127.255.255.255']).on('data', (datagram) => { datagram.loopback = false })
const LAN = require('ssb-lan')

function say (value) {
  process.stdout.write(JSON.stringify(value) + '\n')
}

function start (port) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'ssb-lan-'))
  const keys = ssbKeys.generate()
  const server = require('secret-stack')({ caps: { shs } })
    // What ssb-db gives it.
    .use((server) => { server.keys = keys })
    .use(LAN)({
      path: directory,
      keys,
      caps: { shs },
      timers: { inactivity: 600e3 },
      connections: {
        incoming: { net: [{ scope: ['device', 'local', 'private'], host: HOST, port, transform: 'shs' }] },
        outgoing: { net: [{ transform: 'shs' }] }
      }
    })
  server.on('rpc:connect', (peer) => say({ event: 'connected', feed: peer.id }))
  const lan = server.lan
  pull(lan.discoveredPeers(), pull.drain(({ address, verified }) =>
    say({ event: verified ? 'sealed' : 'plain', feed: getKeyFromAddress(address) })))
  lan.start()
  process.stdin.resume().on('end', () => server.close(true, () => {
    fs.rmSync(directory, { recursive: true, force: true })
    process.exit(0)
  }))
}

const probe = net.createServer().listen(0, HOST, () => {
  const { port } = probe.address()
  probe.close(() => start(port))
})

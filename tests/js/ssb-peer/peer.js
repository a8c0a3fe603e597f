// A real JavaScript peer of Secure Scuttlebutt (secret-stack, ssb-db2, ssb-ebt) for the tests.
//
//   node peer.js DIRECTORY NETWORK_KEY_BASE64
//
// Listens on [::1]. Reads one JSON request a line, {"id", "do", …}, and answers {"id", "result"} or {"id", "error"};
// tells events as {"event", …}: ready, connected, disconnected, message. Ends when its standard input does.
'use strict'

const net = require('net')
const path = require('path')
const readline = require('readline')
const pull = require('pull-stream')
const SecretStack = require('secret-stack')
const ssbKeys = require('ssb-keys')
const { live, toPullStream } = require('ssb-db2/operators')

const HOST = '::1'
const [directory, shs] = process.argv.slice(2)

function say (value) {
  process.stdout.write(JSON.stringify(value) + '\n')
}

function freePort () {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject)
    server.listen(0, HOST, () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

function start (port) {
  const keys = ssbKeys.loadOrCreateSync(path.join(directory, 'secret'))
  const connections = {
    incoming: { net: [{ scope: ['device', 'local', 'private', 'public'], host: HOST, port, transform: 'shs' }] },
    outgoing: { net: [{ transform: 'shs' }] }
  }
  const common = { path: directory, keys, port, host: HOST, connections }
  return SecretStack({ caps: { shs } })
    .use(require('ssb-db2/core'))
    .use(require('ssb-classic'))
    .use(require('ssb-box'))
    .use(require('ssb-db2/compat/db'))
    .use(require('ssb-db2/compat/ebt'))
    .use(require('ssb-db2/compat/history-stream'))
    .use(require('ssb-friends'))
    .use(require('ssb-ebt'))
    .use(require('ssb-conn'))
    .use(require('ssb-replication-scheduler'))
    .use(require('ssb-blobs'))({
      ...common,
      global: { ...common, timeout: 0 },
      caps: { shs },
      // Without timers, secret-stack ends idle connections after five seconds.
      timers: { inactivity: 600e3, handshake: 15e3 },
      conn: { autostart: false },
      friends: { hops: 2 },
      replicationScheduler: { autostart: true, partialReplication: null }
    })
}

// What the tests can ask for; each calls back as Node.js does.
const requests = {
  publish: (peer, { content }, done) => peer.db.create({ keys: peer.config.keys, content }, (error, message) =>
    done(error, message && { sequence: message.value.sequence, key: message.key })),
  connect: (peer, { address }, done) => peer.conn.connect(address, (error) => done(error, true)),
  // What a client does when its user follows somebody, without a message of its own.
  follow: (peer, { feed }, done) => {
    peer.ebt.request(feed, true)
    done(null, true)
  },
  // Calls an async method of a connected peer that this one's manifest may not know.
  call: (peer, { feed, name }, done) => {
    const connected = peer.peers[feed] && peer.peers[feed][0]
    if (!connected) return done(new Error(`not connected to ${feed}`))
    connected[name](done)
  },
  clock: (peer, _, done) => peer.getVectorClock(done)
}

async function main () {
  const port = await freePort()
  const peer = start(port)

  peer.on('rpc:connect', (rpc, isClient) => {
    say({ event: 'connected', feed: rpc.id, isClient })
    rpc.on('closed', () => say({ event: 'disconnected', feed: rpc.id }))
  })

  pull(
    peer.db.query(live({ old: false }), toPullStream()),
    pull.drain(({ value }) => say({ event: 'message', feed: value.author, sequence: value.sequence, content: value.content }))
  )

  const lines = readline.createInterface({ input: process.stdin })
  lines.on('line', (line) => {
    const { id, do: what, ...options } = JSON.parse(line)
    const done = (error, result) => say(error ? { id, error: String(error.message || error) } : { id, result })
    try {
      requests[what](peer, options, done)
    } catch (error) {
      done(error)
    }
  })
  lines.on('close', () => process.exit(0))

  say({ event: 'ready', feed: peer.id, port })
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})

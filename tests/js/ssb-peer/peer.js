// A real JavaScript peer of Secure Scuttlebutt (secret-stack, ssb-db2, ssb-ebt, ssb-blobs) for the tests.
//
//   node peer.js DIRECTORY NETWORK_KEY_BASE64 [OPTIONS]
//
// OPTIONS is JSON: "host" to listen on ("::1"), "ebt" (true; without it, the peer knows createHistoryStream only),
// "blobs" (true), "lan" (false; announces itself by broadcasts). Reads one JSON request a line, {"id", "do", …}, and answers {"id", "result"} or {"id", "error"};
// tells events as {"event", …}: ready, connected, disconnected, message. Ends when its standard input does.
'use strict'

const net = require('net')
const path = require('path')
const readline = require('readline')
const pull = require('pull-stream')
const SecretStack = require('secret-stack')
const ssbKeys = require('ssb-keys')
const { live, toPullStream } = require('ssb-db2/operators')

const [directory, shs, optionsJson = '{}'] = process.argv.slice(2)
const options = { host: '::1', ebt: true, blobs: true, ...JSON.parse(optionsJson) }

function say (value) {
  process.stdout.write(JSON.stringify(value) + '\n')
}

function freePort () {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject)
    server.listen(0, options.host, () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

function start (port) {
  const keys = ssbKeys.loadOrCreateSync(path.join(directory, 'secret'))
  const host = options.host
  const connections = {
    incoming: { net: [{ scope: ['device', 'local', 'private', 'public'], host, port, transform: 'shs' }] },
    outgoing: { net: [{ transform: 'shs' }] }
  }
  const common = { path: directory, keys, port, host, connections }
  const stack = SecretStack({ caps: { shs } })
    .use(require('ssb-db2/core'))
    .use(require('ssb-classic'))
    .use(require('ssb-box'))
    .use(require('ssb-db2/compat/db'))
    .use(require('ssb-db2/compat/ebt'))
    .use(require('ssb-db2/compat/history-stream'))
    .use(require('ssb-conn'))
  if (options.ebt) {
    stack
      .use(require('ssb-friends'))
      .use(require('ssb-ebt'))
      .use(require('ssb-replication-scheduler'))
  }
  if (options.blobs) stack.use(require('ssb-blobs'))
  if (options.lan) stack.use(require('ssb-lan'))
  return stack({
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

function connected (peer, feed) {
  const [connection] = peer.peers[feed] || []
  if (!connection) throw new Error(`not connected to ${feed}`)
  return connection
}

// Replicates a feed as servers without EBT do (npm ssb-replicate): a live stream from the next message on.
function askHistory (peer, from, id) {
  peer.getVectorClock((error, clock) => {
    if (error) throw error
    pull(
      connected(peer, from).createHistoryStream({ id, seq: (clock[id] || 0) + 1, live: true, keys: false }),
      // ssb-db2 stores what was added in between together; one at a time it would take a quarter of a second each.
      pull.drain(
        (value) => peer.db.add(value, (error) => error && say({ event: 'not-added', feed: id, error: error.message })),
        (error) => say({ event: 'history-ended', feed: id, error: error && error.message })
      )
    )
  })
}

function printable (value) {
  return Buffer.isBuffer(value) ? value.toString('base64') : value
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
  history: (peer, { from, feed }, done) => {
    askHistory(peer, from, feed)
    done(null, true)
  },
  // Calls a method of a connected peer, whether or not this one's manifest knows it. Of a source it takes up to `limit`
  // values; to a duplex and a sink it sends `send`.
  call: (peer, { feed, name, type = 'async', args = [], send = [], limit = 1e9 }, done) => {
    const path = [].concat(name)
    const { remoteCall } = connected(peer, feed).stream
    if (type === 'async') return remoteCall(type, path, args, done)
    const stream = remoteCall(type, path, args, (error) => error && done && done(error.message || error))
    const finish = (error, values) => {
      if (done) done(error, values)
      done = null
    }
    if (type === 'source') return pull(stream, pull.take(limit), pull.map(printable), pull.collect(finish))
    // What is sent stays open at its end, as a live stream does.
    const sent = (abort, cb) => abort ? cb(abort) : send.length ? cb(null, send.shift()) : undefined
    if (type === 'sink') return pull(sent, stream)
    pull(sent, stream.sink)
    pull(stream.source, pull.take(limit), pull.map(printable), pull.collect(finish))
  },
  flush: (peer, _, done) => peer.db.getLog().onDrain(() => done(null, true)),
  // Many messages, as a backlog.
  seed: (peer, { count, text }, done) => {
    let left = count
    const next = (error) => {
      if (error || left === 0) return done(error, count)
      peer.db.create({ keys: peer.config.keys, content: { type: 'test', n: left--, text } }, next)
    }
    next()
  },
  blobAdd: (peer, { base64 }, done) => pull(pull.once(Buffer.from(base64, 'base64')), peer.blobs.add(done)),
  blobWant: (peer, { blob }, done) => peer.blobs.want(blob, done),
  blobGet: (peer, { blob }, done) => pull(
    peer.blobs.get(blob),
    pull.collect((error, parts) => done(error, parts && Buffer.concat(parts).toString('base64')))
  ),
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

  if (options.lan) peer.lan.start()
  say({ event: 'ready', feed: peer.id, port })
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})

// Checks messages as JavaScript's classic validator does.
//
//   node validate.js < LINES
//
// Each line of standard input is {"key", "value"}, in the order of their feeds. Answers each with {"key", "error"}:
// null where the message continues its feed and has that key. Of what is wrong nothing is kept.
'use strict'

const readline = require('readline')
const validate = require('ssb-validate')

let state = validate.initial()

function check ({ key, value }) {
  const next = validate.append(state, null, value)
  const actual = validate.id(value)
  if (actual !== key) throw new Error(`its key is ${actual}`)
  state = next
}

readline.createInterface({ input: process.stdin }).on('line', line => {
  const message = JSON.parse(line)
  let error = null
  try {
    check(message)
  } catch (thrown) {
    error = String(thrown.message)
  }
  process.stdout.write(JSON.stringify({ key: message.key, error }) + '\n')
})

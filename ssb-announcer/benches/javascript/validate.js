// How fast npm ssb-validate2 validates the messages of one feed.
//
//   node validate.js FILE RUNS
//
// FILE has the value of a message in each line, in the order of the feed. Prints the milliseconds of each run: reading the
// JSON, and validating all of it as one batch.
'use strict'

const fs = require('fs')
const { ready, validateBatch } = require('ssb-validate2')

const [file, runs] = process.argv.slice(2)
const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n')

function run () {
  return new Promise((resolve, reject) => {
    const began = process.hrtime.bigint()
    const messages = lines.map(line => JSON.parse(line))
    validateBatch(null, messages, null, (error, keys) => {
      if (error) return reject(error)
      if (keys.length !== lines.length) return reject(new Error(`${keys.length} keys of ${lines.length} messages`))
      resolve(Number(process.hrtime.bigint() - began) / 1e6)
    })
  })
}

ready(async () => {
  for (let n = 0; n < Number(runs); n++) console.log(await run())
})

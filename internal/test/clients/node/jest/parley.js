const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { createInterface } = require('node:readline')
const Redis = require('ioredis')

// useParley gives the tests of a file a chat server, as new before each of them.
exports.useParley = () => {
  const parley = {}
  let server

  beforeAll(async () => {
    // The server ends when its standard input does, if we are killed too.
    server = spawn(process.env.PARLEY ?? 'parley', ['--port', '0', '--test'], { stdio: ['pipe', 'pipe', 'inherit'] })
    await once(server, 'spawn')
    const { value: ready } = await createInterface({ input: server.stdout })[Symbol.asyncIterator]().next()
    parley.url = ready.split(' ')[1] // "ready redis://127.0.0.1:41234"
    parley.client = new Redis(parley.url)
    parley.test = (...words) => parley.client.call('TEST', ...words)
  })

  beforeEach(() => parley.test('RESET'))

  afterAll(async () => {
    parley.client.disconnect()
    server.stdin.end()
    await once(server, 'exit')
  })

  return parley
}

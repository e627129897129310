const Redis = require('ioredis')
const { useParley } = require('./parley')

const parley = useParley()

test('a user who sends no heartbeat is offline', async () => {
  const { client, test } = parley
  await client.config('SET', 'notify-keyspace-events', 'Ex')
  await test('RECORD', 'expiries', '__keyevent@0__:expired')
  await client.set('online:ann', 1, 'EX', 30)

  await test('ADVANCE', '20s')
  expect(await client.exists('online:ann')).toBe(1)
  await test('ADVANCE', '11s')
  expect(await client.exists('online:ann')).toBe(0)
  expect(await test('NEXT', 'expiries', '5s')).toEqual(['__keyevent@0__:expired', 'online:ann'])
})

test('states are kept and restored', async () => {
  const { client, test } = parley
  await client.hset('user:1', 'name', 'ann', 'room', 'lobby')
  const before = await test('SNAPSHOT')

  await client.hset('user:1', 'room', 'attic')
  expect(await test('DIFF', before)).toContain('attic')

  await test('RESTORE', before)
  expect(await client.hget('user:1', 'room')).toBe('lobby')
  expect(await test('DUMP')).toBe('HSET user:1 name ann\nHSET user:1 room lobby\n')
})

test('what the program does when a write is refused', async () => {
  const { client, test } = parley
  const fault = await test('INJECT', 'command=set key=user:* times=1 error="OOM out of memory"')
  await expect(client.set('user:1', 'ann')).rejects.toThrow('OOM')
  await client.set('user:1', 'ann') // the second time it works
  expect(await test('STRIKES', fault)).toBe(1)
})

test('a message waits for its subscriber', async () => {
  const { client, test, url } = parley
  const subscriber = new Redis(url)
  const heard = new Promise((resolve) => subscriber.on('message', (channel, text) => resolve(text)))
  subscriber.subscribe('room:1') // nobody awaits it
  await test('WAIT', 'SUBSCRIBERS', 'room:1', 1, '5s')
  expect(await client.publish('room:1', 'hello')).toBe(1)
  expect(await heard).toBe('hello')
  subscriber.disconnect()
})

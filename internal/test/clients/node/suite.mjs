// What is run with each library, the same for all. A Go test starts the server
// and says in the file PARLEY_ENDPOINT where it is, with the steps of the chat
// schema and their replies.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const endpoint = JSON.parse(readFileSync(process.env.PARLEY_ENDPOINT));

const ways = {
  tcp: { host: endpoint.host, port: endpoint.port, password: endpoint.password },
  unix: { path: endpoint.socket, password: endpoint.password },
};

// suite runs everything with a library. The library has, besides its name, a
// list of the protocols to try, the default first: a name, the options, the
// version whose replies it then returns, and whether it makes lists of maps.
export function suite(library) {
  for (const [way, where] of Object.entries(ways)) {
    for (const protocol of library.protocols) {
      const open = async (t, changed = {}) => {
        const client = await library.open({ ...where, ...changed }, protocol.options);
        t.after(() => library.close(client));
        return client;
      };
      for (const [what, run] of Object.entries(tests)) {
        test(`${library.name}, ${protocol.name}, ${way}: ${what}`, { timeout: 60_000 }, async (t) => {
          const client = await open(t);
          assert.equal(await library.call(client, ['FLUSHALL']), 'OK');
          await run({ library, protocol, client, open: (changed) => open(t, changed) });
        });
      }
    }
  }
}

const tests = {
  // What a connection is for before it is used: a Go test reads along.
  async 'a first call'({ library, client }) {
    assert.equal(await library.call(client, ['PING']), 'PONG');
  },

  async 'the chat schema'({ library, protocol, client }) {
    for (const step of endpoint.steps) {
      const reply = library.call(client, step.words);
      if (step.extension && !endpoint.extension) {
        await assert.rejects(reply, /WRONGTYPE/);
        continue;
      }
      const [got, want] = compared(step, protocol, await reply);
      assert.deepEqual(got, want, step.words.join(' '));
    }
  },

  async 'messages'({ library, client, open }) {
    const subscriber = await open();
    const inbox = new Inbox();
    await library.subscribe(subscriber, 'message', inbox.put);
    await library.psubscribe(subscriber, 'm*', inbox.put);
    for (const text of ['hello', 'grüße 😀', '', 'a\r\nb\0', 'x'.repeat(1 << 20)]) {
      assert.equal(await library.call(client, ['PUBLISH', 'message', text]), 2);
      assert.deepEqual(await inbox.take(), ['message', text]);
      assert.deepEqual(await inbox.take(), ['message', text]);
    }
    await library.unsubscribe(subscriber, 'message');
    assert.equal(await library.call(client, ['PUBLISH', 'message', 'bye']), 1);
    assert.deepEqual(await inbox.take(), ['message', 'bye']);
  },

  async 'a burst of messages in order'({ library, client, open }) {
    const subscriber = await open();
    const inbox = new Inbox();
    await library.subscribe(subscriber, 'burst', inbox.put);
    const many = Array.from({ length: 2000 }, (_, i) => String(i));
    await library.pipeline(client, many.map((i) => ['PUBLISH', 'burst', i]));
    for (const i of many) {
      assert.deepEqual(await inbox.take(), ['burst', i]);
    }
  },

  async 'a transaction'({ library, client }) {
    const replies = await library.transaction(client, [['SET', 'a', '1'], ['SADD', 'a', 'x'], ['INCR', 'a']]);
    assert.equal(replies[0], 'OK');
    assert.match(replies[1].message, /^WRONGTYPE/);
    assert.equal(replies[2], 2);
  },

  async 'a transaction that WATCH stops'({ library, client, open }) {
    const other = await open();
    await library.watch(client, 'a');
    await library.call(other, ['SET', 'a', 'theirs']);
    assert.equal(await library.transaction(client, [['SET', 'a', 'ours']]), null);
    assert.equal(await library.call(client, ['GET', 'a']), 'theirs');
    await library.watch(client, 'a');
    assert.deepEqual(await library.transaction(client, [['SET', 'a', 'ours']]), ['OK']);
  },

  async 'a blocking pop'({ library, client, open }) {
    const waiter = await open();
    const popped = library.call(waiter, ['BZPOPMIN', 'none', 'queue', '0']);
    while (!/blocked_clients:1\r/.test(await library.call(client, ['INFO', 'clients']))) { /* not yet */ }
    await library.call(client, ['ZADD', 'queue', '2.5', 'job']);
    assert.deepEqual(plain(await popped), ['queue', 'job', '2.5']);
    assert.equal(await library.call(waiter, ['BZPOPMIN', 'queue', '0.01']), null);
  },

  async 'a scan'({ library, client }) {
    const want = Array.from({ length: 3000 }, (_, i) => `user:${i}`);
    await library.call(client, ['MSET', ...want.flatMap((key) => [key, 'x', `other:${key}`, 'x'])]);
    const got = await library.scan(client, 'user:*');
    assert.deepEqual(got.sort(), want.sort());
  },

  async 'back after CLIENT KILL'({ library, client, open }) {
    const killed = await open();
    await library.call(killed, ['SET', 'k', 'v']);
    const id = await library.call(killed, ['CLIENT', 'ID']);
    const back = library.reconnected(killed);
    assert.equal(await library.call(client, ['CLIENT', 'KILL', 'ID', String(id)]), 1);
    await back;
    assert.equal(await library.call(killed, ['GET', 'k']), 'v');
    assert.ok(await library.call(killed, ['CLIENT', 'ID']) > id);
  },

  async 'subscribed again after CLIENT KILL'({ library, client, open }) {
    const subscriber = await open();
    const inbox = new Inbox();
    await library.subscribe(subscriber, 'news', inbox.put);
    assert.equal(await library.call(client, ['CLIENT', 'KILL', 'TYPE', 'pubsub']), 1);
    while (await library.call(client, ['PUBLISH', 'news', 'again']) === 0) { /* not yet */ }
    assert.deepEqual(await inbox.take(), ['news', 'again']);
  },

  async 'a pipeline of thousands'({ library, client }) {
    const calls = Array.from({ length: 10_000 }, () => ['INCR', 'n']);
    const replies = await library.pipeline(client, calls);
    assert.deepEqual(replies, calls.map((_, i) => i + 1));
  },

  async 'values of a megabyte, and binary ones'({ library, client }) {
    const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const large = Buffer.alloc(1 << 20, every);
    for (const key of [every, Buffer.from('grüße 😀'), Buffer.alloc(0)]) {
      assert.equal(String(await library.callBinary(client, ['SET', key, large])), 'OK');
      assert.ok(large.equals(await library.callBinary(client, ['GET', key])));
      await library.callBinary(client, ['HSET', 'h', key, every]);
    }
    const fields = await library.callBinary(client, ['HKEYS', 'h']);
    assert.deepEqual(fields.sort(Buffer.compare), [Buffer.alloc(0), every, Buffer.from('grüße 😀')]);
  },

  async 'a wrong password'({ library, open }) {
    const ping = async (password) => library.call(await open({ password }), ['PING']);
    if (endpoint.password) {
      await assert.rejects(ping('wrong'), /WRONGPASS/);
      await assert.rejects(ping(undefined), /NOAUTH/);
    }
  },
};

// An Inbox holds messages until somebody takes them.
class Inbox {
  #messages = [];
  #taker = null;

  put = (channel, text) => {
    this.#messages.push([channel, text]);
    this.#taker?.();
  };

  async take() {
    while (this.#messages.length === 0) {
      await new Promise((resolve) => { this.#taker = resolve; });
    }
    return this.#messages.shift();
  }
}

// compared gives a reply and the expected one in a form that is equal if they are.
function compared(step, protocol, reply) {
  const want = step.replies[protocol.flatMaps && step.map ? 2 : protocol.version];
  return [reply, want].map((tree) => (step.unordered ? plain(tree).sort() : plain(tree)));
}

function isMap(reply) {
  return reply !== null && typeof reply === 'object' && !Array.isArray(reply);
}

// plain brings replies into the form of the steps: text, null, and lists of
// such. A map is a list of keys and values, sorted by key.
function plain(reply) {
  if (Array.isArray(reply)) {
    return reply.map(plain);
  }
  if (isMap(reply)) {
    return Object.keys(reply).sort().flatMap((key) => [key, plain(reply[key])]);
  }
  return reply === null ? null : String(reply);
}

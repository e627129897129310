// ioredis, in the terms of the suite.

export function ioredis(Redis, name, protocols) {
  return {
    name,
    protocols,

    async open({ host, port, path, password }, options) {
      const where = path ? { path } : { host, port };
      const client = new Redis({ ...where, password, ...options });
      try {
        await new Promise((resolve, reject) => {
          client.once('ready', resolve);
          // Errors of the connection, and replies that it does not expect.
          client.once('error', reject);
        });
      } catch (error) {
        client.disconnect();
        throw error;
      }
      client.on('error', () => {}); // printed otherwise
      return client;
    },
    close: (client) => client.disconnect(),

    call: (client, [name, ...args]) => client.call(name, ...args),
    callBinary: (client, [name, ...args]) => client.callBuffer(name, ...args),
    async pipeline(client, calls) {
      const replies = await client.pipeline(calls.map(([name, ...args]) => ['call', name, ...args])).exec();
      return replies.map(([error, reply]) => error ?? reply);
    },

    subscribe(client, channel, put) {
      client.on('message', put);
      return client.subscribe(channel);
    },
    psubscribe(client, pattern, put) {
      client.on('pmessage', (_, channel, text) => put(channel, text));
      return client.psubscribe(pattern);
    },
    unsubscribe: (client, channel) => client.unsubscribe(channel),

    watch: (client, key) => client.watch(key),
    async transaction(client, calls) {
      const replies = await client.multi(calls.map(([name, ...args]) => ['call', name, ...args])).exec();
      return replies && replies.map(([error, reply]) => error ?? reply);
    },

    async scan(client, pattern) {
      const found = [];
      for await (const keys of client.scanStream({ match: pattern, count: 100 })) {
        found.push(...keys);
      }
      return found;
    },

    reconnected: (client) => new Promise((resolve) => { client.once('ready', resolve); }),
  };
}

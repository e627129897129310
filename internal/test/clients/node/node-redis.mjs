// node-redis, in the terms of the suite.

export function nodeRedis(redis, name, protocols) {
  const binary = { [redis.RESP_TYPES.BLOB_STRING]: Buffer };
  return {
    name,
    protocols,

    async open({ host, port, path, password }, options) {
      const where = path ? { socket: { path } } : { url: `redis://${host}:${port}` };
      const client = redis.createClient({ ...where, password, ...options });
      let connected = false;
      let failed;
      const failure = new Promise((_, reject) => { failed = reject; });
      // Without a listener an error would end the process. Before it has
      // connected the library tries for ever; here the first error counts.
      client.on('error', (error) => { if (!connected) failed(error); });
      try {
        await Promise.race([client.connect(), failure]);
      } catch (error) {
        client.destroy();
        throw error;
      }
      connected = true;
      return client;
    },
    close: (client) => client.destroy(),

    call: (client, words) => client.sendCommand(words),
    callBinary: (client, words) => client.sendCommand(words, { typeMapping: binary }),
    // What is called in the same turn of the event loop goes out together.
    pipeline: (client, calls) => Promise.all(calls.map((words) => client.sendCommand(words))),

    subscribe: (client, channel, put) => client.subscribe(channel, (text, from) => put(from, text)),
    psubscribe: (client, pattern, put) => client.pSubscribe(pattern, (text, from) => put(from, text)),
    unsubscribe: (client, channel) => client.unsubscribe(channel),

    watch: (client, key) => client.watch(key),
    async transaction(client, calls) {
      const multi = calls.reduce((m, words) => m.addCommand(words), client.multi());
      try {
        return await multi.exec();
      } catch (error) {
        if (error instanceof redis.WatchError) return null;
        if (error instanceof redis.MultiErrorReply) return error.replies;
        throw error;
      }
    },

    async scan(client, pattern) {
      const found = [];
      for await (const keys of client.scanIterator({ MATCH: pattern, COUNT: 100 })) {
        found.push(...keys);
      }
      return found;
    },

    reconnected: (client) => new Promise((resolve) => { client.once('ready', resolve); }),
  };
}

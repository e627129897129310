import * as redis from 'redis';
import { nodeRedis } from '../node-redis.mjs';
import { suite } from '../suite.mjs';

suite(nodeRedis(redis, 'node-redis 6', [
  { name: 'default', version: 3, options: {} },
  { name: 'RESP2', version: 2, options: { RESP: 2 } },
]));

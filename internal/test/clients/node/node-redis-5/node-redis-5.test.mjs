import * as redis from 'redis';
import { nodeRedis } from '../node-redis.mjs';
import { suite } from '../suite.mjs';

suite(nodeRedis(redis, 'node-redis 5', [
  { name: 'default', version: 2, options: {} },
  { name: 'RESP3', version: 3, options: { RESP: 3 } },
]));

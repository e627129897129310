import Redis from 'ioredis';
import { ioredis } from '../ioredis.mjs';
import { suite } from '../suite.mjs';

suite(ioredis(Redis, 'ioredis 6', [
  { name: 'default', version: 3, flatMaps: true, options: {} },
  { name: 'replies of RESP3', version: 3, options: { replyMapping: 'resp3' } },
  { name: 'RESP2', version: 2, options: { protocol: 2 } },
]));

import Redis from 'ioredis';
import { ioredis } from '../ioredis.mjs';
import { suite } from '../suite.mjs';

suite(ioredis(Redis, 'ioredis 5', [
  { name: 'default', version: 2, options: {} },
]));

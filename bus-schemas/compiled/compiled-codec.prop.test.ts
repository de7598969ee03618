import { Encoder } from '@msgpack/msgpack';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { referenceCodec } from '../codec.ts';
import { everyKind } from '../vectors/every-kind.ts';
import { compiledCodec } from './compiled-codec.ts';
import { valuesOf } from './values-under-test.ts';

import { decode } from '@nats-io/jwt';
import { credsAuthenticator } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { mintCredentials } from './jwts.ts';
import { Nkey } from './nkey.ts';
import { credentialsAuthenticator, decodeToken, userTokenIn } from './tokens.ts';

const account = new Nkey('account', new Uint8Array(32).fill(7));
const credentials = () => mintCredentials('coordinator', account, 'all');

test('a token states what the library reads from it', async () => {
  const token = userTokenIn(await credentials());
  expect(decodeToken(token)).toEqual(decode(token));
});

test('a token that its issuer did not sign is refused', async () => {
  const [head, body, signature] = userTokenIn(await credentials()).split('.') as [
    string,
    string,
    string,
  ];
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
  const text = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const other = text({ ...claims, sub: Nkey.create('user').getPublicKey() });
  const stranger = text({ ...claims, iss: Nkey.create('account').getPublicKey() });
  const user = text({ ...claims, iss: Nkey.create('user').getPublicKey() });
  for (const forged of [
    `${head}.${other}.${signature}`,
    `${head}.${stranger}.${signature}`,
    `${head}.${user}.${signature}`,
    `${head}.${body}.${'A'.repeat(86)}`,
    `${text({ typ: 'JWT', alg: 'none' })}.${body}.`,
    `${head}.${body}.${signature}.`,
    `${head}.${body}`,
    '',
  ])
    expect(() => decodeToken(forged), forged).toThrow();
});

test('a hub gets the same proof as from the library', async () => {
  const text = await credentials();
  const nonce = 'Zm9vYmFyYmF6';
  expect(credentialsAuthenticator(text)(nonce)).toEqual(
    credsAuthenticator(Buffer.from(text))(nonce),
  );
});

test('a file without a token or a key is refused', () => {
  expect(() => credentialsAuthenticator('nothing')).toThrow('no token');
  expect(() => credentialsAuthenticator('-----BEGIN NATS USER JWT-----\nabc\n')).toThrow('no key');
});

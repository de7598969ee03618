import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { issueCertificate, pemOf, subjectNames } from '#coordinator/founding/issue-certificate.ts';
import { fetchImage, type ImageNetwork } from './image-fetcher.ts';

const HOST = 'images.example.com';
const RULES = { hosts: [HOST, 'evil.example.com'], maxBytes: 1_000 };
const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(50)]);
const png = { 'content-type': 'image/png' };

const pages: Record<string, RequestListener> = {
  '/image': (_, response) => response.writeHead(200, png).end(PNG),
  '/jpeg': (_, response) =>
    response
      .writeHead(200, { 'content-type': 'image/jpeg; q=1' })
      .end(Buffer.from('ffd8ffe0', 'hex')),
  '/moved': (_, response) => response.writeHead(302, { location: '/image' }).end(),
  '/moved-away': (_, response) =>
    response.writeHead(302, { location: 'https://other.example.com/image' }).end(),
  '/moved-inside': (_, response) =>
    response.writeHead(307, { location: 'https://169.254.169.254/latest/meta-data' }).end(),
  '/moved-plain': (_, response) =>
    response.writeHead(301, { location: `http://${HOST}/image` }).end(),
  '/moved-nowhere': (_, response) => response.writeHead(302).end(),
  '/circle': (_, response) => response.writeHead(302, { location: '/circle' }).end(),
  '/moved-private': (_, response) =>
    response.writeHead(302, { location: 'https://evil.example.com/image' }).end(),
  '/html': (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>'),
  '/svg': (_, response) =>
    response.writeHead(200, { 'content-type': 'image/svg+xml' }).end('<svg/>'),
  '/false': (_, response) => response.writeHead(200, png).end('secret text of a service'),
  '/large': (_, response) => response.writeHead(200, png).end(Buffer.alloc(1_001)),
  '/endless': (_, response) => {
    response.writeHead(200, png);
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(10_000)));
    };
    response.on('drain', more);
    more();
  },
  '/cut': (_, response) => {
    response.writeHead(200, { ...png, 'content-length': 900 }).write(PNG);
    setImmediate(() => response.destroy());
  },
  '/zipped': (_, response) =>
    response.writeHead(200, { ...png, 'content-encoding': 'gzip' }).end(PNG),
  '/gone': (_, response) => response.writeHead(404, png).end(PNG),
};

let server: Server;
let network: ImageNetwork;
const requests: string[] = [];
const headers: object[] = [];

beforeAll(async () => {
  const { der, key } = issueCertificate({
    name: 'images',
    from: new Date(Date.now() - 3_600_000),
    until: new Date(Date.now() + 3_600_000),
    keys: 'P-256',
    hash: 'sha256',
    extensions: [subjectNames([HOST, 'evil.example.com'])],
  });
  const pem = key.export({ type: 'pkcs8', format: 'pem' });
  server = createServer({ cert: pemOf(der), key: pem }, (request, response) => {
    requests.push(request.url ?? '');
    headers.push(request.headers);
    pages[request.url ?? '']?.(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  network = {
    resolve: async () => ['127.0.0.1'],
    isPublic: (address) => address === '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    ca: pemOf(der),
  };
});
afterAll(() => server.close());

const fetched = (path: string, changes: Partial<ImageNetwork> = {}) =>
  fetchImage(`https://${HOST}${path}`, RULES, { ...network, ...changes });

test('an image of an allowed host is returned inline, also after a redirect', async () => {
  const uri = `data:image/png;base64,${PNG.toString('base64')}`;
  expect(await fetched('/image')).toBe(uri);
  expect(await fetched('/moved')).toBe(uri);
  expect(await fetched('/jpeg')).toBe('data:image/jpeg;base64,/9j/4A==');
  expect(Object.keys(headers[0] ?? {}).toSorted()).toEqual([
    'accept',
    'accept-encoding',
    'connection',
    'host',
    'user-agent',
  ]);
});

test.each([
  ['/moved-away', 'does not allow its host'],
  ['/moved-inside', 'must have a name'],
  ['/moved-plain', 'only https:'],
  ['/moved-nowhere', 'its redirect has no address'],
  ['/circle', 'redirects more than 3 times'],
  ['/html', 'no PNG, JPEG, WebP or GIF'],
  ['/svg', 'no PNG, JPEG, WebP or GIF'],
  ['/false', 'its content is not image/png'],
  ['/large', 'larger than 1000 bytes'],
  ['/endless', 'larger than 1000 bytes'],
  ['/cut', 'not received completely'],
  ['/zipped', 'compressed it'],
  ['/gone', 'answered 404'],
])('%s is refused: %s', async (path, reason) => {
  await expect(fetched(path)).rejects.toThrow(reason);
});

test('a host that also has a private address is not connected to, even after a redirect', async () => {
  const { isPublic } = network;
  requests.length = 0;
  for (const addresses of [['10.0.0.1'], ['127.0.0.1', '10.0.0.1'], ['::ffff:127.0.0.1'], []])
    await expect(fetched('/image', { resolve: async () => addresses })).rejects.toThrow('address');
  expect(requests).toEqual([]);
  const resolve = async (host: string) => [host === HOST ? '127.0.0.1' : '169.254.169.254'];
  await expect(fetched('/moved-private', { resolve, isPublic })).rejects.toThrow('not public');
  expect(requests).toEqual(['/moved-private']);
});

test('the connection goes to the address that was checked, and the DNS is not asked again', async () => {
  let lookups = 0;
  const resolve = async () => {
    lookups += 1;
    return lookups === 1 ? ['127.0.0.1'] : ['10.0.0.1'];
  };
  expect(await fetched('/image', { resolve })).toContain('data:image/png');
  expect(lookups).toBe(1);
  await expect(fetched('/image', { resolve })).rejects.toThrow('not public');
});

test('a server whose certificate is for another host, or by another authority, is refused', async () => {
  const { ca: _, ...others } = network;
  await expect(fetchImage(`https://${HOST}/image`, RULES, others)).rejects.toThrow('over TLS');
  const rules = { ...RULES, hosts: ['other.example.com'] };
  await expect(fetchImage('https://other.example.com/image', rules, network)).rejects.toThrow(
    'over TLS',
  );
});

test('without a network of a test, a name of this computer is refused', async () => {
  const rules = { ...RULES, hosts: ['localhost'] };
  await expect(fetchImage('https://localhost/', rules)).rejects.toThrow('not public');
});

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from '#http-api/errors.ts';
import { acceptedForm, type ConsoleFile, ConsoleFiles } from './console-files.ts';
import { linkPage } from './link-page.ts';

/** The first parts of the paths that the page itself interprets; each may have further parts. */
const PAGES = [
  'chat',
  'keys',
  'requests',
  'money',
  'models',
  'quick-start',
  'machines',
  'set-up',
  'earnings',
  'sign-in',
  'status',
  'log',
  'get-started',
] as const;
/** Files that browsers and robots request by a fixed name. */
const FIXED_NAMES = ['favicon.ico', 'favicon.svg', 'robots.txt'] as const;

/**
 * Headers of all files of the console. The page may load only its own files and call only its own
 * origin, and no other site may show it in a frame: a script that an attacker brings into the page
 * does not run and can send nothing away.
 */
const PAGE_HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "font-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  // The path of a page may contain the code of a machine.
  'referrer-policy': 'no-referrer',
};
/** Names under `assets/` contain a digest of the content, so their content never changes. */
const IMMUTABLE = 'public, max-age=31536000, immutable';
const FOR_AN_HOUR = 'public, max-age=3600';

const NOT_BUILT = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>d-inference</title></head>
<body>
<h1>The console is not built</h1>
<p>Build it with <code>node console/build.ts</code> in the folder of the program, then reload this page.
The API works without it.</p>
</body>
</html>
`;

const hidden = { schema: { hide: true } };

/** Serves the console: one page for all its paths, and the files that the page loads. */
export function addPageRoutes(server: FastifyInstance, folder: string): void {
  const files = new ConsoleFiles(folder);
  const showPage = servePages(server, { files, page: 'index.html', paths: PAGES });
  server.get<{ Querystring: { user_code?: unknown } }>('/link', hidden, async (request, reply) => {
    if ((await files.page()) !== undefined) return showPage(request, reply);
    return reply.type('text/plain; charset=utf-8').send(linkPage(request.query.user_code));
  });
}

interface ServedPages {
  readonly files: ConsoleFiles;
  /** Name of the file that all paths show. */
  readonly page: string;
  /** The first parts of the paths that the page itself interprets. */
  readonly paths: readonly string[];
}

/** Serves one page for all its paths, and the files that it loads. Returns what shows the page. */
export function servePages(server: FastifyInstance, { files, page, paths }: ServedPages) {
  const showPage = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const file = await files.file(page);
    reply.headers(PAGE_HEADERS);
    if (file !== undefined) return sendFile({ request, reply }, file);
    return reply.code(503).type('text/html; charset=utf-8').send(NOT_BUILT);
  };
  const showFile = async (call: Call, path: string, caching: string): Promise<FastifyReply> => {
    const file = await files.file(path);
    if (file === undefined) throw new ApiError('not_found');
    call.reply.headers({ ...PAGE_HEADERS, 'cache-control': caching });
    return sendFile(call, file);
  };
  server.get('/', hidden, showPage);
  for (const path of paths) {
    server.get(`/${path}`, hidden, showPage);
    server.get(`/${path}/*`, hidden, showPage);
  }
  server.get<{ Params: { '*': string } }>('/assets/*', hidden, (request, reply) =>
    showFile({ request, reply }, `assets/${request.params['*']}`, IMMUTABLE),
  );
  for (const name of FIXED_NAMES)
    server.get(`/${name}`, hidden, (request, reply) =>
      showFile({ request, reply }, name, FOR_AN_HOUR),
    );
  return showPage;
}

interface Call {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

function sendFile({ request, reply }: Call, file: ConsoleFile): FastifyReply {
  const { encoding, content } = acceptedForm(file, request.headers['accept-encoding']);
  reply.header('vary', 'accept-encoding').type(file.type);
  if (encoding !== 'identity') reply.header('content-encoding', encoding);
  return reply.send(content);
}

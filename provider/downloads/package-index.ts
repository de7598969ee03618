import { messageOf } from '#bus-schemas/message-of.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { DownloadError } from './download-error.ts';

/** A file of a Python package whose content is known before it is downloaded. */
export interface PackageFile {
  readonly project: string;
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 in hexadecimal. */
  readonly digest: string;
}

const DEFAULT_INDEX = 'https://pypi.org/simple';
const TIMEOUT_MS = 30_000;
/** Most characters of the list of a project's files. */
const MAX_PAGE = 4 * 1024 * 1024;

interface Place {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Finds where a package index has a file, in the "simple" form that all indexes offer. The index is
 * not trusted: the digest of the file is known.
 */
export async function placeInIndex(
  { project, name }: PackageFile,
  { env, signal }: { env: NodeJS.ProcessEnv; signal: AbortSignal },
): Promise<Place> {
  const { url, headers } = indexOf(env);
  const page = await pageOf(`${url}/${project}/`, { headers, signal }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new DownloadError(
      'unreachable',
      `${project} cannot be fetched from ${url}: ${messageOf(cause)}. PIP_INDEX_URL names another package index.`,
      { cause },
    );
  });
  const found = linksOf(page).find(
    (link) => decodeURIComponent(link.pathname).split('/').at(-1) === name,
  );
  if (found === undefined)
    throw new DownloadError(
      'not_found',
      `${url} does not have ${name}. PIP_INDEX_URL names another package index.`,
    );
  // Files are often on another host than the index, which must not get the password of the index.
  const isSameServer = found.origin === new URL(url).origin;
  return { url: found.href, headers: isSameServer ? headers : {} };
}

/** The address of the index. A name and password in it become a header, because fetch refuses them. */
function indexOf(env: NodeJS.ProcessEnv): Place {
  const index = new URL(setting('PIP_INDEX_URL', env) ?? DEFAULT_INDEX);
  const { username, password } = index;
  index.username = '';
  index.password = '';
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return {
    url: index.href.replace(/\/+$/, ''),
    headers: username === '' ? {} : { authorization: `Basic ${btoa(pair)}` },
  };
}

interface Page {
  readonly text: string;
  readonly url: string;
}

async function pageOf(
  url: string,
  { headers, signal }: { headers: Place['headers']; signal: AbortSignal },
): Promise<Page> {
  const response = await fetch(url, {
    headers: { ...headers, accept: 'application/vnd.pypi.simple.v1+html, text/html;q=0.9' },
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  if (!response.ok || response.body === null)
    throw new DownloadError('unreachable', `it answered with status ${response.status}`);
  let text = '';
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.length > MAX_PAGE)
      throw new DownloadError('refused', `its page is longer than ${MAX_PAGE} characters`);
  }
  return { text, url: response.url };
}

function linksOf({ text, url }: Page): URL[] {
  return [...text.matchAll(/<a\s[^>]*?href="([^"]*)"/gi)]
    .map(([, link = '']) => link.replaceAll('&amp;', '&'))
    .filter((link) => URL.canParse(link, url))
    .map((link) => new URL(link, url))
    .filter(({ protocol }) => protocol === 'https:' || protocol === 'http:');
}

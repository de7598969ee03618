import { checkerOf } from '#bus-schemas/platform.ts';
import { setting } from '#bus-schemas/settings/settings.ts';
import { type Static, type TSchema, Type } from '#bus-schemas/type.ts';
import { MAX_MODULES, MODULE_FOLDER } from '../models/encoders/sentence-modules.ts';
import { DownloadError } from './download-error.ts';

/** The parts of Hugging Face's hub that downloads need. Its answers are not trusted. */

const DEFAULT_ENDPOINT = 'https://huggingface.co';
const TIMEOUT_MS = 30_000;
/** Most files of one repository; the largest published models have about 200. */
const MAX_FILES = 1_000;
const PLAIN_NAME = /^[A-Za-z0-9][\w.-]{0,200}$/;
/** Files that a model needs here. Others, such as pictures and the weights of other programs, stay away. */
const NEEDED = /^(?:.*\.safetensors|.*\.safetensors\.index\.json|.*\.json|.*\.jinja)$/;

/** Whether a path is a file of the model's folder, or of the folder of one of its steps. */
function isPlain(path: string): boolean {
  const [folder = '', name, ...rest] = path.split('/');
  if (name === undefined) return PLAIN_NAME.test(path);
  return rest.length === 0 && MODULE_FOLDER.test(folder) && PLAIN_NAME.test(name);
}

const Entry = Type.Object({
  type: Type.String(),
  path: Type.String(),
  oid: Type.String({ pattern: '^[0-9a-f]{40}$' }),
  size: Type.Integer({ minimum: 0 }),
  lfs: Type.Optional(
    Type.Object({
      oid: Type.String({ pattern: '^[0-9a-f]{64}$' }),
      size: Type.Integer({ minimum: 0 }),
    }),
  ),
});
const Revision = Type.Object({ sha: Type.String({ pattern: '^[0-9a-f]{40}$' }) });
const Found = Type.Array(
  Type.Object({
    id: Type.String(),
    downloads: Type.Optional(Type.Integer()),
    likes: Type.Optional(Type.Integer()),
  }),
);

export interface HubFile {
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of a large file, or git's SHA-1 of a small one, in hexadecimal. */
  readonly digest: string;
  readonly url: string;
}

export interface HubModel {
  readonly name: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
}

export class HubApi {
  readonly #endpoint: string;
  readonly #token: string | undefined;

  constructor(env: NodeJS.ProcessEnv = process.env) {
    this.#endpoint = (setting('HF_ENDPOINT', env) ?? DEFAULT_ENDPOINT).replace(/\/+$/, '');
    this.#token = setting('HF_TOKEN', env);
  }

  get headers(): Record<string, string> {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` };
  }

  /** The files of a model at a branch or commit, and the commit that this is now. */
  async model(name: string, revision: string): Promise<HubModel> {
    const api = `${this.#endpoint}/api/models/${name}`;
    const { sha } = await this.#get(
      Revision,
      `${api}/revision/${encodeURIComponent(revision)}`,
      name,
    );
    const tree = `${api}/tree/${sha}`;
    const entries = await this.#get(Type.Array(Entry), tree, name);
    const modules = entries.filter(
      ({ type, path }) => type === 'directory' && MODULE_FOLDER.test(path),
    );
    for (const { path } of modules.slice(0, MAX_MODULES))
      entries.push(...(await this.#get(Type.Array(Entry), `${tree}/${path}`, name)));
    if (entries.length > MAX_FILES)
      throw new DownloadError('refused', `${name} has more than ${MAX_FILES} files.`);
    const files = entries
      .filter(({ type, path }) => type === 'file' && isPlain(path) && NEEDED.test(path))
      .map(({ path, oid, size, lfs }) => ({
        name: path,
        bytes: lfs?.size ?? size,
        digest: lfs?.oid ?? oid,
        url: `${this.#endpoint}/${name}/resolve/${sha}/${path}`,
      }));
    return { name, commit: sha, files };
  }

  /** Models whose name contains a text, the most often downloaded first. */
  async search(
    text: string,
  ): Promise<readonly { readonly id: string; readonly downloads?: number }[]> {
    const query = new URLSearchParams({
      search: text,
      filter: 'mlx',
      sort: 'downloads',
      direction: '-1',
      limit: '20',
    });
    return this.#get(Found, `${this.#endpoint}/api/models?${query}`, text);
  }

  async #get<Schema extends TSchema>(
    schema: Schema,
    url: string,
    name: string,
  ): Promise<Static<Schema>> {
    const { host } = new URL(url);
    let response: Response;
    try {
      response = await fetch(url, {
        headers: this.headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (cause) {
      throw new DownloadError('unreachable', `${host} does not answer.`, { cause });
    }
    if (response.status === 404)
      throw new DownloadError('not_found', `${host} has no model ${name}, or not this revision.`);
    if (response.status === 401 || response.status === 403)
      throw new DownloadError(
        'refused',
        `${host} does not give ${name} to you. Accept its licence there, and set HF_TOKEN to your token.`,
      );
    if (!response.ok)
      throw new DownloadError('unreachable', `${host} answered with status ${response.status}.`);
    const body: unknown = await response.json();
    if (!checkerOf(schema).Check(body))
      throw new DownloadError('refused', `${host} answered in a way that is not understood.`);
    return body;
  }
}

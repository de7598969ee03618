import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isObject, type JsonObject } from './core/json.ts';
import { namesInList, namesInOpenApi } from './core/parameters/official-names.ts';

/**
 * Writes core/parameters/official-parameters.json from a folder with the published schemas `openai.json`,
 * `openresponses.json` and `openrouter-parameters.json`:
 * `node http-api/refresh-parameters.ts FOLDER`
 */

const TARGET = join(import.meta.dirname, 'core/parameters/official-parameters.json');
const ROUTES = /^\/(?:chat\/completions|completions|responses.*|messages)$/;

const [folder] = parseArgs({ allowPositionals: true }).positionals;
if (folder === undefined) throw new Error('Name the folder that has the published schemas.');

const sources = Object.fromEntries(
  (
    [
      ['openai.json', namesInOpenApi],
      ['openresponses.json', namesInOpenApi],
      ['openrouter-parameters.json', namesInList],
    ] as const
  ).map(([file, read]) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const document = JSON.parse(text) as JsonObject;
    const info = document['info'];
    const routes = Object.entries(read(document)).filter(([path]) => ROUTES.test(path));
    const source = {
      version: isObject(info) ? info['version'] : null,
      sha256: createHash('sha256').update(text).digest('hex'),
      parameters: Object.fromEntries(routes),
    };
    return [file, source];
  }),
);
writeFileSync(TARGET, `${JSON.stringify(sources, null, 1)}\n`);

import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TINY_MODEL_FOLDER } from '#tiny-model';

/** The control tokens of Harmony; each takes the place of a token of the tiny model. */
const SIGNS = new Map([
  [1, '<|start|>'],
  [2, '<|end|>'],
  [505, '<|channel|>'],
  [506, '<|message|>'],
  [507, '<|constrain|>'],
  [508, '<|call|>'],
  [509, '<|return|>'],
]);

/** A copy of the tiny model whose tokenizer and template are those of the Harmony format. */
export class HarmonyFolderUnderTest implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<HarmonyFolderUnderTest> {
    const path = await mkdtemp(join(tmpdir(), 'dinf-harmony-'));
    await cp(TINY_MODEL_FOLDER, path, { recursive: true });
    const file = join(path, 'tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8'));
    const { model } = tokenizer;
    const replaced = new Set([...SIGNS.keys()]);
    const isKept = (token: string) => !replaced.has(model.vocab[token]);
    model.merges = model.merges.filter((pair: string[]) => isKept(pair.join('')));
    model.vocab = Object.fromEntries(
      Object.entries(model.vocab).filter(([token]) => isKept(token)),
    );
    tokenizer.added_tokens = [
      ...tokenizer.added_tokens.filter(({ id }: { id: number }) => !replaced.has(id)),
      ...[...SIGNS].map(([id, content]) => ({ id, content, special: true, normalized: false })),
    ];
    await writeFile(file, JSON.stringify(tokenizer));
    const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));
    await writeFile(join(path, 'config.json'), JSON.stringify({ ...config, eos_token_id: [] }));
    await writeFile(join(path, 'tokenizer_config.json'), '{"eos_token": "<|return|>"}');
    await writeFile(join(path, 'generation_config.json'), '{"do_sample": false}');
    await writeFile(
      join(path, 'chat_template.jinja'),
      '{{ "<|start|>assistant<|channel|>final<|message|>" }}',
    );
    return new HarmonyFolderUnderTest(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}

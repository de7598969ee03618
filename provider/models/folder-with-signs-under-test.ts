import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TINY_MODEL_FOLDER } from '#tiny-model';

interface Format {
  /** The control tokens; each takes the place of a token of the tiny model. */
  readonly signs: ReadonlyMap<number, string>;
  readonly template: string;
  readonly endToken: string;
}

/** A copy of the tiny model whose tokenizer and template are those of another format. */
export class FolderWithSignsUnderTest implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create({ signs, template, endToken }: Format): Promise<FolderWithSignsUnderTest> {
    const path = await mkdtemp(join(tmpdir(), 'dinf-signs-'));
    await cp(TINY_MODEL_FOLDER, path, { recursive: true });
    const file = join(path, 'tokenizer.json');
    const tokenizer = JSON.parse(await readFile(file, 'utf8'));
    const { model } = tokenizer;
    const replaced = new Set(signs.keys());
    const isKept = (token: string) => !replaced.has(model.vocab[token]);
    model.merges = model.merges.filter((pair: string[]) => isKept(pair.join('')));
    model.vocab = Object.fromEntries(
      Object.entries(model.vocab).filter(([token]) => isKept(token)),
    );
    tokenizer.added_tokens = [
      ...tokenizer.added_tokens.filter(({ id }: { id: number }) => !replaced.has(id)),
      ...[...signs].map(([id, content]) => ({ id, content, special: true, normalized: false })),
    ];
    await writeFile(file, JSON.stringify(tokenizer));
    const config = JSON.parse(await readFile(join(path, 'config.json'), 'utf8'));
    await writeFile(join(path, 'config.json'), JSON.stringify({ ...config, eos_token_id: [] }));
    await writeFile(join(path, 'tokenizer_config.json'), JSON.stringify({ eos_token: endToken }));
    await writeFile(join(path, 'generation_config.json'), '{"do_sample": false}');
    await writeFile(join(path, 'chat_template.jinja'), template);
    return new FolderWithSignsUnderTest(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}

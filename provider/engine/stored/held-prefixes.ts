import { appendFile } from 'node:fs/promises';
import { LruMap, MAX_HELD_PREFIXES } from '#bus-schemas';
import { messageOf } from '#bus-schemas/message-of.ts';
import { readIfThere, replace } from '#bus-schemas/saved-file.ts';

/** A prompt that was computed on this machine. */
interface ComputedPrompt {
  /** Names of files without which the prompt must be computed again; empty if nothing is stored. */
  readonly files: readonly string[];
  /** Whether the cache in memory has the whole prompt. */
  readonly isCached: () => boolean;
}

interface HeldPrefixesOptions {
  readonly file: string;
  /** Whether the file of a page or state is there. */
  readonly hasFile: (name: string) => boolean;
  readonly log: { error(facts: object, message: string): void };
}

/** Longest list in the file, in characters: four times what is kept of it. */
const MAX_CHARACTERS = 4 * MAX_HELD_PREFIXES * 160;
const LINE = /^(?<tag>[A-Za-z0-9_-]{10})(?<files>(?: [A-Za-z0-9_-]{43}){1,3})$/;

/**
 * The prompts that this machine can continue without computing them, for the beats to the routers. The list
 * outlives the process in a file, to which a line is added for each prompt:
 *
 *   tag ‖ names of files
 *
 * A tag follows from the text under the scope of its customer, and a name under the secret of the machine,
 * so neither confirms a guessed prompt. The digests of pages are not written: with the secret, they are
 * the keys of the files.
 */
export class HeldPrefixes {
  readonly #options: HeldPrefixesOptions | undefined;
  /** By tag. */
  readonly #prompts = new LruMap<string, ComputedPrompt>(MAX_HELD_PREFIXES);
  #characters = 0;
  #writing: Promise<void> = Promise.resolve();
  #canWrite = true;

  /** Without options, the list ends with the process. */
  constructor(options?: HeldPrefixesOptions) {
    this.#options = options;
  }

  /** Reads the list of the process before this one, and leaves out what has been deleted. */
  static async open(options: HeldPrefixesOptions): Promise<HeldPrefixes> {
    const held = new HeldPrefixes(options);
    const text = (await readIfThere(options.file)) ?? '';
    // Lines that are damaged, or were cut by a crash, do not match.
    for (const line of text.slice(-MAX_CHARACTERS).split('\n')) {
      const { tag, files } = LINE.exec(line)?.groups ?? {};
      if (tag !== undefined && files !== undefined)
        held.#prompts.set(tag, { files: files.trim().split(' '), isCached: () => false });
    }
    for (const [tag, prompt] of [...held.#prompts])
      if (!held.#isHeld(prompt)) held.#prompts.delete(tag);
    held.#write(() => held.#rewrite());
    await held.written();
    return held;
  }

  /** The tags of the prompts that are held now, those that were used last first. */
  get tags(): string[] {
    return [...this.#prompts]
      .filter(([, prompt]) => this.#isHeld(prompt))
      .map(([tag]) => tag)
      .toReversed();
  }

  /** Notes a prompt that is about to be computed. It is held once its pages are cached or stored. */
  note(tag: string, prompt: ComputedPrompt): void {
    this.#prompts.set(tag, prompt);
    if (this.#options === undefined || prompt.files.length === 0 || !this.#canWrite) return;
    const line = lineOf(tag, prompt);
    const { file } = this.#options;
    this.#write(() => {
      this.#characters += line.length;
      return this.#characters > MAX_CHARACTERS
        ? this.#rewrite()
        : appendFile(file, line, { mode: 0o600 });
    });
  }

  /** Resolves when the file has everything that was noted. */
  async written(): Promise<void> {
    await this.#writing;
  }

  #isHeld({ files, isCached }: ComputedPrompt): boolean {
    if (isCached()) return true;
    const hasFile = this.#options?.hasFile;
    return hasFile !== undefined && files.length > 0 && files.every(hasFile);
  }

  #write(write: () => Promise<void>): void {
    this.#writing = this.#writing.then(write).catch((error: unknown) => {
      this.#canWrite = false;
      this.#options?.log.error(
        { err: messageOf(error) },
        'the list of stored prompts cannot be written; after a restart, routers do not learn of them',
      );
    });
  }

  async #rewrite(): Promise<void> {
    if (this.#options === undefined) return;
    const text = [...this.#prompts].map(([tag, prompt]) => lineOf(tag, prompt)).join('');
    this.#characters = text.length;
    await replace(this.#options.file, text);
  }
}

const lineOf = (tag: string, { files }: ComputedPrompt): string =>
  files.length === 0 ? '' : `${[tag, ...files].join(' ')}\n`;

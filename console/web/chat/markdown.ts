/**
 * The part of Markdown that models write most: paragraphs, headings, lists, code. Everything else
 * stays text. The result is data, so that an answer can never bring elements of its own.
 */
export type Block =
  | { readonly kind: 'paragraph'; readonly content: readonly Inline[] }
  | { readonly kind: 'heading'; readonly content: readonly Inline[] }
  | { readonly kind: 'list'; readonly ordered: boolean; readonly items: readonly Inline[][] }
  | { readonly kind: 'code'; readonly language: string; readonly text: string };

export interface Inline {
  readonly kind: 'text' | 'strong' | 'emphasis' | 'code';
  readonly text: string;
}

const FENCE = /^\s*```(\S*)/;
const HEADING = /^#{1,6}\s+(.*)$/;
const ITEM = /^\s*(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|\*([^*\s][^*\n]*)\*/g;

export function parseMarkdown(text: string): Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? '';
    const isBlank = line.trim() === '';
    const [block, used] = isBlank ? [undefined, 1] : blockAt(lines, at);
    if (block) blocks.push(block);
    at += used;
  }
  return blocks;
}

/** The block that begins at a line, and the number of its lines. */
function blockAt(lines: readonly string[], at: number): [Block, number] {
  const line = lines[at] ?? '';
  const fence = FENCE.exec(line);
  if (fence) return codeAt(lines, at, fence[1] ?? '');
  const heading = HEADING.exec(line);
  if (heading) return [{ kind: 'heading', content: parseInline(heading[1] ?? '') }, 1];
  return ITEM.test(line) ? listAt(lines, at) : paragraphAt(lines, at);
}

/** Code up to the closing fence. While an answer is written, the fence may still be missing. */
function codeAt(lines: readonly string[], at: number, language: string): [Block, number] {
  const rest = lines.slice(at + 1);
  const end = rest.findIndex((line) => /^\s*```\s*$/.test(line));
  const code = end === -1 ? rest : rest.slice(0, end);
  return [{ kind: 'code', language, text: code.join('\n') }, code.length + (end === -1 ? 1 : 2)];
}

function listAt(lines: readonly string[], at: number): [Block, number] {
  const ordered = ITEM.exec(lines[at] ?? '')?.[1] !== undefined;
  const matches = [];
  for (let next = at; next < lines.length; next += 1) {
    const item = ITEM.exec(lines[next] ?? '');
    if (item === null || (item[1] !== undefined) !== ordered) break;
    matches.push(parseInline(item[2] ?? ''));
  }
  return [{ kind: 'list', ordered, items: matches }, matches.length];
}

function paragraphAt(lines: readonly string[], at: number): [Block, number] {
  const end = lines.findIndex(
    (line, index) =>
      index > at &&
      (line.trim() === '' || FENCE.test(line) || HEADING.test(line) || ITEM.test(line)),
  );
  const part = lines.slice(at, end === -1 ? undefined : end);
  return [{ kind: 'paragraph', content: parseInline(part.join('\n')) }, part.length];
}

export function parseInline(text: string): Inline[] {
  const parts: Inline[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, strong, emphasis] = match;
    if (match.index > end) parts.push({ kind: 'text', text: text.slice(end, match.index) });
    if (code !== undefined) parts.push({ kind: 'code', text: code });
    else if (strong !== undefined) parts.push({ kind: 'strong', text: strong });
    else parts.push({ kind: 'emphasis', text: emphasis ?? '' });
    end = match.index + whole.length;
  }
  if (end < text.length) parts.push({ kind: 'text', text: text.slice(end) });
  return parts;
}

import { type FileHandle, open } from 'node:fs/promises';
import { ModelError } from '../model-error.ts';
import {
  type ConvertedRows,
  convertRows,
  minusOne,
  type ScaleType,
  unturnRows,
} from './convert-rows.ts';
import { GROUP } from './number-types.ts';
import type { PlannedTensor } from './planned-tensors.ts';

type OutputType = 'U32' | 'F32' | 'F16' | 'BF16';

/** A tensor of the safetensors file. */
interface Output {
  readonly name: string;
  readonly type: OutputType;
  readonly shape: readonly number[];
}

/** Bytes of the source that are converted at once, if a head is not larger. */
const PIECE_BYTES = 4 * 1024 * 1024;
const WIDTHS = { U32: 4, F32: 4, F16: 2, BF16: 2 } as const;

const bytesOf = ({ type, shape }: Output): number =>
  shape.reduce((product, n) => product * n, WIDTHS[type]);

export interface WriteOptions {
  readonly planned: readonly PlannedTensor[];
  readonly scaleType: ScaleType;
}

/** Bytes of the tensors that `writeSafetensors` writes. */
export const writtenBytes = ({ planned, scaleType }: WriteOptions): number =>
  planned
    .flatMap((plan) => Object.values(outputsOf(plan, scaleType)))
    .reduce((total, output) => total + bytesOf(output), 0);

/** Converts all tensors, some rows at a time, so that a model is never in memory as a whole. */
export async function writeSafetensors(
  source: FileHandle,
  path: string,
  { planned, scaleType, onBytes }: WriteOptions & { onBytes: (bytes: number) => void },
): Promise<void> {
  const outputs = planned.map((plan) => outputsOf(plan, scaleType));
  const { header, places } = placed(outputs.flatMap((each) => Object.values(each)));
  await using target = await open(path, 'wx');
  await writeAt(target, header, 0);
  for (const [index, plan] of planned.entries()) {
    const output = outputs[index] as Outputs;
    let written = 0;
    for await (const { rows, converted } of piecesOf(source, plan, scaleType)) {
      for (const [part, bytes] of Object.entries(converted) as [keyof Outputs, Uint8Array][]) {
        const to = output[part] as Output;
        const rowBytes = bytesOf(to) / rowsOf(plan);
        await writeAt(target, bytes, (places.get(to.name) as number) + written * rowBytes);
        onBytes(bytes.length);
      }
      written += rows;
    }
  }
  await target.sync();
}

type Outputs = { readonly [Part in keyof ConvertedRows]: Output };

function outputsOf(
  { source: { type, shape }, path, part }: PlannedTensor,
  scaleType: ScaleType,
): Outputs {
  if (typeof type.layout === 'string')
    return { weight: { name: `${path}.${part}`, type: type.layout, shape } };
  const rows = shape.slice(0, -1);
  const columns = shape.at(-1) as number;
  const ofGroups = (name: string): Output => ({
    name: `${path}.${name}`,
    type: scaleType,
    shape: [...rows, columns / GROUP],
  });
  return {
    weight: {
      name: `${path}.weight`,
      type: 'U32',
      shape: [...rows, (columns * type.layout.bits) / 32],
    },
    scales: ofGroups('scales'),
    biases: ofGroups('biases'),
  };
}

/** The header of the file, and the position of each tensor in it. */
function placed(outputs: readonly Output[]): {
  header: Buffer;
  places: ReadonlyMap<string, number>;
} {
  // The wide numbers come first, so that all tensors are aligned.
  const inOrder = outputs.toSorted((a, b) => WIDTHS[b.type] - WIDTHS[a.type]);
  const places = new Map<string, number>();
  const entries: [string, unknown][] = [['__metadata__', { format: 'mlx' }]];
  let at = 0;
  for (const output of inOrder) {
    const end = at + bytesOf(output);
    entries.push([
      output.name,
      { dtype: output.type, shape: output.shape, data_offsets: [at, end] },
    ]);
    places.set(output.name, at);
    at = end;
  }
  const text = JSON.stringify(Object.fromEntries(entries));
  const json = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const header = Buffer.concat([length, json]);
  for (const [name, place] of places) places.set(name, place + header.length);
  return { header, places };
}

/** Rows of a matrix; the numbers of a vector are rows of one number. */
const rowsOf = ({ source: { shape } }: PlannedTensor): number =>
  shape.length === 1
    ? (shape[0] as number)
    : shape.slice(0, -1).reduce((product, n) => product * n, 1);

async function* piecesOf(
  source: FileHandle,
  plan: PlannedTensor,
  scaleType: ScaleType,
): AsyncGenerator<{ rows: number; converted: ConvertedRows }> {
  const { type, bytes, offset, name } = plan.source;
  const total = rowsOf(plan);
  if (total === 0) return;
  const rowBytes = bytes / total;
  const unit = Math.max(1, plan.rowsOfHead);
  const most = Math.max(1, Math.floor(PIECE_BYTES / rowBytes / unit)) * unit;
  for (let row = 0; row < total; row += most) {
    const rows = Math.min(most, total - row);
    const piece = Buffer.allocUnsafeSlow(rows * rowBytes);
    const { bytesRead } = await source.read(piece, 0, piece.length, offset + row * rowBytes);
    if (bytesRead < piece.length)
      throw new ModelError('malformed_gguf', `the file ends inside ${name}`);
    const ordered =
      plan.rowsOfHead === 0 ? piece : unturnRows(piece, { rowBytes, rowsOfHead: plan.rowsOfHead });
    const shifted = plan.isPlusOne ? minusOne(ordered) : ordered;
    yield { rows, converted: convertRows(shifted, { type, scaleType }) };
  }
}

async function writeAt(target: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await target.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

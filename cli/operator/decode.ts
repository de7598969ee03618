import type { Command } from 'commander';
import { CommandError, EXIT } from '#bus-schemas/exit-codes.ts';

export function addDecodeCommand(program: Command): void {
  program
    .command('decode')
    .description(
      'print a fact from standard input as JSON: nats sub "evt.>" --translate "dinf decode"',
    )
    .action(decode);
}

async function decode(): Promise<void> {
  const { CodecError, decodeUnchecked, hex, MAX_MESSAGE_BYTES } = await import('#bus-schemas');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_MESSAGE_BYTES)
      throw new CommandError(EXIT.usage, `A message has at most ${MAX_MESSAGE_BYTES} bytes.`);
    chunks.push(chunk);
  }
  try {
    console.log(
      JSON.stringify(
        decodeUnchecked(new Uint8Array(Buffer.concat(chunks))),
        (_key, value: unknown) => (value instanceof Uint8Array ? hex(value) : value),
      ),
    );
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
    throw new CommandError(EXIT.usage, 'Standard input is not a message of d-inference.', {
      cause: error,
    });
  }
}

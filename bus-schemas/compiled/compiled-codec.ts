import type { TSchema } from 'typebox';
import { COVERS_NOTHING, type CompiledCodec } from './codec-contract.ts';
import { decoderSource } from './decoder-source.ts';
import { encoderSource } from './encoder-source.ts';
import { MessageReader } from './message-reader.ts';
import { messageShapeOf } from './message-shape.ts';
import { MAX_COMPILED_BYTES, MessageWriter } from './message-writer.ts';

// Encoders and decoders are synchronous, and keep nothing of a message.
const writer = new MessageWriter();
const reader = new MessageReader();

/**
 * The codec that is compiled from the schema of a message. Each of its two functions is compiled at its
 * first use, because a process uses few of the messages that it loads. Like the checks of TypeBox, it
 * needs `new Function`; where that is forbidden, it covers no message.
 */
export function compiledCodec(schema: TSchema, version: number): CompiledCodec {
  if (!canEvaluate()) return COVERS_NOTHING;
  return {
    encode: madeWhenUsed(() => encoderOf(schema, version)),
    decode: madeWhenUsed(() => decoderOf(schema, version)),
  };
}

/** Whether this process may make functions of texts. Node can be started without this right. */
function canEvaluate(): boolean {
  try {
    return new Function('return true')();
  } catch {
    return false;
  }
}

function madeWhenUsed<Argument, Result>(
  make: () => (argument: Argument) => Result,
): (argument: Argument) => Result {
  let made: ((argument: Argument) => Result) | undefined;
  return (argument) => {
    made ??= make();
    return made(argument);
  };
}

function encoderOf(schema: TSchema, version: number): CompiledCodec['encode'] {
  const source = encoderSource(messageShapeOf(schema, version));
  return new Function('w', source)(writer);
}

function decoderOf(schema: TSchema, version: number): CompiledCodec['decode'] {
  const { source, patterns } = decoderSource(messageShapeOf(schema, version));
  const decode: CompiledCodec['decode'] = new Function('r', 'p', source)(reader, patterns);
  // A message that is not covered after all is read twice, which large ones are not worth.
  return (bytes) => (bytes.length > MAX_COMPILED_BYTES ? undefined : decode(bytes));
}

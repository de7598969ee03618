/** One instruction of a Containerfile, with continued lines joined. */
interface Instruction {
  /** In capitals, for example `RUN`. */
  readonly name: string;
  readonly text: string;
}

interface Stage {
  readonly name: string;
  /** The stage that this one begins with; undefined if it begins with an image. */
  readonly from: string | undefined;
  readonly instructions: readonly Instruction[];
}

export interface Containerfile {
  /** Arguments before the first stage, with their defaults: the base images. */
  readonly bases: Readonly<Record<string, string>>;
  readonly stages: readonly Stage[];
}

/** Reads the part of the syntax that the Containerfile of this folder uses. */
export function parseContainerfile(text: string): Containerfile {
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll('\\\n', ' ');
  const instructions = [...lines.matchAll(/^([A-Z]+)\s+(.*)$/gm)].map(
    ([, name = '', rest = '']): Instruction => ({ name, text: rest.trim() }),
  );
  const first = instructions.findIndex(({ name }) => name === 'FROM');
  const bases = Object.fromEntries(
    instructions.slice(0, first).map(({ text: argument }) => {
      const equals = argument.indexOf('=');
      return [argument.slice(0, equals), argument.slice(equals + 1)];
    }),
  );
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  for (const instruction of instructions.slice(first)) {
    if (instruction.name !== 'FROM') {
      stages.at(-1)?.instructions.push(instruction);
      continue;
    }
    const [image = '', , name = ''] = instruction.text.split(/\s+/);
    stages.push({
      name,
      from: stages.some((stage) => stage.name === image) ? image : undefined,
      instructions: [],
    });
  }
  return { bases, stages };
}

/** Returns the instructions that an image has, beginning with those of the stages it extends. */
export function instructionsOf({ stages }: Containerfile, target: string): Instruction[] {
  const stage = stages.find(({ name }) => name === target);
  if (stage === undefined) throw new Error(`there is no stage ${target}`);
  const before = stage.from === undefined ? [] : instructionsOf({ bases: {}, stages }, stage.from);
  return [...before, ...stage.instructions];
}

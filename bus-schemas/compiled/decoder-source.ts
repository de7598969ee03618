import { type Field, type Shape, shortText } from './message-shape.ts';

/**
 * Returns the source of a function of bytes, which reads a message with the `MessageReader` `r` and
 * checks it at the same time; the function returns `undefined` for every message that it does not
 * cover. `patterns` are the regular expressions that the source names `p[0]`, `p[1]` and so on.
 */
export function decoderSource(message: Shape): { source: string; patterns: readonly RegExp[] } {
  const decoder = new DecoderSource();
  return { source: decoder.of(message), patterns: decoder.patterns };
}

class DecoderSource {
  readonly patterns: RegExp[] = [];
  readonly #functions: string[] = [];
  readonly #names = new Map<Shape, string>();

  of(message: Shape): string {
    const read = this.#nameOf(message);
    return [
      ...this.#functions,
      `return (bytes) => { r.start(bytes); return r.finish(${read}()); };`,
    ].join('\n');
  }

  /** The name of the function that reads such a value and returns it, or else `undefined`. */
  #nameOf(shape: Shape): string {
    const known = this.#names.get(shape);
    if (known !== undefined) return known;
    const name = `read${this.#names.size}`;
    this.#names.set(shape, name);
    this.#functions.push(`function ${name}() {\n${this.#body(shape)}\n}`);
    return name;
  }

  #body(shape: Shape): string {
    switch (shape.is) {
      case 'object':
        return this.#object(
          shape.version === undefined
            ? shape.fields
            : [versionField(shape.version), ...shape.fields],
        );
      case 'record':
        return this.#record(shape);
      case 'array':
        return this.#array(shape);
      case 'union':
        return this.#union(shape.branches);
      case 'text':
        return this.#text(shape);
      case 'choice':
        return `const { bytes, at } = r;
          ${lookedUp(shape.texts, (text, end) => `r.at = at + ${end}; return ${JSON.stringify(text)};`)}
          return undefined;`;
      case 'number':
        return `const y = r.number();
          return ${numberCheck(shape)} ? y : undefined;`;
      case 'constant':
        return `const y = r.${typeof shape.value}();
          return y === ${shape.value} ? y : undefined;`;
      case 'bytes':
        return `return r.binary(${shape.min}, ${shape.max});`;
      case 'boolean':
      case 'null':
        return `return r.${shape.is}();`;
      case 'other':
        return 'return undefined;';
    }
  }

  /** Of a field that comes twice, the last one counts, as for @msgpack/msgpack. */
  #object(fields: readonly Field[]): string {
    const required = fields.filter(({ isRequired }) => isRequired);
    const optional = fields.filter(({ isRequired }) => !isRequired);
    const name = (field: Field): string => `f${fields.indexOf(field)}`;
    const names = fields.map(name);
    const fieldOf = new Map(fields.map((field) => [field.name, field]));
    const dispatch = lookedUp([...fieldOf.keys()], (key, end) => {
      const field = fieldOf.get(key) as Field;
      return `r.at = at + ${end};
        ${name(field)} = ${this.#nameOf(field.shape)}();
        if (${name(field)} === undefined) return undefined;
        continue;`;
    });
    return `const size = r.map();
      if (!(size >= ${required.length})) return undefined;
      ${names.length > 0 ? `let ${names.join(', ')};` : ''}
      const { bytes } = r;
      for (let i = 0; i < size; i++) {
        const { at } = r;
        ${dispatch}
        return undefined;
      }
      ${required.map((field) => `if (${name(field)} === undefined) return undefined;`).join('\n')}
      const x = { ${required.map((field) => `${JSON.stringify(field.name)}: ${name(field)}`).join(', ')} };
      ${optional
        .map(
          (field) =>
            `if (${name(field)} !== undefined) x[${JSON.stringify(field.name)}] = ${name(field)};`,
        )
        .join('\n')}
      return x;`;
  }

  #record({ values, pattern, max }: Extract<Shape, { is: 'record' }>): string {
    return `const size = r.map();
      if (!(size <= ${max})) return undefined;
      const x = {};
      for (let i = 0; i < size; i++) {
        const key = r.text();
        if (key === undefined || key in x || !${this.#pattern(pattern)}.test(key)) return undefined;
        const y = ${this.#nameOf(values)}();
        if (y === undefined) return undefined;
        x[key] = y;
      }
      return x;`;
  }

  #array({ items, min, max }: Extract<Shape, { is: 'array' }>): string {
    return `const size = r.array();
      if (!(size >= ${min} && size <= ${max})) return undefined;
      const x = [];
      for (let i = 0; i < size; i++) {
        const y = ${this.#nameOf(items)}();
        if (y === undefined) return undefined;
        x.push(y);
      }
      return x;`;
  }

  #union(branches: readonly Shape[]): string {
    return `const { at } = r;
      let y;
      ${branches
        .map((branch) => `y = ${this.#nameOf(branch)}(); if (y !== undefined) return y;`)
        .join('\nr.at = at;\n')}
      return undefined;`;
  }

  #text({ min, max, pattern }: Extract<Shape, { is: 'text' }>): string {
    const checks = [
      'y !== undefined',
      ...(min > 0 ? [`y.length >= ${min}`] : []),
      ...(max < Number.POSITIVE_INFINITY ? [`y.length <= ${max}`] : []),
      ...(pattern === undefined ? [] : [`${this.#pattern(pattern)}.test(y)`]),
    ];
    return `const y = r.text();
      return ${checks.join(' && ')} ? y : undefined;`;
  }

  #pattern(pattern: string): string {
    return `p[${this.patterns.push(new RegExp(pattern, 'u')) - 1}]`;
  }
}

const versionField = (version: number): Field => ({
  name: 'v',
  shape: { is: 'constant', value: version },
  isRequired: true,
});

function numberCheck({ min, max, isWhole }: Extract<Shape, { is: 'number' }>): string {
  const isNumber = isWhole ? 'Number.isInteger(y)' : 'Number.isFinite(y)';
  return `y >= ${min} && y <= ${max} && ${isNumber}`;
}

/**
 * Statements that compare what `bytes` have at `at` with short texts in MessagePack, and run the
 * action of the one that is there. `end` is its size with its head.
 */
function lookedUp(texts: readonly string[], action: (text: string, end: number) => string): string {
  const encoded = texts.map((text) => ({
    text,
    bytes: shortText(text),
  }));
  const compared = (group: typeof encoded, known: ReadonlySet<number>): string => {
    const [first] = group;
    if (first === undefined) return '';
    if (group.length === 1) {
      const rest = first.bytes.flatMap((byte, index) =>
        known.has(index) ? [] : [`bytes[at + ${index}] === ${byte}`],
      );
      const run = action(first.text, first.bytes.length);
      return rest.length === 0 ? run : `if (${rest.join(' && ')}) { ${run} }`;
    }
    // Texts of one length differ in some byte; the head is compared first and tells the length.
    const index = first.bytes.findIndex((_, at) => !known.has(at) && distinct(group, at) > 1);
    const branches = [...Map.groupBy(group, ({ bytes }) => bytes[index])].map(
      ([byte, part]) => `case ${byte}: ${compared(part, new Set([...known, index]))} break;`,
    );
    return `switch (bytes[at + ${index}]) { ${branches.join('\n')} }`;
  };
  const distinct = (group: typeof encoded, at: number): number =>
    new Set(group.map(({ bytes }) => bytes[at])).size;
  return compared(encoded, new Set());
}

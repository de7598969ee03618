import { type Field, type Shape, shortText } from './message-shape.ts';

/**
 * Returns the source of a function of a value, which writes it with the `MessageWriter` `w`. The source
 * has one function for each object, array, record and union of the message. Fields are written in the
 * order in which the value has them, as @msgpack/msgpack does.
 */
export const encoderSource = (message: Shape): string => new EncoderSource().of(message);

class EncoderSource {
  readonly #functions: string[] = [];
  readonly #names = new Map<Shape, string>();

  of(message: Shape): string {
    const write = this.#written(message, 'value');
    return [
      'const { bytes } = w;',
      'const isPlain = (x) =>',
      "typeof x === 'object' && x !== null && Object.getPrototypeOf(x) === Object.prototype;",
      ...this.#functions,
      `return (value) => { w.start(); ${write}; return w.finish(); };`,
    ].join('\n');
  }

  /** The expression that writes what the variable `x` holds. */
  #written(shape: Shape, x: string): string {
    switch (shape.is) {
      case 'text':
        return `w.text(${x})`;
      case 'choice':
        // The encoder does not check values. It tells the branches of a union by such a text.
        return shape.texts.length > 1
          ? `w.text(${x})`
          : `(${x} === ${JSON.stringify(shape.texts[0])} ? w.text(${x}) : w.fail())`;
      case 'constant':
        return `(${x} === ${shape.value} ? w.${typeof shape.value}(${x}) : w.fail())`;
      case 'bytes':
        return `w.binary(${x})`;
      case 'number':
      case 'boolean':
      case 'null':
        return `w.${shape.is}(${x})`;
      case 'other':
        return 'w.fail()';
      default:
        return `${this.#nameOf(shape)}(${x})`;
    }
  }

  #nameOf(shape: Shape): string {
    const known = this.#names.get(shape);
    if (known !== undefined) return known;
    const name = `write${this.#names.size}`;
    this.#names.set(shape, name);
    this.#functions.push(`function ${name}(x) {\n${this.#body(shape)}\n}`);
    return name;
  }

  #body(shape: Shape): string {
    switch (shape.is) {
      case 'object':
        return this.#object(shape);
      case 'record':
        return map({
          field: `if (!w.isComplete) return;
            w.text(key); ${this.#written(shape.values, 'y')};`,
        });
      case 'array':
        return `if (!Array.isArray(x)) return w.fail();
          w.array(x.length);
          for (let i = 0; i < x.length && w.isComplete; i++) { const y = x[i]; ${this.#written(shape.items, 'y')}; }`;
      case 'union':
        return `if (!w.isComplete) return;
          const { at } = w;
          ${shape.branches
            .map((branch) => `${this.#written(branch, 'x')}; if (w.isComplete) return;`)
            .join('\nw.again(at);\n')}`;
      default:
        throw new TypeError(`a ${shape.is} has no function`);
    }
  }

  #object({ fields, version }: Extract<Shape, { is: 'object' }>): string {
    const field = `switch (key) {
      ${fields.map((each) => this.#case(each)).join('\n')}
      ${version === undefined ? '' : `case 'v': if (y !== ${version}) return w.fail(); size--; break;`}
      default: return w.fail();
    }`;
    if (version === undefined) return map({ field });
    return map({ field, first: `${storedText('v')} w.number(${version}); size++;` });
  }

  #case({ name, shape }: Field): string {
    return `case ${JSON.stringify(name)}: {
      ${storedText(name)}
      ${this.#written(shape, 'y')};
      break;
    }`;
  }
}

/** Statements that write a map: its first fields, and each field `key` of `x` with its value `y`. */
function map({ first = '', field }: { first?: string; field: string }): string {
  return `if (!isPlain(x)) return w.fail();
    const start = w.startMap();
    let size = 0;
    ${first}
    for (const key in x) {
      const y = x[key];
      if (y === undefined) continue;
      size++;
      ${field}
    }
    w.endMap(start, size);`;
}

/** Statements that write a short text, whose bytes are known. */
function storedText(text: string): string {
  const bytes = shortText(text);
  const stores = bytes.map((byte, index) => `bytes[at + ${index}] = ${byte};`);
  return `{ const { at } = w; ${stores.join(' ')} w.at = at + ${bytes.length}; }`;
}

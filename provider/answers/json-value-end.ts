/** Finds the end of a JSON value in a text that arrives in parts. */
export class JsonValueEnd {
  isOver = false;
  #depth = 0;
  #inText = false;
  #escaped = false;
  #begun = false;

  /** Returns the number of characters of `text` that belong to the value. */
  push(text: string): number {
    for (let i = 0; i < text.length; i += 1) {
      const c = text[i] as string;
      if (this.#inText) {
        if (this.#escaped) this.#escaped = false;
        else if (c === '\\') this.#escaped = true;
        else if (c === '"') {
          this.#inText = false;
          if (this.#depth === 0) return this.#end(i + 1);
        }
        continue;
      }
      // A number, true, false or null ends at the first white space, comma or bracket.
      if (this.#depth === 0 && this.#begun && /[\s,}\]]/.test(c)) return this.#end(i);
      this.#begun = true;
      if (c === '"') this.#inText = true;
      else if (c === '{' || c === '[') this.#depth += 1;
      else if (c === '}' || c === ']') {
        this.#depth -= 1;
        if (this.#depth === 0) return this.#end(i + 1);
      }
    }
    return text.length;
  }

  #end(length: number): number {
    this.isOver = true;
    return length;
  }
}

import { posix } from 'node:path';

// Finds the modules of the package: those that its entries import, directly or not. So a test or a
// benchmark is never packed, unless a command imports it.

/** Subpath imports of package.json, such as `#provider` or `#coordinator/*`. */
export type SubpathImports = Readonly<Record<string, string | PlatformFiles>>;

/** The modules that a browser and all other programs get under one name. */
interface PlatformFiles {
  readonly browser: string;
  readonly default: string;
}

export interface GraphOptions {
  /** Paths from the root, with `/`. */
  readonly entries: readonly string[];
  /** Modules that are left out although others import them. */
  readonly leftOut: readonly string[];
  readonly imports: SubpathImports;
  /** Returns a module as JavaScript, or undefined if there is no such file. */
  readonly read: (file: string) => string | undefined;
}

export interface ModuleGraph {
  /** JavaScript of every module, by its path from the root. */
  readonly modules: ReadonlyMap<string, string>;
  /** Names of the packages that these modules import, each with one module that does. */
  readonly packages: ReadonlyMap<string, string>;
}

/**
 * Matches the specifier of `import`, `export … from` and `import()`, and the modules that are named
 * for a worker or a child process: `new URL('./x.ts', import.meta.url)` and
 * `import.meta.resolve('./x.ts')`.
 */
const SPECIFIER =
  /(\bfrom\s*|\bimport\s*|\bimport\(\s*|\bnew URL\(\s*|\bimport\.meta\.resolve\(\s*)(['"])([^'"\n]+)\2/g;
const PACKAGE = /^(@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*(?=$|\/)/;

export function moduleGraph({ entries, leftOut, imports, read }: GraphOptions): ModuleGraph {
  const modules = new Map<string, string>();
  const packages = new Map<string, string>();
  const waiting = entries.map((file) => ({ file, importedAs: `the entry ${file}` }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { file, importedAs } = next;
    if (modules.has(file) || leftOut.includes(file)) continue;
    const text = read(file);
    if (text === undefined) throw new Error(`${importedAs}, and ${file} does not exist`);
    modules.set(file, text);
    if (file.endsWith('.json')) continue;
    for (const { specifier, isUrl } of specifiersIn(text)) {
      const target = targetOf({ file, specifier, imports });
      if (target !== undefined) {
        waiting.push({ file: target, importedAs: `${file} imports ${specifier}` });
        continue;
      }
      const name = isUrl ? undefined : PACKAGE.exec(specifier)?.[0];
      if (name !== undefined && !packages.has(name)) packages.set(name, file);
    }
  }
  return { modules, packages };
}

interface Specifier {
  readonly specifier: string;
  /** Named by `new URL`, which names files of this program only. */
  readonly isUrl: boolean;
}

function specifiersIn(text: string): Specifier[] {
  return [...text.matchAll(SPECIFIER)]
    .map(([, before = '', , specifier = '']) => ({ specifier, isUrl: before.startsWith('new') }))
    .filter(({ specifier }) => !specifier.startsWith('node:'));
}

interface Reference {
  readonly file: string;
  readonly specifier: string;
  readonly imports: SubpathImports;
}

/** Returns the path of the module that a specifier names, or undefined if it is not of this repository. */
function targetOf({ file, specifier, imports }: Reference): string | undefined {
  if (/^\.\.?\//.test(specifier)) return posix.join(posix.dirname(file), specifier);
  if (!specifier.startsWith('#')) return undefined;
  const exact = imports[specifier];
  if (exact !== undefined) return posix.normalize(forNode(exact));
  for (const [pattern, target] of Object.entries(imports)) {
    const [before = '', after] = pattern.split('*', 2);
    if (after === undefined || !specifier.startsWith(before) || !specifier.endsWith(after))
      continue;
    const matched = specifier.slice(before.length, specifier.length - after.length);
    return posix.normalize(forNode(target).replace('*', matched));
  }
  throw new Error(`${file} imports ${specifier}, which package.json does not define`);
}

/** The package runs in Node. */
const forNode = (target: string | PlatformFiles): string =>
  typeof target === 'string' ? target : target.default;

/**
 * Replaces the specifiers of this repository by relative paths of JavaScript files. The package
 * then needs no subpath imports, which some bundlers do not support.
 */
export function withJavaScriptSpecifiers({
  file,
  text,
  imports,
}: {
  readonly file: string;
  readonly text: string;
  readonly imports: SubpathImports;
}): string {
  return text.replaceAll(SPECIFIER, (all, before: string, quote: string, specifier: string) => {
    const target = targetOf({ file, specifier, imports });
    if (target === undefined) return all;
    const path = posix.relative(posix.dirname(file), javaScriptName(target));
    return `${before}${quote}${path.startsWith('.') ? path : `./${path}`}${quote}`;
  });
}

/** Returns the name of a module in the package. */
export const javaScriptName = (file: string) => file.replace(/(?<!\.d)\.ts$/, '.js');

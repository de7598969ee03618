import { expect, test } from 'vitest';
import { javaScriptName, moduleGraph, withJavaScriptSpecifiers } from './module-graph.ts';

const imports = { '#bin': './bin/mod.ts', '#bin/*': './bin/*' };

/** Builds the graph of modules that exist only in this test. */
function graph(sources: Record<string, string>, leftOut: string[] = []) {
  return moduleGraph({
    entries: ['main.ts'],
    leftOut,
    imports,
    read: (file) => sources[file],
  });
}

test('a module is packed if an entry imports it, statically, dynamically, as a worker or by a subpath', () => {
  const { modules } = graph({
    'main.ts': `
      import { a } from './a.ts';
      export { b } from '#bin';
      await import('#bin/c.ts');
      new Worker(new URL('./thread.ts', import.meta.url));
      import.meta.resolve('./child.ts');`,
    'a.ts': '',
    'bin/mod.ts': "export * from './b.ts';",
    'bin/b.ts': '',
    'bin/c.ts': '',
    'thread.ts': '',
    'child.ts': '',
    'not-imported.ts': '',
  });
  expect([...modules.keys()].toSorted()).toEqual([
    'a.ts',
    'bin/b.ts',
    'bin/c.ts',
    'bin/mod.ts',
    'child.ts',
    'main.ts',
    'thread.ts',
  ]);
});

test('a module that is left out is not followed', () => {
  const sources = {
    'main.ts': "await import('./test.ts');",
    'test.ts': "import 'vitest';",
  };
  expect([...graph(sources, ['test.ts']).modules.keys()]).toEqual(['main.ts']);
  expect([...graph(sources).packages.keys()]).toEqual(['vitest']);
});

test('packages are named without their subpath, and modules of Node are not packages', () => {
  const { packages } = graph({
    'main.ts':
      "import 'node:fs'; import a from '@scope/a/deep.js'; import { b } from 'b/c'; new URL('/readyz', url)",
  });
  expect([...packages.keys()].toSorted()).toEqual(['@scope/a', 'b']);
});

test('an import of a missing module or of an undefined subpath is an error', () => {
  expect(() => graph({ 'main.ts': "import './gone.ts';" })).toThrow(
    'main.ts imports ./gone.ts, and gone.ts does not exist',
  );
  expect(() => graph({ 'main.ts': "import '#gone';" })).toThrow('main.ts imports #gone');
});

test('specifiers become relative paths of JavaScript files', () => {
  expect(
    withJavaScriptSpecifiers({
      file: 'bin/deep/x.ts',
      text: `import '#bin'; import "../y.ts"; import('#bin/z.ts'); import 'node:fs'; from './w.mjs'`,
      imports,
    }),
  ).toBe(
    `import '../mod.js'; import "../y.js"; import('../z.js'); import 'node:fs'; from './w.mjs'`,
  );
});

test('declarations keep their ending', () => {
  expect(['a.ts', 'a.d.ts', 'a.mjs'].map(javaScriptName)).toEqual(['a.js', 'a.d.ts', 'a.mjs']);
});

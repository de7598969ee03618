/** Blocks and lines of the documentation that are not run, by file and first line, each with its reason. */
export const NOT_RUN: Readonly<Record<string, string>> = {
  'README.md: npm start': 'starts a network of its own (e2e/up.test.ts)',
  'README.md: npm test': 'runs all tests, this one too',
  'README.md: OpenAI SDK                    ops tools': 'a drawing',
  'docs/ARCHITECTURE.md: bus-schemas/     what travels: subjects, messages, codec, sealing, accounts and permissions, streams': 'a list of folders',
};

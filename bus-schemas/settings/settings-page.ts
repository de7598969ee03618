import { formOf, SETTING_GROUPS, type SettingSchema } from './settings.ts';

const INTRODUCTION = `# Configuration

All settings are environment variables, and all are optional. A variable has precedence over the value
that a running \`dinf up\` wrote into its home. An empty variable counts as not set. A value that does not
have the stated form ends the program with exit code 64 and one sentence that names the variable, its value
(unless it is a secret) and the form.

This page is generated from the schemas in \`bus-schemas/settings/\`
(\`DINF_WRITE_API=1\` makes its test write it).
`;

/** Returns the text of docs/configuration.md. */
export function settingsPage(): string {
  const sections = Object.entries(SETTING_GROUPS).map(
    ([title, settings]) => `
## ${title}

| variable | default | form | what it sets |
|---|---|---|---|
${Object.entries(settings)
  .map(([name, schema]) => row(name, schema as SettingSchema))
  .join('\n')}
`,
  );
  return `${INTRODUCTION}${sections.join('')}`;
}

function row(name: string, schema: SettingSchema): string {
  const secret = schema.isSecret ? '; secret' : '';
  return `| \`${name}\` | ${defaultOf(schema)} | ${formOf(schema)}${secret} | ${schema.description} |`;
}

function defaultOf({ shownDefault, default: value }: SettingSchema): string {
  if (shownDefault !== undefined) return shownDefault;
  if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0))
    return '';
  if (typeof value === 'boolean') return value ? '`1`' : '`0`';
  return `\`${Array.isArray(value) ? value.join(',') : value}\``;
}

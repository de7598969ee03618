/** English texts of the quick start. */
export const quickStartTexts = {
  quickStart: {
    title: 'Quick start',
    intro:
      'The API speaks the protocols of OpenAI, Anthropic and Ollama. Choose what you use, and copy.',
    model: 'Model',
    key: 'Key',
    keyHere: 'The key that you just created is filled in. It leaves this page when you close it.',
    keyMissing:
      'Replace YOUR_API_KEY with the secret of a key. Secrets are shown only when a key is created.',
    createKey: 'Create a key',
    client: 'Client',
    placeholder: 'YOUR_API_KEY',
    save: (file: string) => `Save as ${file}`,
    run: 'Run in a shell',
    install: 'Install',
  },
} as const;

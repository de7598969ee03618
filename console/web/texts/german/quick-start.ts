import type { quickStartTexts as english } from '../english/quick-start.ts';
import type { Translation } from '../translation.ts';

/** German texts of the quick start. */
export const germanQuickStartTexts: Translation<typeof english> = {
  quickStart: {
    title: 'Schnellstart',
    intro:
      'Die API spricht die Protokolle von OpenAI, Anthropic und Ollama. Wählen Sie, was Sie verwenden, und kopieren Sie.',
    model: 'Modell',
    key: 'Schlüssel',
    keyHere:
      'Der eben angelegte Schlüssel ist eingesetzt. Er verlässt diese Seite, wenn Sie sie schließen.',
    keyMissing:
      'Ersetzen Sie YOUR_API_KEY durch das Geheimnis eines Schlüssels. Es wird nur beim Anlegen gezeigt.',
    createKey: 'Schlüssel anlegen',
    client: 'Programm',
    placeholder: 'YOUR_API_KEY',
    save: (file) => `Als ${file} speichern`,
    run: 'In einer Shell ausführen',
    install: 'Installieren',
  },
};

import type { signInTexts as english } from '../english/sign-in.ts';
import type { Translation } from '../translation.ts';

/** German texts of the page that signs a person in. */
export const germanSignInTexts: Translation<typeof english> = {
  signIn: {
    title: 'Anmelden',
    working: 'Sie werden angemeldet …',
    expired: 'Ihre Sitzung ist beendet. Melden Sie sich wieder an, um fortzufahren.',
    left: 'Sie sind abgemeldet. Die in diesem Browser gespeicherten Chats wurden gelöscht.',
    howTitle: 'Einen Anmeldelink verwenden',
    how: 'Der Befehl, der das Netzwerk startet, gibt einen Link aus, der den Besitzer anmeldet. Für einen neuen führen Sie dies auf derselben Maschine aus und öffnen, was er ausgibt:',
    command: 'npx dinf sign-in --link',
    withAccount: 'Mit Ihrem Konto fortfahren',
    refused: (code) =>
      `Die Anmeldung mit Ihrem Konto ist fehlgeschlagen (${code}). Versuchen Sie es erneut.`,
    code: 'Anmeldecode',
    codeHint: 'Der Teil des Links nach „code=“.',
    submit: 'Anmelden',
  },
};

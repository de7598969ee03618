/** English texts of the page that signs a person in. */
export const signInTexts = {
  signIn: {
    title: 'Sign in',
    working: 'Signing you in…',
    expired: 'Your session has ended. Sign in again to continue.',
    left: 'You are signed out. The chats stored in this browser were erased.',
    howTitle: 'Use a sign-in link',
    how: 'The command that starts the network prints a link that signs its owner in. For a new one, run this on the same machine and open what it prints:',
    command: 'npx dinf sign-in --link',
    withAccount: 'Continue with your account',
    refused: (code: string) => `The sign-in with your account failed (${code}). Try again.`,
    code: 'Sign-in code',
    codeHint: 'The part of the link after “code=”.',
    submit: 'Sign in',
  },
} as const;

import { routerOf } from './place-router.ts';

/** Places of the console. The server answers each of them with the same page. */
export const PATHS = {
  overview: '/',
  signIn: '/sign-in',
  chat: '/chat',
  models: '/models',
  keys: '/keys',
  quickStart: '/quick-start',
  requests: '/requests',
  money: '/money',
  machines: '/machines',
  setUp: '/set-up',
  earnings: '/earnings',
  link: '/link',
  status: '/status',
  log: '/log',
  getStarted: '/get-started',
} as const;

export type PageName = keyof typeof PATHS;

/** Places that everybody may read, also without a session. */
export const PUBLIC_PLACES = ['models', 'status', 'log', 'getStarted'] as const;
export type PublicPlace = (typeof PUBLIC_PLACES)[number];

export const isPublic = (place: PageName | undefined): place is PublicPlace =>
  PUBLIC_PLACES.some((each) => each === place);

export const { goTo, replacePath, usePageName } = routerOf(PATHS);

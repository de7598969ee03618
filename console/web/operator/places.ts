import { routerOf } from '../place-router.ts';

/** Places of the operators' pages. The operators' listener answers each of them with the same page. */
export const PLACES = {
  fleet: '/',
  incidents: '/incidents',
  breakers: '/breakers',
  routing: '/routing',
  money: '/money',
  rewards: '/rewards',
  people: '/people',
  models: '/models',
  trust: '/trust',
  bus: '/bus',
  audit: '/audit',
} as const;

export type PlaceName = keyof typeof PLACES;

export const { usePageName } = routerOf(PLACES);

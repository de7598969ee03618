/** Paths of icons in a square of 24 units, drawn with lines. */
const PATHS = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  chat: 'M5 5h14a1 1 0 0 1 1 1v9a1 1 0 0 1-1 1h-8l-4 4v-4H5a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z',
  models: 'M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9',
  keys: 'M15.5 4a4.5 4.5 0 1 1-4.2 6.1L4 17.5V20h3v-2h2v-2h2l1.6-1.9M16.5 7.5h.01',
  quickStart: 'M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14',
  requests: 'M5 6h14M5 12h14M5 18h9',
  money: 'M4 7h16v11H4zM4 11h16M8 15h3',
  machines: 'M4 5h16v10H4zM9 19h6M12 15v4',
  setUp: 'M12 4v11M7 10l5 5 5-5M5 20h14',
  earnings: 'M4 19V9M10 19V5M16 19v-7M21 19H3',
  status: 'M3 12h4l3-8 4 16 3-8h4',
  log: 'M6 4h12v16H6zM9 8h6M9 12h6M9 16h4',
  menu: 'M4 7h16M4 12h16M4 17h16',
  close: 'M6 6l12 12M18 6L6 18',
  plus: 'M12 5v14M5 12h14',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01',
  tool: 'M14 7a4 4 0 0 1 5-4l-2.5 2.5 2 2L21 5a4 4 0 0 1-5 5l-8.5 8.5a2 2 0 0 1-3-3L13 7z',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
} as const;

export type IconName = keyof typeof PATHS;

/** An icon beside a text, so it has no text of its own. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

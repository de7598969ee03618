/** What happens with builds that the network wants here: nothing, shown to the owner, or fetched. */
export const DESIRED_MODES = ['off', 'ask', 'on'] as const;
export type DesiredMode = (typeof DESIRED_MODES)[number];

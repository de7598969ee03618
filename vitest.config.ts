import { defineConfig } from 'vitest/config';

/** Tests stand beside what they test; those of e2e each start a network of their own, so they run one after the other. */
export default defineConfig({
  test: {
    // Long enough for a machine whose cores other programs keep busy: `npm test` must pass there too.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    setupFiles: ['./testcontainers/patient-waits.ts'],
    projects: [
      { extends: true, test: { name: 'unit', include: ['{bin,bus-schemas,coordinator,native,provider,simulator,testcontainers}/**/*.test.ts'] } },
      { extends: true, test: { name: 'e2e', include: ['e2e/**/*.test.ts'], fileParallelism: false, sequence: { groupOrder: 1 } } },
    ],
  },
});

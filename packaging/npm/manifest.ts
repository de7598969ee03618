/** The fields of the repository's package.json that are used here. */
export interface RepositoryManifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly imports: Readonly<Record<string, string>>;
  readonly codeFolders: readonly string[];
  readonly overrides: Readonly<Record<string, unknown>>;
}

interface LockedPackage {
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly optional?: boolean;
}

export interface LockFile {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** Returns the package.json of the package. `client` is its module for customers, without `.js`. */
export function packageManifest(
  {
    name,
    version,
    description,
    license,
    engines,
    codeFolders,
    dependencies,
    optionalDependencies,
    overrides,
  }: RepositoryManifest,
  client: string,
) {
  return {
    name,
    version,
    description,
    license,
    type: 'module',
    engines,
    codeFolders,
    bin: { dinf: 'bin/dinf.mjs' },
    exports: {
      './client': { types: `./${client}.d.ts`, default: `./${client}.js` },
    },
    dependencies,
    optionalDependencies,
    // Without them "npm ci" in the unpacked package refuses npm-shrinkwrap.json, which follows them.
    overrides,
  };
}

/**
 * Returns npm-shrinkwrap.json: npm installs exactly these versions with these checksums, also of
 * the dependencies of dependencies. It is package-lock.json without what only development needs.
 */
export function shrinkwrap(manifest: ReturnType<typeof packageManifest>, lock: LockFile) {
  const { name, version, license, engines, bin, dependencies, optionalDependencies } = manifest;
  const packages = Object.entries(lock.packages)
    .filter(([path, { dev }]) => path !== '' && !dev)
    // Needed by a development package and by an optional one: here only the second counts.
    .map(([path, { devOptional, ...rest }]) => [
      path,
      devOptional ? { ...rest, optional: true } : rest,
    ]);
  return {
    name,
    version,
    lockfileVersion: lock.lockfileVersion,
    requires: true,
    packages: {
      '': { name, version, license, dependencies, bin, engines, optionalDependencies },
      ...Object.fromEntries(packages),
    },
  };
}

import { useResource } from './resource.ts';
import { knownValue } from './resource-state.ts';

/** Whether the operator of this network offers the installer. */
export function useInstaller(): boolean {
  const installer = useResource('installer', async () => (await fetch('/install.sh')).ok);
  return knownValue(installer.state) === true;
}

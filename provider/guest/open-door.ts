import { ComputerWatch, type ComputerWatchOptions } from './computer-watch.ts';
import { DiskInput, diskReader } from './disk-input.ts';
import { Door, type DoorInput, type DoorOptions } from './door.ts';
import { freeMemoryReader } from './free-memory.ts';
import { ALWAYS, type GuestSettings } from './guest-settings.ts';
import { HeatGuard, type HeatGuardOptions } from './heat-guard.ts';
import { MemoryGuard, type MemoryGuardOptions } from './memory-guard.ts';
import { Polled } from './polled.ts';
import { PowerInput, powerReader } from './power.ts';
import { pressureReader } from './pressure-reader.ts';
import { Hours, parseSchedule } from './schedule.ts';
import { inhibitorCommand, SleepInhibitor } from './sleep-inhibitor.ts';
import { SleepWatch, sleepCommands } from './sleep-watch.ts';
import { thermalReader } from './thermal-reader.ts';
import { idleReader, UserInput } from './user-activity.ts';

interface OpenDoorOptions
  extends Omit<MemoryGuardOptions, 'read'>,
    Pick<HeatGuardOptions, 'setStreamShare' | 'note'>,
    Pick<ComputerWatchOptions, 'setConditions'>,
    Pick<DoorOptions, 'setDraining'> {
  readonly settings: GuestSettings;
  /** Folder of this machine. */
  readonly home: string;
  /** Called when the computer has woken. */
  readonly onWake: () => void;
}

/** Time between two readings of the computer and its user, in milliseconds. Each starts a program on macOS. */
const POLL_MS = 5_000;

/** A door with the inputs that the owner has set, which end with it. */
export interface WatchedDoor extends Disposable {
  readonly door: Door;
}

/** Opens the door of this machine. Its inputs have been read once when this resolves. */
export async function openDoor({
  settings,
  home,
  engine,
  log,
  setDraining,
  setConditions,
  setStreamShare,
  note,
  onWake,
}: OpenDoorOptions): Promise<WatchedDoor> {
  const { schedule = ALWAYS, onlyOnPower = false, batteryFloor = 0, yieldToUser = 0 } = settings;
  using opened = new DisposableStack();
  const inputs: DoorInput[] = [];
  let door: Door | undefined;
  const memory = opened.use(MemoryGuard.watch({ read: pressureReader(), engine, log }));
  const heat = new HeatGuard({ setStreamShare, note, log });
  const sleep = opened.use(
    new SleepWatch({
      commands: sleepCommands(process.pid),
      onSleep: () => door?.tick(Date.now()),
      onWake,
    }),
  );
  inputs.push(sleep, memory, heat);
  if (schedule !== ALWAYS) inputs.push(new Hours(parseSchedule(schedule)));
  const power = opened.use(await Polled.start(powerReader(), POLL_MS));
  if (onlyOnPower || batteryFloor > 0)
    inputs.push(new PowerInput({ onlyOnPower, batteryFloor }, () => power.value));
  if (yieldToUser > 0) {
    const idle = opened.use(await Polled.start(idleReader(), POLL_MS));
    inputs.push(new UserInput(60_000 * yieldToUser, () => idle.value));
  }
  const disk = opened.use(await Polled.start(diskReader(home), POLL_MS));
  inputs.push(new DiskInput(() => disk.value));
  const inhibitor = opened.use(new SleepInhibitor(inhibitorCommand(process.pid)));
  const isOnMains = () => power.value?.isOnBattery !== true;
  const awake = {
    hold: (isWanted: boolean) => inhibitor.hold(isWanted && isOnMains()),
    get notes() {
      return inhibitor.notes;
    },
  };
  opened.use(
    await ComputerWatch.start(
      {
        readThermal: thermalReader(),
        readFreeMemory: freeMemoryReader(),
        power: () => power.value,
        pressure: () => memory.level,
        heat,
        engine,
        setConditions,
      },
      POLL_MS,
    ),
  );
  door = new Door({
    inputs,
    setDraining,
    ...(settings.allowSleep !== true && { awake }),
  });
  const resources = opened.move();
  return { door, [Symbol.dispose]: () => resources.dispose() };
}

export interface RunnerLog {
  info(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

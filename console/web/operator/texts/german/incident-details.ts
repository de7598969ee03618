import { groupedDigits } from '../../../format/numbers.ts';
import { localTime } from '../../../format/time.ts';
import { germanFaults } from '../../../texts/german/faults.ts';
import type { IncidentRow } from '../../incident-sentence.ts';

/** The names and numbers of an incident, as the network sends them. */
type Values = Readonly<Record<string, unknown>>;

const number = (value: unknown): string => groupedDigits(Number(value));
const seconds = (ms: unknown): string => `${number(Math.round(Math.abs(Number(ms)) / 1_000))} s`;
const time = (ms: unknown): string => localTime(Number(ms));

const STATES: Readonly<Record<string, string>> = {
  pending: 'wartet auf Stripe',
  transferred: 'ist überwiesen, aber nicht ausgezahlt',
};
const CLOCKS: Readonly<Record<string, string>> = {
  trust: 'Die Uhr der Komponente trust',
  hub: 'Die Uhr des Hubs',
  database: 'Die Uhr der Datenbank',
  machines: 'Die Uhr der meisten Maschinen',
};

/** What each incident is about, in German; undefined if an earlier version sent no values for it. */
export const germanIncidents: Readonly<
  Record<IncidentRow['alert'], (values: Values) => string | undefined>
> = {
  DinfComponentMissing: ({ component }) => `Kein Prozess führt die Komponente ${component} aus.`,
  DinfStreamFails: ({ stream, forMs, error }) =>
    `Der Stream ${stream} speichert seit ${seconds(forMs)} nichts: ${error}`,
  DinfFactsLost: ({ stream, facts, firstAt, lastAt }) =>
    `Der Stream ${stream} hat ${number(facts)} Meldungen entfernt, bevor sie gelesen wurden, von ${time(firstAt)} bis ${time(lastAt)}.`,
  DinfConsumerBehind: ({ stream, reader, waiting }) =>
    `${number(waiting)} Meldungen des Streams ${stream} warten auf den Leser ${reader}.`,
  DinfLedgerDrift: () => 'Die Prüfung der Bücher hat einen Unterschied gefunden.',
  DinfSettlementConflict: ({ kind, subject }) =>
    kind === 'poison_event'
      ? `${subject} ist das ungültige Ende einer Anfrage und wurde nicht abgerechnet.`
      : `${subject} widerspricht dem gespeicherten Vorgang und hat nichts geändert.`,
  DinfPayoutStuck: ({ payout, account, state }) =>
    `Die Auszahlung ${payout} von ${account} ${STATES[String(state)] ?? state}, seit mehr als 48 Stunden.`,
  DinfFactsParked: ({ batches, reason }) =>
    `${batches === 1 ? 'Ein Stapel Meldungen ist' : `${number(batches)} Stapel Meldungen sind`} zurückgestellt. Der Bus lehnte den ersten ab mit: ${reason}`,
  DinfNoLeader: () => 'Kein Router einer Zelle meldet sich.',
  DinfNoMachines: () => 'Keine Zelle hat eine Maschine.',
  DinfQueueFull: ({ queued, room }) =>
    `${number(queued)} Anfragen warten; Platz ist für ${number(room)}.`,
  DinfMachinesUntrusted: ({ machine, fault }) =>
    `${machine}: ${(germanFaults as Readonly<Record<string, string>>)[String(fault)] ?? 'Sie ist nicht mehr vertrauenswürdig.'}`,
  DinfClockWrong: ({ clock, offsetMs }) => {
    const name = CLOCKS[String(clock)];
    return (
      name &&
      `${name} geht um ${seconds(offsetMs)} falsch. Gleichen Sie sie mit einem Zeitserver ab.`
    );
  },
  DinfHubLost: ({ hub }) => `Der Hub ${hub} antwortet nicht mehr.`,
};

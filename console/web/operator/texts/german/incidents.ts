import type { Translation } from '../../../texts/translation.ts';
import type { operatorIncidentsTexts as english } from '../english/incidents.ts';

/** German texts of incidents and their runbooks. */
export const germanOperatorIncidentsTexts: Translation<typeof english> = {
  incidents: {
    title: 'Störungen',
    intro:
      'Dieser Ingress sieht alle 15 Sekunden nach. Was einen Verlauf braucht, etwa ein wachsender Anteil misslungener Anfragen, zeigen nur die Alarme von Prometheus.',
    since: 'Er beobachtet seit',
    good: 'Alles ist in Ordnung',
    open: 'Offene Störungen',
    began: 'Begann',
    steps: 'Was zu tun ist',
    toSteps: 'Zeigen, was zu tun ist',
    ended: 'Beendete Störungen',
    endedEmpty: 'Seit dem Start dieses Ingress ist keine Störung zu Ende gegangen.',
    incident: 'Störung',
    detail: 'Einzelheiten',
    begin: 'Beginn',
    end: 'Ende',
    runbooks: 'Was bei jedem Alarm zu tun ist',
    runbooksText: 'Die Alarme von Prometheus haben dieselben Namen. Die Anleitungen sind englisch.',
    titles: {
      DinfComponentMissing: 'Eine Komponente läuft nicht',
      DinfStreamFails: 'Ein Stream speichert nichts',
      DinfFactsLost: 'Meldungen gingen verloren, bevor sie gelesen wurden',
      DinfConsumerBehind: 'Ein Leser von Meldungen ist weit zurück',
      DinfLedgerDrift: 'Die Bücher stimmen nicht',
      DinfSettlementConflict: 'Die Abrechnung hat einen Vorgang abgelehnt',
      DinfPayoutStuck: 'Eine Auszahlung hängt',
      DinfFactsParked: 'Meldungen der Bücher sind zurückgestellt',
      DinfNoLeader: 'Kein Router führt eine Zelle',
      DinfNoMachines: 'Keine Maschine ist in der Flotte',
      DinfQueueFull: 'Die Warteschlange ist fast voll',
      DinfMachinesUntrusted: 'Eine Maschine wurde ausgeschlossen',
      DinfClockWrong: 'Eine Uhr geht falsch',
      DinfHubLost: 'Ein Hub antwortet nicht',
    },
  },
};

import type { machinesTexts as english } from '../english/machines.ts';
import type { Translation } from '../translation.ts';

/** German texts of the machines of a person, and of the pages that add one. */
export const germanMachinesTexts: Translation<typeof english> = {
  machines: {
    title: 'Maschinen',
    add: 'Maschine einrichten',
    emptyTitle: 'Noch keine Maschinen',
    empty:
      'Ein Mac, der nichts zu tun hat, kann anderen Modelle bereitstellen, und Ihnen kostenlos.',
    search: 'Maschine suchen',
    noMatch: 'Keine Maschine hat diesen Namen.',
    shown: (first, last, all) => `${first} bis ${last} von ${all} Maschinen`,
    removed: 'Entfernt',
    untrusted: 'Nicht vertrauenswürdig',
    offline: 'Nicht verbunden. Führen Sie auf der Maschine dinf provider status aus.',
    pending: 'Ihre Identität und ihr Programm werden geprüft.',
    lapsed: 'Ihr letzter Nachweis ist zu alt. Nach dem nächsten bekommt sie wieder Anfragen.',
    running: (count) => (count === 1 ? 'Beantwortet 1 Anfrage' : `Beantwortet ${count} Anfragen`),
    ready: (count) =>
      count === 1
        ? 'Bereit: 1 Modell wartet auf Anfragen'
        : `Bereit: ${count} Modelle warten auf Anfragen`,
    noModels: 'Sie bietet zurzeit kein Modell an.',
    earnedToday: 'Heute verdient (UTC)',
    chip: 'Chip',
    trust: 'Vertrauen',
    standings: {
      pending: 'Ausstehend',
      verified: 'Geprüft',
      lapsed: 'Veraltet',
      untrusted: 'Nicht vertrauenswürdig',
    },
    linked: 'Verknüpft',
    record: 'Bilanz',
    answers: (done, failed) => `${done} Antworten, ${failed} durch ihren Fehler misslungen`,
    models: (count) => (count === 1 ? '1 Modell' : `${count} Modelle`),
    memory: (used, all) => `Modelle im Speicher brauchen ${used} von ${all} dieses Computers.`,
    inMemory: 'Im Speicher',
    notInMemory: 'Nicht im Speicher',
    waits: 'Bereit für Anfragen',
    details: 'Einzelheiten',
    day: 'Letzte 24 Stunden',
    dayUnknown:
      'Noch ist nichts bekannt. Eine Minute nachdem die Maschine sich verbunden hat, erscheinen hier ihre Stunden.',
    until: 'jetzt',
    minutes: (count) => `${count} min`,
    hours: (count) => `${count} h`,
    served: (time) => `Hat Anfragen beantwortet: ${time}`,
    waited: (time) => `Bereit, ohne Anfrage: ${time}`,
    blocked: (time) => `Konnte nicht antworten: ${time}`,
    blockedAt: (hours, because) => `Ab ${hours}: ${because}`,
    unknownHours:
      'Lücken sind unbekannt: Die Maschine war nicht verbunden, oder das Netzwerk lief nicht.',
    raiseLevel: {
      none: 'Anfragen, die eine nachgewiesene Identität verlangen, gehen an andere Maschinen.',
      self_signed:
        'Ihr Schlüssel liegt in Software. Auf einem Mac, dessen Schlüssel in der Secure Enclave liegt, hebt ein Zertifikat von Apple die Stufe, und Anfragen, die das verlangen, kommen dazu.',
      hardware: 'Das ist die höchste Stufe.',
    },
    raiseStanding: {
      pending: 'Das Netzwerk prüft sie binnen einiger Minuten. Sie muss verbunden bleiben.',
      verified: 'Sie bekommt Anfragen.',
      lapsed:
        'Ihr nächster Nachweis stellt das Vertrauen wieder her. Sie muss wach und verbunden sein.',
      untrusted: 'Der Grund steht in ihrem Protokoll.',
    },
    leaderboard: 'Öffentliche Rangliste',
    showPublicly: 'Diese Maschine in der öffentlichen Rangliste zeigen',
    shownAs: (name) => `In der öffentlichen Rangliste als „${name}“ gezeigt`,
    showPubliclyHint:
      'Alle sehen dann diesen Namen mit den Anfragen und den Token der Antworten aus 30 Tagen, gerundet, und nichts sonst. Abschalten entfernt die Maschine sofort.',
    toLeaderboard: 'Zur Rangliste.',
    publicName: 'Öffentlicher Name',
    publicNameHint:
      '2 bis 40 Buchstaben von A bis Z, Ziffern, und dazwischen einzelne Leerzeichen, Bindestriche, Punkte oder Unterstriche. Nehmen Sie nicht Ihren eigenen Namen, wenn Sie unbekannt bleiben wollen.',
    showUnderName: 'Unter diesem Namen zeigen',
    changePublicName: 'Namen ändern',
    control: 'Steuern',
    controlText:
      'Das Netzwerk kann Ihre Maschine nicht anhalten oder ändern: Führen Sie diese Befehle auf der Maschine selbst aus.',
    commands: [
      ['dinf provider status', 'was sie tut und warum sie keine Anfragen bekommt'],
      ['dinf provider pause', 'keine neuen Anfragen annehmen'],
      ['dinf provider resume', 'wieder Anfragen annehmen'],
      ['dinf provider switch MODELL', 'jetzt ein anderes Modell laden'],
      ['dinf provider update', 'die Version installieren, die das Netzwerk anbietet'],
    ],
    remove: 'Entfernen',
    removeTitle: (name) => `„${name}“ entfernen?`,
    removeText:
      'Sie bekommt keine Anfragen mehr und kann mit ihren jetzigen Schlüsseln nicht zurückkehren. Was sie verdient hat, bleibt Ihres.',
    removeAction: 'Maschine entfernen',
  },
  link: {
    title: 'Maschine verknüpfen',
    intro:
      'Eine Maschine oder ein Programm vor Ihnen zeigt einen Code. Geben Sie ihn ein, um zu sehen, was fragt.',
    code: 'Code, den die Maschine zeigt',
    codeHint: 'Acht Buchstaben, zum Beispiel WDJB-MJHT',
    find: 'Weiter',
    client: 'Name, den es sich selbst gibt',
    address: 'Fragt von der Adresse',
    asked: 'Gefragt',
    deny: 'Ablehnen',
    machine: {
      title: 'Eine Maschine möchte Ihre werden',
      text: 'Sie möchte in Ihrem Namen Modelle bereitstellen: Was sie verdient, gehört Ihnen. Genehmigen Sie sie nur, wenn die Maschine vor Ihnen genau diesen Code zeigt.',
      approve: 'Maschine genehmigen',
      approved: 'Die Maschine ist genehmigt. Sie verbindet sich in wenigen Sekunden.',
      denied: 'Die Maschine wurde abgelehnt.',
    },
    sign_in: {
      title: 'Ein Programm möchte sich als Sie anmelden',
      text: 'Es wird alles tun können, was Sie hier tun können: Ihr Geld ausgeben, Schlüssel anlegen und Maschinen entfernen. Genehmigen Sie es nur, wenn Sie es selbst gestartet haben und es genau diesen Code zeigt. Hat Ihnen jemand den Code geschickt, lehnen Sie ab.',
      approve: 'Programm anmelden',
      approved: 'Das Programm ist angemeldet. Unter Sitzungen können Sie seine Sitzung beenden.',
      denied: 'Das Programm wurde abgelehnt.',
    },
    toMachines: 'Ihre Maschinen zeigen',
  },
  setUp: {
    title: 'Maschine einrichten',
    intro:
      'Üblich ist ein Mac mit einem Chip von Apple; Linux geht auch. Administratorrechte sind nicht nötig.',
    installTitle: 'Das Programm auf der Maschine installieren',
    installText: 'Dies lädt das Programm dieses Netzwerks in Ihren eigenen Ordner.',
    installByHand:
      'Dieses Netzwerk hat kein Installationsprogramm. Sein Betreiber gibt Ihnen das Paket; dann führen Sie aus:',
    startTitle: 'Starten und den Code genehmigen',
    startText: 'Wählen Sie ein Modell, das in den Speicher der Maschine passt.',
    codeText: 'Der Befehl zeigt einen Code. Geben Sie ihn hier ein:',
    checkTitle: 'Zusehen, wie sie startet',
    waiting: 'Diese Liste ändert sich von selbst, sobald eine neue Maschine verknüpft ist.',
    found: (name) => `Die neue Maschine ist „${name}“.`,
    open: {
      linked: 'Noch nicht verknüpft',
      online: 'Noch nicht verbunden',
      verified: 'Identität und Programm noch nicht geprüft',
      serves: 'Noch nicht bereit für Anfragen',
    },
    done: {
      linked: 'Mit Ihrem Konto verknüpft',
      online: 'Verbunden',
      verified: 'Identität und Programm geprüft',
      serves: 'Bereit für Anfragen',
    },
  },
};

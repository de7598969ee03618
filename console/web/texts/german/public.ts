import type { publicTexts as english } from '../english/public.ts';
import type { Translation } from '../translation.ts';

/** German texts of the pages that everybody may read. */
export const germanPublicTexts: Translation<typeof english> = {
  public: {
    nav: 'Öffentliche Seiten',
    signIn: 'Anmelden',
    account: 'Ihr Konto',
  },
  status: {
    title: 'Status',
    intro:
      'Was dieses Netzwerk in diesem Augenblick bereitstellen kann, und wie oft es das konnte. Jedes Modell wird einmal in der Minute geprüft.',
    allServe: 'Jedes Modell ist zurzeit verfügbar',
    someServe: (serving, all) => `${serving} von ${all} Modellen sind zurzeit verfügbar`,
    noneServe: 'Zurzeit ist kein Modell verfügbar',
    emptyTitle: 'Noch keine Modelle',
    empty: 'Dieses Netzwerk bietet zurzeit kein Modell an.',
    historyTitle: 'Die letzten 30 Tage',
    historyUnknown: 'Der Verlauf ist zurzeit nicht lesbar.',
    now: { serves: 'Verfügbar', fails: 'Zurzeit keine Maschine' },
    share: (percent) => `${percent} % der Prüfungen`,
    noChecks: 'Noch nicht geprüft',
    day: (date, served, checks) =>
      `${date} (UTC): Bei ${served} von ${checks} Prüfungen war eine Maschine bereit`,
    dayUnchecked: (date) => `${date} (UTC): keine Prüfungen`,
    daysAgo: 'vor 30 Tagen',
    today: 'Heute',
    legend: { full: 'Immer', most: 'Mindestens 95 %', less: 'Weniger', none: 'Keine Prüfungen' },
    totalsTitle: 'Das Netzwerk in Zahlen',
    requestsDay: 'Anfragen in 24 Stunden',
    requestsMonth: 'Anfragen in 30 Tagen',
    tokensMonth: 'Token der Antworten in 30 Tagen',
    machines: 'Verbundene Maschinen',
    machinesSimulated: (count) => `Davon sind ${count} simuliert.`,
    rounded:
      'Anfragen und Token sind auf zwei Ziffern gerundet, und weniger als zehn Anfragen werden als 0 gezeigt.',
    demandTitle: 'Nachfrage nach Modell',
    demandEmpty: 'Weniger als zehn Anfragen für jedes Modell in 30 Tagen.',
    model: 'Modell',
    share30: 'Anteil der Token',
    requests: 'Anfragen',
    tokens: 'Token der Antworten',
    perDay: (count) => `${count} in 24 Stunden`,
    leaderboardTitle: 'Rangliste der Maschinen',
    leaderboardText:
      'Nur Maschinen, deren Besitzer sie zeigen, nach den Token der Antworten auf bezahlte Anfragen in den letzten 30 Tagen. Die Zahlen sind gerundet, und eine Maschine erscheint nach zehn Anfragen.',
    leaderboardEmpty:
      'Noch wird keine Maschine gezeigt. Besitzer können ihre unter „Maschinen“ in den Einzelheiten der Maschine zeigen.',
    place: 'Platz',
    machine: 'Maschine',
  },
  log: {
    title: 'Transparenzprotokoll',
    intro:
      'Jede Version, die Maschinen ausführen dürfen, jede Maschine mit ihrer Stufe und jedes Modell mit seinen Builds stehen in einem Protokoll, das nur verlängert wird. Sein Kopf signiert alle Einträge zugleich.',
    headTitle: 'Der jetzige Kopf',
    entries: 'Einträge',
    signedAt: 'Signiert',
    root: 'Wurzelhash',
    key: 'Schlüssel',
    signature: 'Signatur',
    checkTitle: 'In diesem Browser prüfen',
    checkText:
      'Ihr Browser prüft die Signatur, und dass dieses Protokoll das fortsetzt, das er zuvor gesehen hat. Er speichert den Kopf für das nächste Mal.',
    check: 'Protokoll prüfen',
    checking: 'Wird geprüft …',
    good: (entries) =>
      `Der Kopf von ${entries} Einträgen ist mit seinem Schlüssel signiert, und dieser Browser hat kein anderes Protokoll dieses Netzwerks gesehen.`,
    extends: (before, entries) =>
      `Der Kopf von ${entries} Einträgen ist mit seinem Schlüssel signiert und setzt die ${before} Einträge fort, die dieser Browser zuvor gesehen hat.`,
    bad: (reason) => `Die Prüfung ist fehlgeschlagen. ${reason}`,
    toolsTitle: 'Ohne diese Seite prüfen',
    toolsText:
      'Die Seite kommt aus dem Netzwerk selbst. Diese Aufrufe brauchen keinen Schlüssel, so kann ein eigenes Programm ihre Antworten mit dem vergleichen, was andere sehen.',
    headCommand: 'Der Kopf',
    entriesCommand: 'Die Einträge',
    proofCommand: 'Der Beweis, dass das Protokoll nur verlängert wurde',
    proxyText:
      'Der Proxy auf Ihrem eigenen Rechner prüft das Protokoll vor jeder Anfrage und lehnt eines ab, das das letzte nicht fortsetzt:',
  },
  getStarted: {
    title: 'Erste Schritte',
    intro: 'Drei Wege, d-inference zu nutzen. Keiner braucht Administratorrechte.',
    useTitle: 'Die Modelle dieses Netzwerks nutzen',
    useText:
      'Melden Sie sich an, legen Sie einen API-Schlüssel an, und geben Sie ihn einem Programm, das die API von OpenAI, Anthropic oder Ollama spricht. Die Adresse ist:',
    useNext: 'Anmelden, um einen Schlüssel anzulegen',
    privateTitle: 'Ihre Fragen vor dem Netzwerk verbergen',
    privateText:
      'Der Proxy läuft auf Ihrem eigenen Rechner und versiegelt jede Anfrage für eine Maschine, die er geprüft hat.',
    serveTitle: 'Mit Ihrem Rechner Modelle bereitstellen',
    serveText:
      'Üblich ist ein Mac mit einem Chip von Apple; Linux geht auch. Was er verdient, gehört Ihnen.',
    serveByHand:
      'Dieses Netzwerk hat kein Installationsprogramm. Sein Betreiber gibt Ihnen das Paket; installieren Sie es, dann führen Sie aus:',
    serveNext: 'Danach verknüpfen Sie ihn mit Ihrem Konto:',
    digests: 'Das Installationsprogramm mit seiner Prüfsumme',
    ownTitle: 'Ein eigenes Netzwerk betreiben',
    ownText:
      'Das Programm enthält alle Teile. In seinem Ordner startet dies ein Netzwerk auf einer Maschine und gibt einen Link zu seiner Konsole aus:',
  },
};

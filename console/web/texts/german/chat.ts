import type { chatTexts as english } from '../english/chat.ts';
import type { Translation } from '../translation.ts';

/** German texts of the chat. */
export const germanChatTexts: Translation<typeof english> = {
  chat: {
    title: 'Chat',
    newChat: 'Neuer Chat',
    chats: 'Chats',
    noChats: 'Chats werden nur in diesem Browser gespeichert und beim Abmelden gelöscht.',
    remove: (title) => `Den Chat „${title}“ löschen`,
    model: 'Modell',
    message: 'Nachricht',
    placeholder: 'Fragen Sie etwas. Enter sendet, Umschalt + Enter beginnt eine neue Zeile.',
    send: 'Senden',
    stop: 'Anhalten',
    emptyTitle: 'Fragen Sie ein Modell',
    noModels: 'Zurzeit stellt keine Maschine ein Modell bereit.',
    noModelsText:
      'Starten Sie eine mit dinf provider, oder warten Sie, bis eine Maschine wieder da ist.',
    you: 'Sie',
    reasoning: 'Überlegung',
    writing: 'Schreibt …',
    waiting: 'Wartet auf eine Maschine …',
    stopped: 'Angehalten',
    cutShort: 'An der Längengrenze des Modells abgeschnitten',
    failed: (reason) => `Die Antwort ist fehlgeschlagen. ${reason}`,
    refused: (reason) =>
      `Nicht gesendet. Das Netzwerk konnte nichts lesen, denn eine Prüfung ist fehlgeschlagen: ${reason}`,
    brokenOff: 'Die Verbindung endete vor der Antwort.',
    machine: (name) => `Maschine ${name}`,
    simulated: 'simuliert',
    figures: (tokensIn, tokensOut) => `${tokensIn} → ${tokensOut} Token`,
    firstContent: (text) => `erster Inhalt nach ${text}`,
    levels: {
      none: 'Identität nicht nachgewiesen',
      self_signed: 'Identität mit dem eigenen Schlüssel signiert',
      hardware: 'Identität durch Apple-Hardware nachgewiesen',
    },
    costUnknown: 'Kosten folgen',
    why: 'Warum diese Maschine',
    whyText: (expected) =>
      `Ihr erster Inhalt wurde nach ${expected} erwartet. Maschinen werden nach der Summe dieser Werte verglichen:`,
    queued: (text) => `Die Anfrage wartete ${text} auf eine freie Maschine.`,
    attempts: (count) => `${count} Maschinen wurden versucht.`,
    addImages: 'Bilder hinzufügen',
    imageFiles: 'Bilddateien',
    imageNumber: (index) => `Bild ${index}`,
    removeImage: (index) => `Bild ${index} entfernen`,
    imageLimits: (images, megabytes) =>
      `Bis zu ${images} Bilder mit je ${megabytes} MB. Ihr Browser verkleinert sie, bevor er sie sendet.`,
    imageFaults: {
      too_many: (images) => `Eine Nachricht hat höchstens ${images} Bilder.`,
      too_large: (_, megabytes) =>
        `Dieses Bild ist zu groß. Wählen Sie eines mit höchstens ${megabytes} MB, oder einen Ausschnitt.`,
      no_image: () =>
        'Diese Datei ist kein Bild, das gezeigt werden kann. Wählen Sie PNG, JPEG, WebP oder GIF.',
    },
    addTools: 'Werkzeuge hinzufügen',
    toolCount: (count) => (count === 1 ? '1 Werkzeug' : `${count} Werkzeuge`),
    toolsTitle: 'Werkzeuge für diesen Chat',
    toolsText:
      'Beschreiben Sie Funktionen, die das Modell aufrufen darf. Wenn es eine aufruft, sehen Sie die Argumente und tippen das Ergebnis.',
    toolsField: 'Funktionen, als JSON-Liste',
    toolsExample: 'Beispiel einsetzen',
    toolsWrong:
      'Schreiben Sie eine JSON-Liste mit bis zu 16 Funktionen. Jede hat einen Namen aus Buchstaben, Ziffern, - und _, und kann eine Beschreibung und Parameter haben.',
    toolsSave: 'Diese Werkzeuge verwenden',
    calls: (name) => `Ruft ${name} auf`,
    result: 'Ergebnis',
    resultOf: (name) => `Ergebnis von ${name}`,
    resultHint: 'Sie spielen das Werkzeug: Was Sie hier tippen, bekommt das Modell zurück.',
    sendResults: (count) => (count === 1 ? 'Ergebnis senden' : 'Ergebnisse senden'),
    again: 'Erneut versuchen',
    sealTitle: 'Wer kann diesen Chat lesen?',
    sealed: 'versiegelt',
    sealedSummary: 'Für diese Maschine versiegelt',
    willSealSummary: 'Ihre nächste Nachricht wird versiegelt',
    sealedText: [
      'Ihr Browser versiegelt jede Nachricht für die eine Maschine, die antwortet. Das Netzwerk sieht das Modell, die Längen und die Zeiten, aber keinen Text.',
      'Vorher prüft Ihr Browser, dass die Maschine ihren Schlüssel signiert hat, dass das öffentliche Protokoll die Maschine mit ihrer Stufe nennt, dass ihr Programm eine gültige Version im Protokoll ist und dass ihr Build laut Protokoll für das Modell antworten darf. Das Protokoll muss das fortsetzen, das dieser Browser zuvor gesehen hat. Schlägt eine Prüfung fehl, wird nichts gesendet.',
      'Das Programm dieser Seite kommt aus dem Netzwerk. Um von keinem Programm des Netzwerks abzuhängen, verwenden Sie den Proxy auf Ihrem eigenen Rechner:',
    ],
    sealedMachine: 'Maschine',
    sealedLevel: 'Stufe',
    sealedRelease: 'Programmversion',
    sealedModel: 'Modell → Build',
    sealedWeights: 'Gewichte',
    noWeights: 'die Maschine hat keine Prüfsumme signiert',
    externalEngine:
      'Ein anderes Programm auf dieser Maschine führt das Modell aus und liest die Nachrichten. Es gehört zu keiner Version.',
    sealSummary: 'Das Netzwerk leitet diesen Chat weiter und könnte ihn lesen',
    sealText: [
      'Dieser Browser kann Nachrichten nicht versiegeln: Ihm fehlt X25519, oder die Adresse dieser Seite ist nicht sicher.',
      'Ihre Nachricht geht verschlüsselt an dieses Netzwerk, das sie für die antwortende Maschine neu verschlüsselt. Das Netzwerk speichert keinen Inhalt, und die Maschine vergisst ihn nach der Antwort. Das Programm des Netzwerks könnte ihn unterwegs aber lesen.',
      'Im Blindmodus kann nur die Maschine eine Anfrage lesen: Sie wird auf Ihrem Rechner versiegelt. Programme nutzen ihn über den Proxy auf Ihrem Rechner:',
    ],
    sealCommand: 'npx dinf proxy',
  },
};

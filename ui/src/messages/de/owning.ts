// Texte dazu, wem ein Host gehört und wer was mit ihm darf.
import type { owning as en } from '../en/owning.ts';

export const owning: Record<keyof typeof en, string> = {
  'host.owner': 'Gehört {owner}.',
  'host.nobodys': 'Er gehört niemandem.',
  'host.hand-over': 'Übergeben',
  'host.hand-over-title': '{host} übergeben',
  'host.hand-over-text': 'Wem er bisher gehört, der behält die Rollen, die er sonst hat.',
  'host.new-owner': 'Neuer Besitzer',
  'host.handed': '{host} gehört {owner}.',
  'host.access': 'Zugriff',
  'host.access-title': 'Wer was mit {host} darf',
  'host.access-who': 'Benutzer',
  'host.word.Down': 'Ausgefallen',
  'host.word.Silent': 'Verstummt',
  'host.access-text': 'Diese nennt der Host selbst, durch Leerzeichen getrennt. Andere dürfen etwas durch Regeln der Konfiguration, durch Teams oder als Administratoren.',
  'host.access-managers': 'Manager: sie bestätigen, stellen stumm und erteilen Aufträge',
  'host.access-monitors': 'Beobachter: sie sehen ihn',
  'host.access-saved': 'Wer was mit {host} darf, ist gespeichert.',
  'host.access-undone': 'Wer was mit {host} darf, ist wie zuvor.',
  'host.role.owner': 'Besitzer',
  'host.role.manager': 'Manager',
  'host.role.monitor': 'Beobachter',
};

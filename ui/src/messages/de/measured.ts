import type { measured as en } from '../en/measured.ts';

// Texte der Messgrößen aller Hosts.
export const measured: Record<keyof typeof en, string> = {
  'measured.lead': '{n, plural, one {# Messgröße} other {# Messgrößen}}, die Hosts messen',
  'measured.filter': 'Name einer Messgröße',
  'measured.filter-hosts': 'Host, Einhängepunkt, Schnittstelle',
  'measured.metric': 'Messgröße',
  'measured.collector': 'Gemessen von',
  'measured.any': 'Jeder Sammler',
  'measured.unit': 'Einheit',
  'measured.hosts': 'Hosts',
  'measured.of': 'auf {n, plural, one {# Host} other {# Hosts}}',
  'measured.counter': 'ein Zähler: Diagramme zeigen seine Rate',
  'measured.which': 'Welche',
  'measured.last': 'Neuester Wert',
  'measured.when': 'Gemessen',
  'measured.back': 'Alle Messgrößen',
  'measured.together': 'Ein Diagramm der ersten {n}',
  'measured.question': 'Name in Abfragen',
  'measured.more': '{n} weitere: nach dem Gesuchten suchen.',
  'measured.none': 'Noch wird nichts gemessen. Was ein Agent misst, steht hier, sobald er beigetreten ist.',
  'measured.none-fits': 'Keine Messgröße passt zum Gefragten.',
  'measured.none-here': 'Kein Host, den Sie sehen, hat die Messgröße {name}.',
  'measured.error': 'Die Messgrößen sind nicht lesbar',
};

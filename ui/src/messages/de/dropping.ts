// Texte zu Hosts, die entfernt werden und wiederkommen.
import type { dropping as en } from '../en/dropping.ts';

export const dropping: Record<keyof typeof en, string> = {
  'dropped.title': '{host} entfernen?',
  'dropped.text': 'Seine Prüfungen, offenen Vorfälle und seine Historie verschwinden. Meldet sich sein Agent noch, kommt er als neuer Host wieder. Das lässt sich eine Stunde lang rückgängig machen, solange der Server nicht neu startet.',
  'dropped.do': '{host} entfernen',
  'dropped.done': '{host} ist entfernt.',
  'dropped.restored': '{host} ist wieder da.',
  'dropped.filter': 'Entfernt',
  'dropped.lead': 'Was rückgängig gemacht wird, kommt mit Historie, Fakten und Tags zurück. Die Prüfungen beginnen neu.',
  'dropped.none': 'In der letzten Stunde wurde kein Host entfernt.',
  'dropped.host': 'Host',
  'dropped.by': 'Entfernt von',
  'dropped.until': 'Lässt sich rückgängig machen',
  'dropped.removed-at': 'bis {time}, danach ist er weg',
  'dropped.is-back': 'Sein Agent meldet sich noch: Der neue Host dieses Namens macht ihm Platz.',
  'dropped.undo': 'Entfernen von {host} rückgängig machen',
};

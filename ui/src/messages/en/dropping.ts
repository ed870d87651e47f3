// Texts of hosts that are dropped and come back.
export const dropping = {
  'dropped.title': 'Remove {host}?',
  'dropped.text': 'Its checks, open incidents and history go away. If its agent still reports, it comes back as a new host. For an hour, and until the server is started anew, this can be undone.',
  'dropped.do': 'Remove {host}',
  'dropped.done': '{host} is removed.',
  'dropped.restored': '{host} is back.',
  'dropped.filter': 'Dropped',
  'dropped.lead': 'What is undone comes back with its history, facts and tags. Its checks begin anew.',
  'dropped.none': 'No host was dropped within the last hour.',
  'dropped.host': 'Host',
  'dropped.by': 'Dropped by',
  'dropped.until': 'Can be undone',
  'dropped.removed-at': 'until {time}, then it is removed',
  'dropped.is-back': 'Its agent still reports: the new host of this name makes way for it.',
  'dropped.undo': 'Undo the removal of {host}',
} as const satisfies Record<string, string>;

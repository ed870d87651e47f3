import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { speaker } from '../../src/lib/said.ts';
import { refusal, speakWith } from '../../src/lib/format.ts';
import { speech } from '../../src/messages/de.ts';
import { said } from '../../src/messages/de/said.ts';

const say = speaker(
  [
    ['is {state!}: {why*}', 'ist {state!}: {why*}'],
    ['no data for {time~}', 'keine Daten seit {time~}'],
    ['{who} took it: {why}', '{who} hat es: {why}'],
    ['tried {n#} of {all#}', '{n#} von {all#} versucht'],
  ],
  { critical: 'kritisch', ok: 'gut' },
  'Tage',
);

test('sentences are known with what differs in them, and one within another', () => {
  assert.equal(say('is critical: no data for 95s'), 'ist kritisch: keine Daten seit 95\u00a0s');
  assert.equal(say('no data for 2 days 4 h'), 'keine Daten seit 2\u00a0Tage 4\u00a0h');
  assert.equal(say('mira took it: new disk: ordered'), 'mira hat es: new disk: ordered');
});

test('what is no sentence of ours stays as it came', () => {
  for (const text of ['', 'is blue: no data for 95s', 'no data for ages', 'tried 1 of many', 'DISK CRITICAL - free space: / 3%', 'no data for 95s.', 'x'.repeat(5000)]) assert.equal(say(text), text);
  // Words of a program within a sentence of ours.
  assert.equal(say('is ok: HTTP OK: 200'), 'ist gut: HTTP OK: 200');
});

/** Texts that the scenarios of alerting expect of the engine: reasons, journal lines and what incidents say. */
function expected(): string[] {
  const folder = new URL('../../../scenarios/', `file://${process.cwd()}/tests/unit/`).pathname;
  const found = new Set<string>();
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.txt'))) {
    const text = readFileSync(join(folder, name), 'utf8');
    // What programs say, which stays as it came.
    const foreign = new Set([...text.matchAll(/ result \S+ \S+ \w+: (.+)$/gm)].map((match) => match[1]));
    const ours = [
      ...text.matchAll(/^\S+ +explain \S+ \S+ \S+ \w+: (.+)$/gm),
      ...text.matchAll(/^\S+ +journal: (.+)$/gm),
      ...text.matchAll(/^\S+ +incident \S+ \S+ \d+: (.+)$/gm),
      ...text.matchAll(/^\S+ +> \S+ [A-Z]+(?: \([A-Z]+\))?: \S+ - host = ((?:down \(.+?\))|up)(?= \(|$)/gm),
    ];
    for (const [, one = ''] of ours) if (!foreign.has(one)) found.add(one);
  }
  return [...found];
}

test('every sentence that the scenarios expect of the engine is said in German', () => {
  const all = expected();
  assert.ok(all.length > 40, `there are ${all.length}`);
  // A value beside its limit has no words: `98.5 % > 95.0 %`. Whose silence it is stands before what it is for, as people wrote it.
  const isWordless = (text: string): boolean => /^[-\d. %]+(?:\w?i?B)? [<>] [-\d. %]+(?:\w?i?B)?$/.test(text) || /^\w+: .+, until \d/.test(text);
  assert.deepEqual(all.filter((text) => said(text) === text && !isWordless(text)), []);
});

test('what the server says of hosts, checks, reasons and people is German', () => {
  for (const [english, german] of [
    ['down (no heartbeat for 95s, last heard 00:00:00 UTC)', 'ausgefallen (kein Lebenszeichen seit 95\u00a0s, zuletzt gehört um 00:00:00 UTC)'],
    ['was warning, is critical: 98.5 % > 95.0 %', 'war Warnung, ist kritisch: 98.5 % > 95.0 %'],
    ['problem: known with its cause: rtr1 is down', 'Problem: bekannt mit seiner Ursache: rtr1 ist ausgefallen'],
    ['problem: silenced by mira, moving the rack, until 00:10:10 UTC', 'Problem: stummgeschaltet von mira, moving the rack, bis 00:10:10 UTC'],
    ['warning above 80.0 %, clears at 72.0 %; critical above 90.0 %, clears at 81.0 %', 'Warnung über 80.0 %, endet bei 72.0 %; kritisch über 90.0 %, endet bei 81.0 %'],
    ['is over: recovered', 'ist vorbei: erholt'],
    ['mira made a silence on hosts db1, db2; checks disk: new disk', 'mira hat stummgeschaltet, Hosts db1, db2; Prüfungen disk: new disk'],
  ] as const) assert.equal(said(english), german);
});

/** The kinds of refusals as the server's own list has them: `(S::CONFLICT, "declared", "Set by the configuration")`. */
function kinds(): string[] {
  const source = readFileSync(new URL('../../../crates/hark-web/src/failure.rs', `file://${process.cwd()}/tests/unit/`).pathname, 'utf8');
  return [...source.matchAll(/\(S::[A-Z_]+, "([a-z-]+)", "/g)].map((match) => match[1] ?? '');
}

test('every kind of refusal that the server has is German: by its reason, or by what stands before one that no sentence knows', () => {
  const all = kinds();
  assert.ok(all.length > 30, `there are ${all.length}`);
  assert.deepEqual([...Object.keys(speech.refusals), ...Object.keys(speech.titles)].sort(), [...new Set(all)].sort());
});

test('a refusal is said by its kind, by its sentence, or in the words of the server', () => {
  try {
    assert.equal(refusal('/problems/busy', 'the server has too much to do'), 'the server has too much to do');
    speakWith(speech);
    assert.equal(refusal('/problems/busy', 'whatever it says'), speech.refusals.busy);
    assert.equal(refusal('/problems/declared', 'declared in conf.d/a.yaml line 16: change it there'), 'Steht in conf.d/a.yaml, Zeile 16: dort ändern.');
    assert.equal(refusal('/problems/conflict', 'the moon is full'), 'In diesem Zustand nicht möglich: the moon is full');
  } finally {
    speakWith({ said: (text) => text, times: { s: 's', min: 'min', h: 'h', d: 'd', y: 'y' }, refusals: {}, titles: {} });
  }
});

test('what agents and the server report of a host is German', () => {
  for (const [english, german] of [
    ['heard for the first time from 127.0.0.1', 'zum ersten Mal gehört, von 127.0.0.1'],
    ['host booted, kernel 6.1.0', 'der Host ist gestartet, Kernel 6.1.0'],
    ['unit nginx.service has failed (was active)', 'die Unit nginx.service ist gescheitert (war active)'],
    ['eth0 has the address 10.0.0.2 (was 10.0.0.1)', 'eth0 hat die Adresse 10.0.0.2 (war 10.0.0.1)'],
    ['order 7 ended with 2: no such file', 'Auftrag 7 endete mit 2: no such file'],
  ] as const) assert.equal(said(english), german);
});

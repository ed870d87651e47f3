import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEmpty, matcher, words } from '../../src/lib/matcher.ts';
import { route } from '../../src/lib/address.ts';
import { byUrgency, inAll, inNeed, ofAny, ofLetter, rank, worst, WORST_FIRST } from '../../src/lib/state.ts';
import { de } from '../../src/messages/de.ts';
import { all } from '../../src/messages/all.ts';
import { format } from '../../src/messages/icu.ts';

const rules = new Intl.PluralRules('en');

test('plurals choose by number and write it', () => {
  const text = '{n, plural, =0 {nothing} one {# host} other {# hosts}} here';
  assert.equal(format(text, { n: 0 }, rules), 'nothing here');
  assert.equal(format(text, { n: 1 }, rules), '1 host here');
  assert.equal(format(text, { n: 1216 }, rules), '1\u202f216 hosts here');
});

test('values stand in plurals too, and two plurals in one text', () => {
  assert.equal(format('{a, plural, one {# a of {who}} other {# as}}, {b, plural, one {# b} other {# bs}}', { a: 1, b: 2, who: 'Mira' }, rules), '1 a of Mira, 2 bs');
});

test('a value that was forgotten shows its name', () => {
  assert.equal(format('Hello {name}', {}, rules), 'Hello name');
  assert.equal(format('broken {name', { name: 'x' }, rules), 'broken nam');
});

const placeholders = (text: string): string[] => [...new Set([...text.matchAll(/\{(\w+)\s*[},]/g)].map((match) => match[1] ?? ''))].filter((name) => !['one', 'other'].includes(name)).sort();

test('every language has every text, with the same values in it', () => {
  assert.deepEqual(Object.keys(de).sort(), Object.keys(all).sort());
  for (const key of Object.keys(all) as (keyof typeof all)[]) assert.deepEqual(placeholders(de[key]), placeholders(all[key]), key);
});

test('no text has an exclamation mark', () => {
  for (const [key, text] of Object.entries(all)) assert.ok(!text.includes('!'), key);
});

test('states have one order, worst first', () => {
  assert.deepEqual([...WORST_FIRST].sort((a, b) => rank(a) - rank(b)), [...WORST_FIRST]);
  assert.equal(ofLetter('c'), 'crit');
  assert.equal(ofLetter('x'), 'off');
  assert.equal(ofAny('critical'), 'crit');
  assert.equal(ofAny('maintenance'), 'mnt');
  assert.equal(ofAny(null), 'off');
  const counts = { crit: 0, warn: 2, unk: 1, mnt: 4, ok: 8, pending: 1 };
  assert.equal(worst(counts), 'warn');
  assert.equal(inNeed(counts), 3);
  assert.equal(inAll(counts), 16);
});

test('what nobody has taken comes before what somebody has, whatever its state', () => {
  const list = [
    { state: 'crit' as const, ack: {}, since_unix_s: 1 },
    { state: 'warn' as const, ack: null, since_unix_s: 2 },
    { state: 'crit' as const, ack: null, since_unix_s: 3 },
  ];
  assert.deepEqual(list.sort(byUrgency).map((entry) => entry.since_unix_s), [3, 2, 1]);
});

test('addresses lead to pages, also the addresses of before', () => {
  assert.deepEqual(route('/'), { name: 'overview', params: {} });
  assert.deepEqual(route('/hosts/'), { name: 'hosts', params: {} });
  assert.deepEqual(route('/hosts/db-03.fra'), { name: 'host', params: { name: 'db-03.fra' } });
  assert.deepEqual(route('/hosts/a%20b'), { name: 'host', params: { name: 'a b' } });
  assert.deepEqual(route('/hosts/%zz'), { name: 'host', params: { name: '%zz' } });
  assert.deepEqual(route('/incidents/2417'), { name: 'incidents', params: { id: '2417' } });
  assert.equal(route('/live').name, 'hosts');
  assert.equal(route('/alerts').name, 'incidents');
  assert.equal(route('/incidents/x').name, 'missing');
});

test('a matcher is read from words and said in words', () => {
  assert.deepEqual(matcher('db-*, web-1  web-2', '', 'role:db'), { hosts: ['db-*', 'web-1', 'web-2'], checks: [], tags: ['role:db'], severity: null });
  assert.ok(isEmpty(matcher(' ', '', '')));
  assert.ok(!isEmpty(matcher('', '', '', 'critical')));
  assert.equal(words(matcher('a b c d e', 'disk', ''), 'all'), 'a b c d +1 · disk');
  assert.equal(words(matcher('', '', ''), 'all'), 'all');
});

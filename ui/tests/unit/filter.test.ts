import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches, parse, type Subject } from '../../src/lib/filter.ts';

const row: Subject = {
  text: 'db-03.fra 10.20.4.13 debian 12 disk 96.2 % on /var/lib/postgresql',
  tags: ['site:fra', 'role:db', 'env:prod', 'postgres 16'],
  state: 'crit',
  cpu: 61,
  mem: 74,
  disk: null,
};
const passes = (filter: string): boolean => matches(parse(filter), row);

test('an empty filter lets everything pass', () => {
  assert.equal(parse('').length, 0);
  assert.equal(parse('   ').length, 0);
  assert.ok(passes(''));
});

test('words are parts of name, address, system, sentence or tag, and all must hold', () => {
  assert.ok(passes('db'));
  assert.ok(passes('DB-03 debian'));
  assert.ok(passes('postgres'));
  assert.ok(!passes('db web'));
});

test('several words in quotes are one, and an open quote still works', () => {
  assert.ok(passes('"96.2 % on"'));
  assert.ok(!passes('"on 96.2"'));
  assert.ok(passes('"96.2 %'));
});

test('a tag matches whole, and while it is being typed', () => {
  assert.ok(passes('site:fra'));
  assert.ok(passes('site:fr'));
  assert.ok(!passes('site:sin'));
  assert.ok(passes('role:db env:prod'));
});

test('a minus turns a term round', () => {
  assert.ok(!passes('-site:fra'));
  assert.ok(passes('-site:sin db'));
  assert.ok(!passes('-"96.2 %"'));
});

test('a state can be named in several ways', () => {
  assert.ok(passes('state:crit'));
  assert.ok(passes('state:critical'));
  assert.ok(passes('state:down'));
  assert.ok(!passes('state:ok'));
});

test('values compare, and a value that is missing passes no comparison', () => {
  assert.ok(passes('cpu>60'));
  assert.ok(!passes('cpu>61'));
  assert.ok(passes('cpu>=61 memory<75'));
  assert.ok(!passes('disk>0'));
  assert.ok(!passes('disk<100'));
});

test('what is no token is a word', () => {
  assert.deepEqual(parse('site:'), [{ kind: 'word', text: 'site', not: false }]);
  assert.deepEqual(parse('-'), []);
  assert.ok(!passes('cpu>high'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldsOf, isEmpty, isUsualOfType, kindOf, mistakesAt, toYaml, typed, typesOf } from '../../src/lib/config-form.ts';
import type { ConfigMistake, Schema } from '../../src/lib/config-types.ts';

const TEXT: Schema = { type: ['string', 'number', 'boolean'] };
const DURATION: Schema = { 'x-kind': 'duration', anyOf: [{ type: 'number' }, { type: 'string' }] };

test('every kind of key has its field', () => {
  const cases: [Schema, string][] = [
    [TEXT, 'text'],
    [{ type: 'boolean' }, 'bool'],
    [{ type: 'integer' }, 'number'],
    [DURATION, 'duration'],
    [{ 'x-kind': 'secret', anyOf: [] }, 'secret'],
    [{ enum: ['a', 'b'] }, 'word'],
    [{ type: ['array', 'null'], items: TEXT }, 'list'],
    [{ anyOf: [DURATION, { type: 'array', items: DURATION }] }, 'list'],
    [{ type: ['object', 'null'], properties: { a: TEXT }, additionalProperties: false }, 'section'],
    [{ type: ['object', 'null'], additionalProperties: TEXT }, 'named'],
    [{ anyOf: [{ type: 'number' }, TEXT] }, 'value'],
    [{}, 'yaml'],
    [{ 'x-kind': 'limits', 'x-limits': { properties: {} } }, 'limits'],
    [{ anyOf: [TEXT, { type: 'object', properties: {} }] }, 'yaml'],
    [{ anyOf: [DURATION, { type: 'object', properties: { warning: DURATION } }] }, 'section'],
    [{ type: ['array', 'null'], items: {} }, 'yaml'],
  ];
  for (const [schema, kind] of cases) assert.equal(kindOf(schema).is, kind, JSON.stringify(schema));
});

test('keys stand in the order of their table, and the types come first', () => {
  const section: Schema = {
    properties: {
      every: { ...DURATION, 'x-order': 2 },
      tcp: { properties: { port: TEXT }, 'x-order': 0 },
      http: { properties: {}, 'x-order': 1 },
      repair: { properties: {}, 'x-order': 3 },
    },
    required: ['every'],
  };
  assert.deepEqual(fieldsOf(section).map((field) => field.key), ['tcp', 'http', 'every', 'repair']);
  assert.deepEqual(typesOf('checks', section), ['tcp', 'http']);
  assert.deepEqual(typesOf('hosts', section), []);
});

test('limits that may be written short have the fields of their section', () => {
  const short: Schema = { anyOf: [{ type: 'number' }, { type: 'object', properties: { per: { 'x-order': 1 }, warning: { 'x-order': 0 } } }] };
  assert.deepEqual(fieldsOf(short).map((field) => field.key), ['warning', 'per']);
});

test('numbers are sent as numbers, and everything else as it was typed', () => {
  assert.equal(typed(' 80 '), 80);
  assert.equal(typed('-1.5'), -1.5);
  assert.equal(typed('smtp'), 'smtp');
  assert.equal(typed('1e3'), '1e3');
  assert.equal(typed('12345678901234567890'), '12345678901234567890');
});

test('values are written as YAML that reads as they were', () => {
  assert.equal(toYaml({ a: 1, 'b c': ['x', true], e: {}, null: 'y' }), 'a: 1\n"b c":\n  - "x"\n  - true\ne: {}\n"null": "y"\n');
});

test('a mistake is found at its field and at the sections above it', () => {
  const at = (path: string[]): ConfigMistake => ({ is_warning: false, path, message: 'x', hint: null, suggestion: null, elsewhere: null });
  const all = [at(['tcp', 'port']), at([]), at(['every'])];
  assert.equal(mistakesAt(all, ['tcp']).length, 1);
  assert.equal(mistakesAt(all, ['tcp', 'port']).length, 1);
  assert.equal(mistakesAt(all, ['tcp', 'host']).length, 0);
});

test('what is empty is not sent', () => {
  for (const empty of [undefined, null, '', [], { $yaml: ' \n' }]) assert.ok(isEmpty(empty), JSON.stringify(empty));
  for (const full of [0, false, {}, 'x', { kept: 1 }]) assert.ok(!isEmpty(full), JSON.stringify(full));
});

test('of mail what nobody can do without stands in the open: to whom, from whom, and through which server', () => {
  const field = (key: string, required = false): Parameters<typeof isUsualOfType>[1] => ({ key, schema: { type: 'string' }, required });
  assert.deepEqual(['to', 'server', 'subject'].map((key) => isUsualOfType('email', field(key, key === 'to'))), [true, true, false]);
  assert.equal(isUsualOfType('webhook', field('server')), false);
});

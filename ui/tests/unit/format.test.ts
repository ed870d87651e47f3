import assert from 'node:assert/strict';
import { test } from 'node:test';
import { age, agePast, checkLabel, duration, initials, moment, number, precise, quantity, say, scale, unix, untilHour, visible, when } from '../../src/lib/format.ts';

const N = '\u202f';
const H = '\u00a0';

test('thousands are split by a narrow space and never rounded twice', () => {
  assert.equal(number(0), '0');
  assert.equal(number(999), '999');
  assert.equal(number(1216), `1${N}216`);
  assert.equal(number(41_208_000), `41${N}208${N}000`);
  assert.equal(number(999.96, 1), `1${N}000.0`);
  assert.equal(number(-1234.5, 1), `−1${N}234.5`);
  assert.equal(number(-0.04, 1), '0.0');
  assert.equal(number(Number.NaN), '–');
});

test('three digits matter', () => {
  assert.equal(precise(412.3), '412');
  assert.equal(precise(96.24), '96.2');
  assert.equal(precise(6.214), '6.21');
  assert.equal(precise(7), '7');
});

test('a value has its unit behind a space that does not break', () => {
  assert.equal(quantity(96.2, 'percent'), `96.2${H}%`);
  assert.equal(quantity(0.0021, 'seconds'), `2.10${H}ms`);
  assert.equal(quantity(0.00002, 'seconds'), `20${H}µs`);
  assert.equal(quantity(3600, 'seconds'), `1${H}h`);
  assert.equal(quantity(65_536, 'mebibytes'), `64${H}GiB`);
  assert.equal(quantity(1536, 'bytes'), `1.50${H}KiB`);
  assert.equal(quantity(11_000_000, 'bytes_per_second'), `11${H}MB/s`);
  assert.equal(quantity(null, 'percent'), '–');
  assert.equal(quantity(42, ''), '42');
});

test('one axis has one unit, chosen by its biggest value', () => {
  assert.deepEqual(scale('bytes', 5 * 1024 ** 3), { by: 1024 ** 3, sign: 'GiB' });
  assert.deepEqual(scale('gibibytes', 2048), { by: 1024, sign: 'TiB' });
  assert.deepEqual(scale('percent', 100), { by: 1, sign: '%' });
  assert.deepEqual(scale('per_second', 12_000_000), { by: 1e6, sign: 'M/s' });
});

test('durations show their biggest parts', () => {
  assert.equal(duration(0), `0${H}s`);
  assert.equal(duration(59.6), `1${H}min`);
  assert.equal(duration(38 * 60), `38${H}min`);
  assert.equal(duration(4080, 2), `1${H}h 8${H}min`);
  assert.equal(duration(3600, 2), `1${H}h`);
  assert.equal(duration(90, 2), `1${H}min`);
  assert.equal(duration(86_400 * 112), `112${H}d`);
  assert.equal(duration(-5), `0${H}s`);
});

test('an age is never below nothing', () => {
  assert.equal(age(100, 90), `0${H}s`);
  assert.equal(age(null, 90), '–');
});

test('times of today are a clock, others a day', () => {
  const now = Date.UTC(2026, 10, 20, 14, 22, 15) / 1000;
  assert.equal(when(now - 60, now), '14:21');
  assert.equal(when(now - 86_400 * 10, now), '10 Nov');
  assert.equal(when(now - 86_400 * 400, now), '16 Oct 2025');
  assert.equal(moment(now), '2026-11-20 14:22:15');
  assert.equal(unix('2026-11-20T14:22:15Z'), now);
  assert.equal(unix('tomorrow'), null);
});

test('until nine is always ahead', () => {
  const now = Date.UTC(2026, 10, 20, 9, 0, 0) / 1000;
  assert.equal(untilHour(9, now), 86_400);
  assert.equal(untilHour(9, now - 60), 60);
});

test('control characters of a host are made visible', () => {
  assert.equal(visible('a\u0000b\u001b[31m'), 'a␀b␛[31m');
  assert.equal(visible('evil\u202etxt'), 'evil\\u202etxt');
  assert.equal(visible('line\nnext\ttab'), 'line\nnext\ttab');
});

test('a check that watches a series is named in words', () => {
  assert.equal(checkLabel('disk_monitor./var/lib/postgresql.percent'), 'disk /var/lib/postgresql');
  assert.equal(checkLabel('disk_monitor./srv/a.b.percent'), 'disk /srv/a.b');
  assert.equal(checkLabel('cpu_monitor.cpu_percent'), 'cpu');
  assert.equal(checkLabel('cpu_monitor.load_15min'), 'load 15 min');
  assert.equal(checkLabel('network_monitor.eth0.errors_total'), 'network eth0 errors total');
  assert.equal(checkLabel('https'), 'https');
  assert.equal(checkLabel('api.example.net'), 'api.example.net');
});

test('a bare value is said with its name and its limit, other texts stay', () => {
  assert.equal(say('91.4', 'memory_monitor.percent', 90), `Memory 91.4${H}%, limit 90${H}%`);
  assert.equal(say('memory_monitor.percent = 8.5'), `Memory 8.5${H}%`);
  assert.equal(say('5.5', 'cpu_monitor.load_1min'), 'Load 1 min 5.50');
  assert.equal(say('receiver hook = receiver hook failing: refused'), 'receiver hook failing: refused');
  assert.equal(say('93.6 % > 80.0 %', 'disk_monitor./var.percent'), 'Disk /var 93.6 % > 80.0 %');
  assert.equal(say('disk_monitor./.percent = 93.6 % > 80.0 %'), 'Disk / 93.6 % > 80.0 %');
  assert.equal(say('3 > 2 of 4', 'https'), '3 > 2 of 4');
  assert.equal(say('https = 503 from 3 of 4'), 'https: 503 from 3 of 4');
  assert.equal(say('answers a = b', 'https'), 'answers a = b');
  assert.equal(say('Agent offline'), 'Agent offline');
  assert.equal(say('12', 'queue'), '12');
});

test('initials come from the first and the last name', () => {
  assert.equal(initials('Mira Kvale'), 'MK');
  assert.equal(initials('mira'), 'MI');
  assert.equal(initials(''), '?');
});

test('what was just now counts up by minutes in lists', () => {
  assert.equal(agePast(1000, 1000), `<${H}1${H}min`);
  assert.equal(agePast(1000, 1059), `<${H}1${H}min`);
  assert.equal(agePast(1000, 1060), `1${H}min`);
  assert.equal(agePast(null, 1060), '–');
  assert.equal(agePast(Number.NaN, 1060), '–');
});

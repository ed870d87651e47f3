import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Metric, Series } from '../../src/lib/api-types.ts';
import { bounds } from '../../src/lib/chart.ts';
import { columns, extend, gaps, LiveRates, lonely, open, plan, single, summary } from '../../src/lib/series.ts';
import { ticks } from '../../src/lib/ticks.ts';

const metric = (path: string, unit = 'percent', kind: Metric['kind'] = 'gauge'): Metric => {
  const first = path.indexOf('.');
  const last = path.lastIndexOf('.');
  return { path, collector: path.slice(0, first), instance: last > first ? path.slice(first + 1, last) : '', metric: path.slice(last + 1), unit, kind, last: 1, at_unix_s: 1 };
};
const series = (at: number[], values: (number | null)[]): Series => ({
  from_unix_s: 0,
  to_unix_s: 100,
  step_s: 10,
  at_unix_s: at,
  names: ['a'],
  units: [''],
  kinds: ['gauge'],
  min: [values],
  avg: [values],
  max: [values],
  incidents: [],
  limits: {},
});

test('live samples of a counter become rates; the first and a reset give none', () => {
  const rates = new LiveRates();
  const isCounter = (path: string): boolean => path === 'c';
  assert.deepEqual(rates.turn({ c: [10, 100], g: [10, 5] }, isCounter), { g: [10, 5] });
  assert.deepEqual(rates.turn({ c: [15, 150] }, isCounter), { c: [15, 10] });
  assert.deepEqual(rates.turn({ c: [15, 150] }, isCounter), {}, 'the same sample again');
  assert.deepEqual(rates.turn({ c: [20, 30] }, isCounter), {}, 'begun again');
  assert.deepEqual(rates.turn({ c: [25, 80] }, isCounter), { c: [25, 10] });
  assert.deepEqual(rates.turn({ c: [30, null] }, isCounter), {});
});

test('gaps are found by time and by missing values', () => {
  assert.deepEqual(gaps([0, 10, 20, 90, 100], [[1, 1, 1, 1, 1]], 10), [[20, 90]]);
  assert.deepEqual(gaps([0, 10, 20, 30, 40], [[1, null, null, null, 1]], 10), [[0, 40]]);
  assert.deepEqual(gaps([0, 10], [[1, 1]], 1), []);
  assert.deepEqual(gaps([], [[]], 1), []);
});

test('an interval that has become longer leaves no gaps, however many points there were before', () => {
  const quick = Array.from({ length: 38 }, (_, index) => index * 6);
  const slow = Array.from({ length: 26 }, (_, index) => 37 * 6 + (index + 1) * 30);
  for (let seen = 2; seen <= slow.length; seen += 1) {
    const at = [...quick, ...slow.slice(0, seen)];
    assert.deepEqual(gaps(at, [at], 1), [], `${seen} points after the change`);
  }
  const back = [...quick, ...slow, 1100, 1106, 1112];
  assert.deepEqual(gaps(back, [back], 1), [[1002, 1100]], 'a silence at the slow interval is one all the same');
});

test('a silence is judged by what is usual beside it', () => {
  assert.deepEqual(gaps([0, 5, 10, 15, 60], [[1, 1, 1, 1, 1]], 1), [[15, 60]]);
  assert.deepEqual(gaps([0, 5, 10, 22, 27], [[1, 1, 1, 1, 1]], 1), [], 'a sample that was lost is no silence');
  assert.deepEqual(gaps([0, 60, 120], [[1, 1, 1]], 60), []);
});

test('series of another interval in the same answer cut no line', () => {
  const at = Array.from({ length: 60 }, (_, index) => index * 5);
  const minutely = at.map((time) => (time % 60 === 0 ? 1 : null));
  assert.deepEqual(gaps(at, [minutely], 1), []);
  const drawn = open(columns(series(at, minutely), [{ path: 'a', label: 'a', rate: false }]), 1);
  assert.deepEqual(drawn.at, [0, 60, 120, 180, 240]);
  assert.deepEqual(drawn.avg, [[1, 1, 1, 1, 1]]);
});

test('values between two gaps are known, so that they are drawn as points', () => {
  assert.deepEqual(lonely([1, null, 2, 3, null, null, 4]), [0, 6]);
  assert.deepEqual(lonely([null, 5, undefined as unknown as null]), [1]);
  assert.deepEqual(lonely([]), []);
});

test('a gap is opened by an empty point, so that no line crosses it', () => {
  const cut = open(columns(series([0, 10, 90, 100], [1, 2, 3, 4]), [{ path: 'a', label: 'a', rate: false }]), 10);
  assert.deepEqual(cut.at, [0, 10, 11, 90, 100]);
  assert.deepEqual(cut.avg[0], [1, 2, null, 3, 4]);
  for (let i = 1; i < cut.at.length; i += 1) assert.ok((cut.at[i] ?? 0) > (cut.at[i - 1] ?? 0), 'times must grow');
});

test('an unknown series is empty, not wrong', () => {
  const found = columns(series([0, 10], [1, 2]), [{ path: 'b', label: 'b', rate: false }]);
  assert.deepEqual(found.avg, [[null, null]]);
});

test('new samples come in once, and the window moves on', () => {
  const now = series([10, 20, 100], [1, 2, 3]);
  const next = extend(now, { a: [110, 4] }, 115);
  assert.deepEqual(next?.at_unix_s, [20, 100, 110]);
  assert.deepEqual(next?.avg[0], [2, 3, 4]);
  assert.equal(next?.from_unix_s, 15);
  assert.equal(extend(now, { a: [100.8, 9] }, 116), null, 'a sample that is there already changes nothing');
  assert.equal(extend(now, { other: [120, 9] }, 121), null);
  assert.deepEqual(now.at_unix_s, [10, 20, 100], 'the former answer is untouched');
});

test('the usual charts come from what a host measures', () => {
  const found = plan([
    metric('cpu_monitor.cpu_percent'),
    metric('cpu_monitor.user_percent'),
    metric('cpu_monitor.system_percent'),
    metric('cpu_monitor.iowait_percent'),
    metric('memory_monitor.percent'),
    metric('disk_monitor./.percent'),
    metric('disk_monitor./boot/efi.percent'),
    metric('diskio_monitor.sda.read_bytes', 'bytes', 'counter'),
    metric('diskio_monitor.sda.written_bytes', 'bytes', 'counter'),
    metric('network_monitor.lo.receive_rate', 'bytes_per_second'),
    metric('network_monitor.eth0.receive_rate', 'bytes_per_second'),
    metric('cpu_monitor.load_1min', ''),
  ]);
  assert.deepEqual(found.map((chart) => chart.title), ['CPU', 'Memory', 'Disk /', 'Disk I/O sda', 'Network eth0', 'Load']);
  assert.deepEqual(found[0]?.lines.map((line) => line.label), ['user', 'system', 'iowait']);
  assert.equal(found[3]?.unit, 'bytes_per_second');
  assert.ok(found[3]?.lines.every((line) => line.rate));
});

test('the failing series comes first, and is drawn even if it is not one of the usual', () => {
  const all = [metric('cpu_monitor.cpu_percent'), metric('memory_monitor.percent'), metric('app.queue', '')];
  assert.equal(plan(all, 'memory_monitor.percent')[0]?.title, 'Memory');
  assert.equal(plan(all, 'app.queue')[0]?.key, 'app.queue');
  assert.equal(single(metric('x.bytes', 'bytes', 'counter')).unit, 'bytes_per_second');
});

test('no chart stands there twice, whichever series fails', () => {
  const all = ['cpu_percent', 'user_percent', 'system_percent', 'iowait_percent', 'steal_percent', 'load_1min'].map((name) => metric(`cpu_monitor.${name}`));
  for (const { path } of all) {
    const charts = plan(all, path);
    assert.equal(new Set(charts.map((chart) => chart.key)).size, charts.length, path);
    assert.ok(charts[0]?.lines.some((line) => line.path === path), `${path} is drawn first`);
  }
  assert.deepEqual(plan(all, 'cpu_monitor.cpu_percent')[0]?.lines.map((line) => line.label), ['all', 'user', 'system', 'iowait']);
});

test('a percentage starts at nought unless it is close to its limit', () => {
  const of = (low: number, high: number) => ({ at: [0, 1], avg: [[low, high]], min: [[low, high]], max: [[low, high]], banded: false });
  assert.deepEqual(bounds(of(88, 96), 'percent', { warning: null, critical: 95 }, 1), [80, 100]);
  assert.deepEqual(bounds(of(30, 50), 'percent', { warning: null, critical: 95 }, 1), [0, 100]);
  assert.equal(bounds(of(3, 7), '', null, 1)[0], 0);
  assert.deepEqual(bounds({ at: [], avg: [[]], min: [[]], max: [[]], banded: false }, '', null, 1), [0, 1]);
});

test('words for a chart know its last, lowest and highest value', () => {
  assert.deepEqual(summary([null, 3, 1, null, 2, null]), { last: 2, low: 1, high: 3 });
  assert.deepEqual(summary([null]), { last: null, low: null, high: null });
});

test('ticks are round times inside the span', () => {
  const from = Date.UTC(2026, 10, 20, 8, 10) / 1000;
  const found = ticks(from, from + 21_600, 7);
  assert.deepEqual(found.map((tick) => tick.text), ['09:00', '10:00', '11:00', '12:00', '13:00', '14:00']);
  assert.ok(ticks(from, from + 60, 7).length <= 7);
});

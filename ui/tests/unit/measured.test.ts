import assert from 'node:assert/strict';
import { test } from 'node:test';
import { route } from '../../src/lib/address.ts';
import type { MetricOnHost, MetricSummary } from '../../src/lib/api-types.ts';
import { chartOf, label, listed, together } from '../../src/lib/measured.ts';

const metric = (name: string, collector: string, what: string, hosts = 3): MetricSummary => ({ name, collector, metric: what, unit: 'percent', kind: 'gauge', hosts });
const DISK = metric('hark_disk_percent', 'disk_monitor', 'percent', 9);
const CPU = metric('hark_cpu_percent', 'cpu_monitor', 'cpu_percent', 10);
const NODE = metric('node_load1', 'exporter', 'node_load1', 2);
const names = (all: MetricSummary[]): string[] => all.map((one) => one.name);

test('what hark measures is said in words, what others measure by their name', () => {
  assert.deepEqual([DISK, CPU, NODE].map(label), ['disk', 'cpu', 'node_load1']);
});

test('metrics are found by words, name or path, and stand in an order', () => {
  const all = [NODE, DISK, CPU];
  assert.deepEqual(names(listed(all, '', '', 'name', false)), ['hark_cpu_percent', 'hark_disk_percent', 'node_load1']);
  assert.deepEqual(names(listed(all, '', '', 'hosts', false)), ['hark_cpu_percent', 'hark_disk_percent', 'node_load1']);
  assert.deepEqual(names(listed(all, '', '', 'hosts', true)), ['node_load1', 'hark_disk_percent', 'hark_cpu_percent']);
  assert.deepEqual(names(listed(all, ' DISK_monitor.', '', 'name', false)), ['hark_disk_percent']);
  assert.deepEqual(names(listed(all, 'percent', 'cpu_monitor', 'name', false)), ['hark_cpu_percent']);
  assert.deepEqual(listed(all, 'nothing', '', 'name', false), []);
});

test('a series leads to its chart, and those of one path to one chart', () => {
  const on = (host: string, path: string): MetricOnHost => ({ host, instance: '', path, last: 1, at_unix_s: 1 });
  assert.equal(chartOf(on('db 1', 'disk_monitor./var.percent')), '/hosts/db%201?tab=metrics&charts=disk_monitor.%2Fvar.percent');
  assert.equal(together([on('a', 'x'), on('a', 'y')]), null, 'one host is not compared with itself');
  const ten = Array.from({ length: 10 }, (_, n) => on(`h${n}`, n === 1 ? 'y' : 'x'));
  assert.deepEqual(together(ten), { to: '/hosts/h0?tab=metrics&charts=x&with=h2%2Ch3%2Ch4%2Ch5', hosts: 5 });
});

test('the address of the seed leads to the metrics, and theirs is not that of the figures of the server', () => {
  for (const path of ['/plugins', '/all-metrics', '/all-metrics/']) assert.equal(route(path).name, 'metrics');
  assert.equal(route('/metrics').name, 'missing');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Me, Order } from '../../src/lib/api-types.ts';
import { ended, mayLook, pace } from '../../src/lib/orders.ts';
import { mayOperate, mayOperateSome } from '../../src/lib/rights.ts';

const NOW = 1_800_000_000;
const order = (id: number, state: Order['state'], age = 0): Order => ({
  id,
  host: 'web1',
  action: 'restart-nginx',
  by: 'mira',
  reason: 'it hangs',
  at: new Date((NOW - age) * 1000).toISOString(),
  expires_at: new Date((NOW - age + 300) * 1000).toISOString(),
  state,
  exit: state === 'done' ? 0 : null,
  text: '',
  ended_at: null,
});
const me = (admin: boolean, roles: Me['roles']): Me => ({ name: 'mira', full_name: '', admin, roles, csrf: '1' });

test('who only looks is offered nothing to do, nor on a host of which the server has not spoken yet', () => {
  assert.equal(mayOperate(null, 'web1'), false);
  assert.equal(mayOperate(me(false, { web1: 'monitor' }), 'web1'), false);
  assert.equal(mayOperate(me(false, { web1: 'manager' }), 'web1'), true);
  assert.equal(mayOperate(me(false, { web1: 'owner' }), 'web1'), true);
  assert.equal(mayOperate(me(false, { web1: 'manager' }), 'came-later'), false);
  assert.equal(mayOperate(me(true, {}), 'web1'), true);

  assert.equal(mayOperateSome(null), false);
  assert.equal(mayOperateSome(me(false, {})), false);
  assert.equal(mayOperateSome(me(false, { web1: 'monitor', web2: 'monitor' })), false);
  assert.equal(mayOperateSome(me(false, { web1: 'monitor', web2: 'manager' })), true);
  assert.equal(mayOperateSome(me(true, {})), true);
});

test('only what the server or its sites look at can be looked at now, by those who may order', () => {
  for (const [looked, admin, may] of [[true, true, true], [true, false, false], [false, true, false]] as const) {
    assert.equal(mayLook(me(admin, { web1: 'monitor' }), 'web1', { is_looked_at: looked }), may);
  }
});

test('a young order is looked after closely, an old one now and then, an ended one not at all', () => {
  assert.equal(pace([], NOW), null);
  assert.equal(pace([order(1, 'done'), order(2, 'failed'), order(3, 'expired')], NOW), null);
  const old = pace([order(1, 'taken', 4000)], NOW) ?? 0;
  const young = pace([order(2, 'waiting', 5), order(1, 'taken', 4000)], NOW) ?? 0;
  assert.ok(young > 0 && young < old, `${young} ${old}`);
});

test('an outcome is told once, and only of an order that was waited for', () => {
  const before = [order(2, 'taken'), order(1, 'done')];
  assert.deepEqual(ended(before, [order(3, 'waiting'), order(2, 'failed'), order(1, 'done')]).map((one) => one.id), [2]);
  assert.deepEqual(ended([order(2, 'failed')], [order(2, 'failed')]), []);
  assert.deepEqual(ended([], [order(2, 'done')]), []);
  assert.deepEqual(ended([order(2, 'waiting')], [order(2, 'taken')]), []);
});

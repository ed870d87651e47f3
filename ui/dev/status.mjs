// Status pages of the stand-in: one that is published on, which nobody changes.

/** A status page with an open incident and announced work; `at` writes a moment. */
export function statusPages(user, now, at) {
  const page = {
    page: 'shop',
    title: 'Nordlys Shop',
    path: '/status/shop',
    domains: [],
    public: true,
    state: 'partial_outage',
    headline: 'Website is partly failing',
    components: [
      { id: 'web', name: 'Website', group: 'Shop', state: 'partial_outage' },
      { id: 'pay', name: 'Payments', group: 'Shop', state: 'operational' },
      { id: 'mail', name: 'Mail', group: '', state: 'maintenance' },
    ],
    open: 2,
    may_publish: true,
  };
  const said = (ago, stage, text) => ({ at: at(now - ago), stage, text, by: user });
  const published = [
    {
      id: 2, page: 'shop', version: 2, kind: 'incident', stage: 'identified', title: 'Some requests fail', components: ['web'], impact: 'partial_outage', from_at: at(now - 2400), until_at: null, closed_at: null,
      updates: [said(2400, 'investigating', 'About one request in five fails.\nOther regions are fine.'), said(900, 'identified', 'Release 241 is the cause.')],
    },
    {
      id: 1, page: 'shop', version: 1, kind: 'maintenance', stage: 'scheduled', title: 'Core router firmware', components: ['mail'], impact: 'none', from_at: at(now + 86_400), until_at: at(now + 90_000), closed_at: null,
      updates: [said(7200, 'scheduled', 'Two interruptions under a minute each.')],
    },
  ];
  /** Answers what is asked of status pages; nothing for other addresses. */
  return (path) => {
    if (path === '/status-pages') return { items: [page], next: null };
    if (path === '/status-pages/shop/incidents') return { items: published, next: null };
    return null;
  };
}

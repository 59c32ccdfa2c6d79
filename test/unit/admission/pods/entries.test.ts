import { expect } from 'chai';
import {
  entryName,
  entryPath,
  POD_CONFIGURATIONS,
  podEntries,
  proofName,
  readEntryPath,
} from '../../../../src/admission/pods/entries.ts';
import type { RuleGroup } from '../../../../src/admission/pods/rule-book.ts';
import type { PodRule } from '../../../../src/admission/pods/rule.ts';
import { bookOf, groupsOf, onlyGroup, rule } from './rules.ts';

/** As large as a certificate bundle during a rotation. */
const CA_BUNDLE = 'x'.repeat(2400);

/** The configurations that are not empty. */
function configure(groups: readonly RuleGroup[]) {
  const all = POD_CONFIGURATIONS.map((name) => ({
    name,
    ...podEntries(name, groups, {
      ownNamespace: 'own',
      connect: (path) => ({ service: { name: 'webhook', namespace: 'own', path }, caBundle: CA_BUNDLE }),
    }),
  }));
  return {
    configurations: all.flatMap(({ name, entries }) => (entries.length === 0 ? [] : [{ name, webhooks: entries }])),
    leftOut: all.flatMap(({ leftOut }) => leftOut),
  };
}

/** Another pair of selectors for each index; about `bytes` of JSON. */
function distinct(index: number, bytes = 0): PodRule {
  const values = Array.from({ length: Math.floor(bytes / 66) }, (_, at) => `${at}`.padStart(63, 'v'));
  return rule(`object-${index}`, {
    selector: {
      matchLabels: { app: `app-${index}` },
      ...(values.length === 0 ? {} : { matchExpressions: [{ key: 'x', operator: 'NotIn', values }] }),
    },
  });
}

describe('entries of webhook configurations', () => {
  it('are none without rules', () => {
    expect(configure([])).to.deep.equal({ configurations: [], leftOut: [] });
  });

  it('have the selectors of the rule, and the exemptions alone besides', () => {
    const web = rule('web', {
      namespaceSelector: { matchLabels: { team: 'a' }, matchExpressions: [{ key: 'env', operator: 'Exists' }] },
      selector: { matchLabels: { app: 'web' } },
    });
    const group = onlyGroup([web]);
    const { configurations } = configure([group]);
    expect(configurations).to.have.length(1);
    const [webhook] = configurations[0]?.webhooks ?? [];
    expect(webhook).to.deep.equal({
      name: `${group.id}.pods.apparmor-operator.dev`,
      admissionReviewVersions: ['v1'],
      clientConfig: {
        service: {
          name: 'webhook',
          namespace: 'own',
          path: `/confine/pods/${group.id}/${group.version}/apparmorprofiles/web`,
        },
        caBundle: CA_BUNDLE,
      },
      rules: [
        { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' },
        {
          apiGroups: ['apparmor-operator.dev'],
          apiVersions: ['v1alpha1'],
          operations: ['CREATE'],
          resources: ['apparmornodes'],
          scope: 'Cluster',
        },
      ],
      namespaceSelector: {
        matchLabels: { team: 'a' },
        matchExpressions: [
          { key: 'env', operator: 'Exists' },
          { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'own'] },
          { key: 'apparmor-operator.dev/inject', operator: 'NotIn', values: ['disabled'] },
        ],
      },
      objectSelector: { matchLabels: { app: 'web' } },
      matchConditions: [
        {
          name: 'pod-or-own-proof',
          expression: `request.resource.resource == "pods" || request.name == "${proofName(group)}"`,
        },
      ],
      matchPolicy: 'Equivalent',
      failurePolicy: 'Fail',
      sideEffects: 'None',
      reinvocationPolicy: 'IfNeeded',
      timeoutSeconds: 5,
    });
  });

  it('are one for all rules of a pair of selectors', () => {
    const selector = { matchLabels: { app: 'web' } };
    const same = { matchExpressions: [{ key: 'app', operator: 'In', values: ['web'] }] } as const;
    const groups = groupsOf([
      rule('b', { selector }),
      rule('a', { selector: same, priority: 1 }),
      rule('c', { selector, namespaceSelector: {} }),
      rule('other', { selector, namespaceSelector: { matchLabels: { team: 'a' } } }),
    ]);
    expect(groups.map(({ rules }) => rules.map(({ object }) => object.name))).to.deep.equal([
      ['a', 'b', 'c'],
      ['other'],
    ]);
    const { configurations } = configure(groups);
    expect(configurations.flatMap(({ webhooks }) => webhooks)).to.have.length(2);
  });

  it('have names that stay when a rule changes, and paths that do not', () => {
    const before = onlyGroup([rule('web', { selector: { matchLabels: { app: 'web' } } })]);
    const after = onlyGroup([rule('web', { selector: { matchLabels: { app: 'web' } }, profile: 'other', since: 2 })]);
    expect(entryName(after)).to.equal(entryName(before));
    expect(entryPath(after)).not.to.equal(entryPath(before));
    const revised = onlyGroup([rule('web', { selector: { matchLabels: { app: 'web' } }, revision: 'another' })]);
    expect(entryPath(revised)).to.equal(entryPath(before));
  });

  it('have paths that are read again, and no others', () => {
    const group = onlyGroup([rule('web.example')]);
    const path = entryPath(group);
    expect(path).to.match(/^(\/[a-z\d]([-a-z\d.]*[a-z\d])?)+$/);
    expect(readEntryPath(path)).to.deep.equal({ id: group.id, version: group.version });
    for (const other of ['/confine/pods', '/confine/pods/', `${path}/x`, path.toUpperCase(), `/x${path}`]) {
      expect(readEntryPath(other), other).to.equal(undefined);
    }
  });

  it('fit below 1 MB each for 500 objects with selectors of 16 KiB, in configurations whose names are known', () => {
    const groups = groupsOf(Array.from({ length: 500 }, (_, index) => distinct(index, 16 * 1024 - 200)));
    const { configurations, leftOut } = configure(groups);
    expect(leftOut).to.deep.equal([]);
    expect(configurations.flatMap(({ webhooks }) => webhooks)).to.have.length(500);
    const sizes = configurations.map((configuration) => JSON.stringify(configuration).length);
    expect(Math.max(...sizes)).to.be.below(1_000_000);
    expect(Math.max(...sizes), 'the rules are large').to.be.above(500_000);
    for (const { name } of configurations) expect(POD_CONFIGURATIONS).to.include(name);
    expect(configurations.map(({ name }) => name)).to.deep.equal([...POD_CONFIGURATIONS]);
  });

  it('leave out the youngest objects where a configuration would grow too large', () => {
    const rules = Array.from({ length: 1200 }, (_, index) => {
      const created = new Date(Date.UTC(2026, 0, 1) + ((index * 7919) % 1200) * 1000).toISOString();
      const made = distinct(index, 16 * 1024);
      return { ...made, object: { ...made.object, creationTimestamp: created } };
    });
    const groups = groupsOf(rules);
    const { configurations, leftOut } = configure(groups);
    expect(configurations.flatMap(({ webhooks }) => webhooks).length + leftOut.length).to.equal(1200);
    expect(leftOut).not.to.deep.equal([]);
    const out = new Set(leftOut.map(({ id }) => id));
    for (const left of leftOut) {
      const inside = groups.filter(({ id }) => id.startsWith(left.id.slice(0, 1)) && !out.has(id));
      expect(Math.max(...inside.map(age))).to.be.below(age(left));
    }
    for (const configuration of configurations) expect(JSON.stringify(configuration).length).to.be.below(1_000_000);
  });

  it('of one configuration alone change with an object', () => {
    const book = bookOf(Array.from({ length: 200 }, (_, index) => distinct(index)));
    const texts = () =>
      new Map(configure(book.groups()).configurations.map((each) => [each.name, JSON.stringify(each)]));
    const before = texts();
    for (let index = 200; index < 210; index++) {
      const added = distinct(index);
      book.set(added.object.uid, added);
      expect(changed(before, texts())).to.have.length(1);
      book.set(added.object.uid, undefined);
      expect(changed(before, texts())).to.deep.equal([]);
    }
  });

  it('have configurations whose names sort behind those of others', () => {
    const names = ['istio-sidecar-injector', 'vault-agent', 'zz-last', ...POD_CONFIGURATIONS];
    expect(names.toSorted().slice(-POD_CONFIGURATIONS.length)).to.deep.equal([...POD_CONFIGURATIONS]);
    expect(POD_CONFIGURATIONS).to.have.length(16);
  });
});

function age({ rules: [first] }: RuleGroup): number {
  return Date.parse(first?.object.creationTimestamp ?? '');
}

function changed(left: ReadonlyMap<string, string>, right: ReadonlyMap<string, string>): string[] {
  return POD_CONFIGURATIONS.filter((name) => left.get(name) !== right.get(name));
}

import { expect } from 'chai';
import { applyPatch } from './json-patch.ts';
import { CONFINED_BY_ANNOTATION, type ConfinedBy } from '../../../../src/admission/pods/confined-by.ts';
import { patchFor } from '../../../../src/admission/pods/patch.ts';
import { readPod } from '../../../../src/admission/pods/pod-subject.ts';
import { compareRules, decide, type PodDecision, type PodRule } from '../../../../src/admission/pods/rule.ts';
import { ANNOTATION_PREFIX, CASES, NAMESPACE_LABELS, RULES, type Case, type Pod } from './pod-table.ts';
import { rule } from './rules.ts';

const OWN = 'apparmor-operator';

function decisionOf(pod: object, namespace: Case['namespace'] = 'a', rules = RULES): PodDecision {
  return decide(readPod(pod), { name: namespace, labels: NAMESPACE_LABELS[namespace] }, rules, OWN);
}

function patched(pod: Pod, namespace: Case['namespace'] = 'a', rules: readonly PodRule[] = RULES): Pod {
  return applyPatch(pod, patchFor(readPod(pod), decisionOf(pod, namespace, rules), rules)) as Pod;
}

function outcomes(decision: PodDecision): { confined: Record<string, string>; skipped: Record<string, string> } {
  const confined: Record<string, string> = {};
  const skipped: Record<string, string> = {};
  if (decision.kind !== 'decided') return { confined, skipped };
  for (const { container, outcome } of decision.containers) {
    if (outcome.kind === 'confine') confined[container.name] = outcome.rule.object.name;
    if (outcome.kind === 'confined') skipped[container.name] = 'confined';
    if (outcome.kind === 'skipped') skipped[container.name] = outcome.reason;
  }
  return { confined, skipped };
}

/** The pod without the paths that a patch may have, for these containers. */
function stripped(pod: Pod, names: ReadonlySet<string>, original: Pod): Pod {
  const copy = structuredClone(pod);
  for (const name of names) delete copy.metadata.annotations?.[ANNOTATION_PREFIX + name];
  delete copy.metadata.annotations?.[CONFINED_BY_ANNOTATION];
  if (original.metadata.annotations === undefined) delete copy.metadata.annotations;
  for (const list of ['initContainers', 'containers'] as const) {
    copy.spec[list]?.forEach((container, index) => {
      if (!names.has(container.name)) return;
      const context = container['securityContext'] as Record<string, unknown> | undefined;
      delete context?.['appArmorProfile'];
      if (original.spec[list]?.[index]?.['securityContext'] === undefined) delete container['securityContext'];
    });
  }
  return copy;
}

describe('the pod rule', () => {
  it('is shown by at least 60 pods with different names', () => {
    expect(new Set(CASES.map(({ what }) => what)).size)
      .to.equal(CASES.length)
      .and.to.be.at.least(60);
  });

  for (const { what, namespace, pod, confined, untouched, skipped = {} } of CASES) {
    it(what, () => {
      const decision = decisionOf(pod, namespace);
      expect(decision.kind === 'exempt' ? decision.reason : decision.kind).to.equal(untouched ?? 'decided');
      expect(outcomes(decision)).to.deep.equal({ confined, skipped });

      const after = patched(pod, namespace);
      const names = new Set(Object.keys(confined));
      if (names.size === 0) {
        expect(JSON.stringify(after)).to.equal(JSON.stringify(pod));
        return;
      }
      for (const container of [...(after.spec.initContainers ?? []), ...after.spec.containers]) {
        if (!names.has(container.name)) continue;
        const profile = `aa-${confined[container.name]}`;
        const { appArmorProfile } = container['securityContext'] as { appArmorProfile: object };
        expect(appArmorProfile).to.deep.equal({ type: 'Localhost', localhostProfile: profile });
        expect(after.metadata.annotations?.[ANNOTATION_PREFIX + container.name]).to.equal(`localhost/${profile}`);
      }
      const noted = JSON.parse(after.metadata.annotations?.[CONFINED_BY_ANNOTATION] ?? '') as ConfinedBy;
      const byContainer = Object.entries(noted).flatMap(([object, { revision, containers }]) => {
        expect(revision).to.equal(`rev-${object}`);
        return containers.map((name) => [name, object]);
      });
      expect(Object.fromEntries(byContainer)).to.deep.equal(confined);
      // Everything else is as it was.
      expect(stripped(after, names, pod)).to.deep.equal(stripped(pod, names, pod));
      // A second round of admission changes nothing.
      expect(patchFor(readPod(after), decisionOf(after, namespace), RULES)).to.deep.equal([]);
    });
  }

  it('says who won to the rules that lost', () => {
    const decision = decisionOf({
      metadata: { labels: { app: 'web', tier: 'api' } },
      spec: { containers: [{ name: 'c' }] },
    });
    expect(decision.kind === 'decided' && decision.containers[0]?.lost.map(({ object }) => object.name)).to.deep.equal([
      'web',
    ]);
  });

  it('says what the author has set, shortened, without control characters', () => {
    const annotation = `x\n${'y'.repeat(200)}`;
    const pod = {
      metadata: { labels: { app: 'web' }, annotations: { [`${ANNOTATION_PREFIX}b`]: annotation } },
      spec: {
        containers: [
          { name: 'a', securityContext: { appArmorProfile: { type: 'Unconfined' } } },
          { name: 'b' },
          { name: 'c', securityContext: { appArmorProfile: { localhostProfile: 'p' } } },
        ],
      },
    };
    const decision = decisionOf(pod);
    const messages =
      decision.kind === 'decided'
        ? decision.containers.map(({ outcome }) => outcome.kind === 'skipped' && outcome.message)
        : [];
    expect(messages).to.deep.equal([
      'its securityContext says Unconfined',
      `its annotation says "x\\n${'y'.repeat(61)}…"`,
      'its securityContext says no type "p"',
    ]);
  });

  it('orders rules by priority, age and uid', () => {
    const rules = [
      at('d', '2026-11-01T00:00:00Z'),
      at('c', '2026-11-01T00:00:00Z'),
      at('b', '2025-01-01T00:00:00+01:00'),
      at('a', '2026-12-01T00:00:00Z', 1),
      at('e', '2020-12-01T00:00:00Z', -1),
    ];
    expect(rules.sort(compareRules).map(({ object }) => object.uid)).to.deep.equal(['a', 'b', 'c', 'd', 'e']);
    expect(compareRules(at('a', '2026-11-01T00:00:00Z'), at('a', '2026-11-01T00:00:00Z'))).to.equal(0);
  });

  it('never touches the operator’s own namespace', () => {
    const pod = readPod({ metadata: {}, spec: { containers: [{ name: 'c' }] } });
    const everything = [rule('all')];
    expect(decide(pod, { name: OWN, labels: {} }, everything, OWN)).to.include({ kind: 'exempt', reason: 'Namespace' });
    expect(decide(pod, { name: 'other', labels: {} }, everything, OWN)).to.include({ kind: 'decided' });
  });
});

describe('a second round of admission', () => {
  const web: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'pod', labels: { app: 'web' } },
    spec: { containers: [{ name: 'one' }] },
  };

  it('confines a container that was added, and notes both', () => {
    const first = patched(web);
    first.spec.containers.unshift({ name: 'added' });
    const second = patched(first);
    expect(second.spec.containers.map(({ securityContext }) => securityContext)).to.deep.equal(
      Array.from({ length: 2 }, () => ({ appArmorProfile: { type: 'Localhost', localhostProfile: 'aa-web' } })),
    );
    expect(second.metadata.annotations?.[CONFINED_BY_ANNOTATION]).to.equal(
      '{"web":{"revision":"rev-web","containers":["added","one"]}}',
    );
  });

  it('puts back a field that a webhook dropped while the annotation stayed', () => {
    const first = patched(web);
    delete first.spec.containers[0]?.['securityContext'];
    expect(patched(first)).to.deep.equal(patched(web));
  });

  it('leaves what the rule gave before a label made another rule the winner, and its note', () => {
    const first = patched(web);
    first.metadata.labels = { app: 'web', tier: 'api' };
    first.spec.containers.push({ name: 'added' });
    const second = patched(first);
    expect(second.spec.containers[0]).to.deep.equal(first.spec.containers[0]);
    expect(second.metadata.annotations?.[CONFINED_BY_ANNOTATION]).to.equal(
      '{"web":{"revision":"rev-web","containers":["one"]},"high":{"revision":"rev-high","containers":["added"]}}',
    );
  });

  it('drops notes that are not true: by another object, of an own profile, of no annotation', () => {
    const note = JSON.stringify({
      web: { revision: 'r', containers: ['own', 'nowhere', 'bare', 'runtime'] },
      nobody: { revision: 'r', containers: ['mine'] },
    });
    const pod: Pod = {
      ...web,
      metadata: {
        ...web.metadata,
        labels: { app: 'web', tier: 'api' },
        annotations: {
          [CONFINED_BY_ANNOTATION]: note,
          [`${ANNOTATION_PREFIX}own`]: 'localhost/aa-own',
          [`${ANNOTATION_PREFIX}mine`]: 'localhost/aa-web',
        },
      },
      spec: {
        containers: [
          localhost('own', 'aa-own'),
          localhost('mine', 'aa-web'),
          localhost('bare', 'aa-web'),
          { name: 'runtime', securityContext: { appArmorProfile: { type: 'RuntimeDefault' } } },
          { name: 'new' },
        ],
      },
    };
    expect(patched(pod).metadata.annotations?.[CONFINED_BY_ANNOTATION]).to.equal(
      '{"high":{"revision":"rev-high","containers":["new"]}}',
    );
  });
});

describe('reading a pod', () => {
  const refused: [object: unknown, message: RegExp][] = [
    [null, /the object is not an object/],
    [{ metadata: {} }, /spec is not an object/],
    [{ spec: { containers: {} } }, /spec.containers is not a list/],
    [{ spec: { containers: [{}] } }, /spec.containers\[0\].name is not a string/],
    [{ spec: { initContainers: ['x'] } }, /spec.initContainers\[0\] is not an object/],
    [{ metadata: { labels: { a: 1 } }, spec: {} }, /metadata.labels has a member that is not a string/],
    [{ spec: { securityContext: { appArmorProfile: 'x' } } }, /appArmorProfile is not an object/],
  ];
  for (const [object, message] of refused) {
    it(`refuses ${JSON.stringify(object)}`, () => expect(() => readPod(object)).to.throw(message));
  }

  it('takes null for absent', () => {
    const pod = readPod({
      metadata: { annotations: null, labels: null },
      spec: { securityContext: null, os: null, containers: [{ name: 'c', securityContext: null }] },
    });
    expect(pod).to.deep.include({ hasAnnotations: false, labels: {}, annotations: {} });
    expect(pod.containers).to.deep.equal([{ name: 'c', list: 'containers', index: 0, hasSecurityContext: false }]);
  });
});

function at(uid: string, creationTimestamp: string, priority = 0): PodRule {
  return rule(uid, { object: { name: uid, uid, creationTimestamp }, priority });
}

function localhost(name: string, localhostProfile: string): Pod['spec']['containers'][number] {
  return { name, securityContext: { appArmorProfile: { type: 'Localhost', localhostProfile } } };
}

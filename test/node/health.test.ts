import { expect } from 'chai';
import { waitFor } from '../testbed/process.ts';
import { applyProfile, DEADLINE_MS, kubectl, profileReady } from './operator.ts';

const NAMESPACE = 'apparmor-operator';

describe('what the operator says of itself', () => {
  const parts = [
    { component: 'agent', port: 8081, metric: 'apparmor_agent_profiles_loaded' },
    { component: 'controller', port: 8080, metric: 'apparmor_controller_' },
  ];

  for (const { component, port, metric } of parts) {
    it(`the ${component} answers /healthz, /readyz and /metrics`, async () => {
      for (const pod of await podsOf(component)) {
        for (const [path, expected] of [
          ['healthz', 'ok'],
          ['readyz', 'ok'],
          ['metrics', metric],
        ] as const) {
          const answer = await kubectl([
            'get',
            '--raw',
            `/api/v1/namespaces/${NAMESPACE}/pods/${pod}:${port}/proxy/${path}`,
          ]);
          expect(answer, `${pod} /${path}`).to.contain(expected);
        }
      }
    });

    it(`the ${component} logs JSON with time, level, message and component, and no policy text`, async () => {
      for (const pod of await podsOf(component)) {
        const log = await kubectl(['logs', '-n', NAMESPACE, pod]);
        const lines = log.trim().split('\n');
        expect(lines).to.have.length.greaterThan(0);
        for (const line of lines) {
          const entry = JSON.parse(line) as Record<string, unknown>;
          expect(entry, line).to.include.keys('time', 'level', 'message', 'component');
        }
        expect(log).not.to.contain('deny /');
      }
    });
  }

  it('emits Events on the object that say what happened', async () => {
    await applyProfile('health-told', { policy: 'profile health-told { file, }' });
    await profileReady('health-told');
    const told = await waitFor('both Events are there', { deadlineMs: DEADLINE_MS, intervalMs: 500 }, async () => {
      const events = JSON.parse(await kubectl(['get', 'events.events.k8s.io', '-n', 'default', '-o', 'json'])) as {
        items: { regarding: { kind: string; name: string }; reason: string; note: string }[];
      };
      const ours = events.items.filter(({ regarding }) => regarding.name === 'health-told');
      return ['Published', 'Ready'].every((wanted) => ours.some(({ reason }) => reason === wanted)) && ours;
    });
    for (const { note, regarding } of told) {
      expect(regarding.kind).to.equal('AppArmorProfile');
      expect(note).to.have.length.greaterThan(10);
    }
  });
});

async function podsOf(component: string): Promise<string[]> {
  const names = await kubectl([
    'get',
    'pods',
    '-n',
    NAMESPACE,
    '-l',
    `app.kubernetes.io/component=${component}`,
    '-o',
    'jsonpath={.items[*].metadata.name}',
  ]);
  const pods = names
    .trim()
    .split(' ')
    .filter((name) => name !== '');
  expect(pods, `pods of the ${component}`).to.have.length.greaterThan(0);
  return pods;
}

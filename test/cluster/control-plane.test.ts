import { expect } from 'chai';
import { kubernetesVersion } from '../testbed/kubernetes-binary.ts';
import { waitFor } from '../testbed/process.ts';
import { controlPlane, namePrefix } from './fixture.ts';

describe('the control plane of the test bed', function () {
  this.timeout(60_000);

  it('serves the Kubernetes version that the test bed names', async () => {
    const { stdout } = await controlPlane().kubectl(['version', '--output=json']);
    const version = JSON.parse(stdout) as Record<'clientVersion' | 'serverVersion', { gitVersion: string }>;
    expect(version.serverVersion.gitVersion).to.equal('v1.37.2');
    expect(version.clientVersion.gitVersion).to.equal('v1.37.2');
    expect(await kubernetesVersion()).to.equal('v1.37.2');
  });

  it('runs controllers and a scheduler: a Deployment gets a Pod that no node can take', async function () {
    const { kubectl } = controlPlane();
    const name = `${namePrefix(this)}web`;
    expect((await kubectl(['create', 'deployment', name, '--image=none', '--replicas=1'])).code).to.equal(0);

    const selector = `--selector=app=${name}`;
    const message = '{.items[0].status.conditions[?(@.type=="PodScheduled")].message}';
    const scheduled = await waitFor('the Pod to be considered', { deadlineMs: 30_000 }, async () => {
      const { stdout } = await kubectl(['get', 'pods', selector, `--output=jsonpath=${message}`]);
      return stdout === '' ? undefined : stdout;
    });
    expect(scheduled).to.contain('no nodes available');
    const owners = await kubectl([
      'get',
      'pods',
      selector,
      '--output=jsonpath={.items[*].metadata.ownerReferences[*].kind}',
    ]);
    expect(owners.stdout).to.equal('ReplicaSet');
    // It would be scheduled to the next test's node.
    await kubectl(['delete', 'deployment', name, '--cascade=foreground', '--timeout=30s']);
  });

  it('lets a kubelet write its own Node only', async function () {
    const { kubectl, certificateKubeconfig } = controlPlane();
    const node = `${namePrefix(this)}node`;
    const kubeconfig = await certificateKubeconfig({ name: `system:node:${node}`, groups: ['system:nodes'] });
    const create = (name: string) => {
      const object = { apiVersion: 'v1', kind: 'Node', metadata: { name } };
      return kubectl(['create', '--filename=-'], { kubeconfig, input: JSON.stringify(object) });
    };
    expect((await create(node)).code).to.equal(0);
    const refused = await create(`${node}-other`);
    expect(refused.stderr).to.contain('is not allowed to modify node');
    await kubectl(['delete', 'node', node]);
  });

  it('knows a ServiceAccount by its token', async () => {
    const { kubectl, tokenKubeconfig } = controlPlane();
    const kubeconfig = await tokenKubeconfig({ namespace: 'default', serviceAccount: 'default' });
    const { stdout } = await kubectl(['auth', 'whoami', '--output=jsonpath={.status.userInfo.username}'], {
      kubeconfig,
    });
    expect(stdout).to.equal('system:serviceaccount:default:default');
  });
});

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import type { AppArmorProfile } from '../../../src/api/generated/index.ts';
import { reviewPolicy } from '../../../src/policy/rules.ts';
import { ROOT } from './folders.ts';

const FOLDER = join(ROOT, 'profiles');

describe('the samples in profiles/', () => {
  it('pass the review, without a finding but for the text that is the Kubernetes documentation’s own', async () => {
    for (const { file, sample } of await samples()) {
      const { policy: text, mode, allowHostAttachment = false } = sample.spec;
      const review = reviewPolicy({ text, allowHostAttachment, ...(mode === undefined ? {} : { mode }) });
      const warned = file === 'deny-write.yaml' ? ['no-abi', 'no-signal-rule'] : [];
      expect(
        review.findings.map(({ rule }) => rule),
        file,
      ).to.deep.equal(warned);
      expect(review.findings.every(({ severity }) => severity === 'warning')).to.equal(true);
      expect(review.profiles, file).to.deep.equal([sample.metadata.name]);
    }
  });

  it('have the pod that names one of them in a folder of its own, which `kubectl apply -f profiles/` leaves out', async () => {
    const pod = parse(await readFile(join(FOLDER, 'pods', 'deny-write.yaml'), 'utf8')) as {
      spec: { containers: { securityContext: { appArmorProfile: { type: string; localhostProfile: string } } }[] };
    };
    const names = (await samples()).map(({ sample }) => sample.metadata.name);
    for (const { securityContext } of pod.spec.containers) {
      expect(securityContext.appArmorProfile.type).to.equal('Localhost');
      expect(names).to.include(securityContext.appArmorProfile.localhostProfile);
    }
  });

  it('show a complain mode', async () => {
    const modes = (await samples()).map(({ sample }) => sample.spec.mode);
    expect(modes).to.include('Complain');
  });
});

async function samples(): Promise<{ file: string; sample: AppArmorProfile }[]> {
  const files = (await readdir(FOLDER)).filter((name) => name.endsWith('.yaml'));
  expect(files.length).to.be.greaterThan(2);
  const texts = files.map(async (file) => ({
    file,
    sample: parse(await readFile(join(FOLDER, file), 'utf8')) as AppArmorProfile,
  }));
  return Promise.all(texts);
}

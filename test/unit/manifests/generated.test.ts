import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { GENERATED_FOLDER, generateApi, plainTypes } from '../../../scripts/generate-api.ts';

describe('src/api/generated', () => {
  it('is what `npm run generate` makes of crds/', async function () {
    this.timeout(60_000);
    const expected = await generateApi();
    expect((await readdir(GENERATED_FOLDER)).sort()).to.deep.equal([...expected.keys()].sort());
    for (const [file, text] of expected) {
      expect(await readFile(join(GENERATED_FOLDER, file), 'utf8'), `${file}: run npm run generate`).to.equal(text);
    }
  });
});

describe('plainTypes', () => {
  it('turns enums into unions', () => {
    const text = 'export enum Mode {\n  Complain = "Complain",\n  OffBy1 = "off-by-1",\n}\n';
    expect(plainTypes(text)).to.equal("export type Mode = 'Complain' | 'off-by-1';\n");
  });

  it('gives metadata its type, required as written', () => {
    expect(plainTypes('  metadata: { [key: string]: any };')).to.equal('  metadata: ObjectMeta;');
  });

  for (const line of ['  since: Date;', '  many?: { [key: string]: Date };', '  what: any[];', '  list: Array<any>;']) {
    it(`refuses ${line.trim()}`, () => {
      expect(() => plainTypes(`export interface A {\n${line}\n}`)).to.throw(/the generated types contain (Date|any)/);
    });
  }

  it('lets comments speak of any date', () => {
    const text = '/**\n * Any Date, any enum.\n */\nexport interface A {}\n';
    expect(plainTypes(text)).to.equal(text);
  });
});
